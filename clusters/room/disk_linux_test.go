package room

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCheckOfRealDisks: small, without files left, read-only.
func TestCheckOfRealDisks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	for _, row := range []struct {
		options string
		flags   uintptr
		files   int
		want    string
	}{
		{options: "size=64m", want: ""},
		{options: "size=64k", want: "its disk is full: 0 MiB are left"},
		{options: "size=64m,nr_inodes=10", files: 5, want: "its disk is full: it can take"},
		{options: "size=64m", flags: syscall.MS_RDONLY, want: "its disk is read-only"},
	} {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", row.flags, row.options); err != nil {
			t.Skipf("this machine mounts no tmpfs: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		for range row.files {
			if _, err := os.CreateTemp(dir, "file"); err != nil {
				t.Fatal(err)
			}
		}
		found, wrong := errors.AsType[*Error](Check(filepath.Join(dir, "below")))
		if wrong != (row.want != "") || wrong && !strings.HasPrefix(found.Why, row.want) {
			t.Errorf("%q: %v, want %q", row.options, found, row.want)
		}
	}
}
