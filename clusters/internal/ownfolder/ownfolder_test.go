package ownfolder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestARemovalThatIsInterruptedCanBeRepeated(t *testing.T) {
	folder := Folder{Base: t.TempDir(), Below: []string{"a", "b"}, Mark: Mark{Folder: "x", Name: "b"}}
	if err := folder.Make(0o700); err != nil {
		t.Fatal(err)
	}
	if err := folder.Make(0o700); err != nil {
		t.Errorf("make it again: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder.Path(), "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A removal that was interrupted at any point leaves a folder that is still epi's.
	for _, left := range []string{"file", MarkFile} {
		if _, _, err := folder.Open(); err != nil {
			t.Fatalf("with %s there: %v", left, err)
		}
		if err := os.Remove(filepath.Join(folder.Path(), left)); err != nil {
			t.Fatal(err)
		}
	}
	if err := folder.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(folder.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if err := folder.Remove(); err != nil {
		t.Errorf("remove what is gone: %v", err)
	}
}

func TestAKeptFolderStays(t *testing.T) {
	base := t.TempDir()
	folder := Folder{Base: filepath.Dir(base), Below: []string{filepath.Base(base)}, Mark: Mark{Folder: "state", Kept: true}}
	if err := folder.Make(0o700); err != nil {
		t.Fatal(err)
	}
	if err := folder.Remove(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(base)
	if err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
