package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func entry(name string) Entry {
	return Entry{
		Time: time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC), Account: "123456789012", Region: "us-west-2", Environment: "blue", Run: "r1", Kind: Role, Name: name,
	}
}

func TestWhatIsRecordedIsRead(t *testing.T) {
	file := File(filepath.Join(t.TempDir(), "journal"))
	if entries, damaged, err := file.Read(); len(entries) != 0 || damaged != 0 || err != nil {
		t.Fatalf("of none: %v, %d, %v", entries, damaged, err)
	}
	var want []Entry
	for _, name := range []string{"a", "b/c", "äöü \"quoted\"\nline"} {
		want = append(want, entry(name))
		if err := file.Record(entry(name)); err != nil {
			t.Fatal(err)
		}
	}
	got, damaged, err := file.Read()
	if err != nil || damaged != 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %d, %v", got, damaged, err)
	}
	if info, err := os.Stat(string(file)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWritersDoNotMix(t *testing.T) {
	file := File(filepath.Join(t.TempDir(), "journal"))
	var group sync.WaitGroup
	for writer := range 8 {
		group.Go(func() {
			for n := range 10 {
				if err := file.Record(entry(fmt.Sprintf("%d-%d", writer, n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got, damaged, err := file.Read(); len(got) != 80 || damaged != 0 || err != nil {
		t.Errorf("%d entries, %d damaged, %v", len(got), damaged, err)
	}
}

func TestDamageIsPassedOver(t *testing.T) {
	whole, err := json.Marshal(entry("whole"))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		text    string
		entries int
		damaged int
	}{
		"empty":               {"", 0, 0},
		"cut off":             {string(whole) + "\n" + string(whole[:30]), 1, 1},
		"cut off, then whole": {string(whole[:30]) + "\n" + string(whole) + "\n", 1, 1},
		"zeros of a crash":    {string(bytes.Repeat([]byte{0}, 512)) + "\n" + string(whole), 1, 1},
		"a line too long":     {strings.Repeat("x", 5*maxLine) + "\n" + string(whole), 1, 1},
		"of something else":   {`{"time":"now"}` + "\n[]\n42\nnull\n", 0, 4},
		"an unknown kind":     {strings.Replace(string(whole), "IAM role", "IAM user", 1), 0, 1},
		"no name":             {strings.Replace(string(whole), `"whole"`, `""`, 1), 0, 1},
		"no environment":      {strings.Replace(string(whole), `"blue"`, `""`, 1), 0, 1},
		"blank lines":         {"\n\n \n" + string(whole) + "\n\n", 1, 0},
	} {
		entries, damaged, err := parse(strings.NewReader(row.text))
		if err != nil || len(entries) != row.entries || damaged != row.damaged {
			t.Errorf("%s: %d entries, %d damaged, %v; want %d, %d", name, len(entries), damaged, err, row.entries, row.damaged)
		}
	}
}

// TestALineThatWasCutOffTakesNoOtherAlong: a full disk truncates a line.
func TestALineThatWasCutOffTakesNoOtherAlong(t *testing.T) {
	file := File(filepath.Join(t.TempDir(), "journal"))
	if err := os.WriteFile(string(file), []byte(`{"time":"2026-`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := file.Record(entry("next")); err != nil {
		t.Fatal(err)
	}
	if got, damaged, err := file.Read(); len(got) != 1 || damaged != 1 || err != nil {
		t.Errorf("%v, %d, %v", got, damaged, err)
	}
}

func TestNoLinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := File(filepath.Join(dir, "journal"))
	if err := os.Symlink(other, string(file)); err != nil {
		t.Fatal(err)
	}
	if err := file.Record(entry("x")); err == nil {
		t.Error("written by way of a link")
	}
	if _, _, err := file.Read(); err == nil {
		t.Error("read by way of a link")
	}
	if _, _, err := File(dir).Read(); err == nil {
		t.Error("a folder was read")
	}
}

func FuzzParse(f *testing.F) {
	whole, err := json.Marshal(entry("whole"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("{}\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, damaged, err := parse(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(data, []byte{'\n'}) + 1; len(entries)+damaged > lines {
			t.Errorf("%d entries and %d damaged of %d lines", len(entries), damaged, lines)
		}
		for _, e := range entries {
			if !e.valid() {
				t.Errorf("%+v", e)
			}
		}
	})
}
