package room

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		bytes, files    uint64
		known, readOnly bool
		want            string
	}{
		{bytes: 1 << 30, files: 1000, known: true},
		{bytes: full, files: fewFiles, known: true},
		{bytes: 3 << 20, files: 1000, known: true, want: "its disk is full: 3 MiB are left"},
		{bytes: 1 << 30, files: 2, known: true, want: "its disk is full: it can take 2 more files"},
		{bytes: 1 << 30, files: 0, known: false}, // Btrfs has no bound on files
		{bytes: 0, readOnly: true, want: "its disk is read-only"},
	} {
		if got := judge(row.bytes, row.files, row.known, row.readOnly); got != row.want {
			t.Errorf("%+v: %q", row, got)
		}
	}
}

func TestAFolderThatIsNotThereYetIsOfTheDiskAboveIt(t *testing.T) {
	dir := t.TempDir()
	if here, below := Check(dir), Check(filepath.Join(dir, "a", "b")); (here == nil) != (below == nil) {
		t.Errorf("%v, below %v", here, below)
	}
	if err := Check(""); err != nil {
		t.Errorf("of no folder nothing is known: %v", err)
	}
}

func TestErrorNamesTheFolder(t *testing.T) {
	err := error(&Error{Dir: "/x", Why: "its disk is full"})
	if found, ok := errors.AsType[*Error](err); !ok || !strings.Contains(found.Error(), "/x: its disk is full") {
		t.Error(err)
	}
}
