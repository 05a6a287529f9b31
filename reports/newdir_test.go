package reports

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestLatestIsTheRunThatEndedLast(t *testing.T) {
	artifacts := t.TempDir()
	started := time.Unix(0, 0)
	first, err := NewDir(artifacts, started)
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewDir(artifacts, started)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(artifacts, "latest")
	if _, err := os.Lstat(link); !os.IsNotExist(err) {
		t.Errorf("a run that has not ended is the latest: %v", err)
	}
	for _, dir := range []string{second, first, first} {
		if err := PointLatest(dir); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(link); err != nil || got != filepath.Base(dir) {
			t.Errorf("latest is %q, want %q (%v)", got, filepath.Base(dir), err)
		}
	}
}

func TestLatestIsAlwaysThereWhileRunsEndTogether(t *testing.T) {
	artifacts := t.TempDir()
	var dirs []string
	for range 8 {
		dir, err := NewDir(artifacts, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	if err := PointLatest(dirs[0]); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for _, dir := range dirs {
		group.Go(func() {
			for range 50 {
				if err := PointLatest(dir); err != nil {
					t.Error(err)
				}
				if _, err := os.Stat(filepath.Join(artifacts, "latest")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	entries, err := os.ReadDir(artifacts)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(dirs) + 1; len(entries) != want {
		t.Errorf("%d entries, want the %d runs and the link: %v", len(entries), len(dirs), entries)
	}
}

func TestWhatIsNoLinkIsNotReplaced(t *testing.T) {
	artifacts := t.TempDir()
	kept := filepath.Join(artifacts, "latest", "kept")
	if err := os.MkdirAll(kept, 0o755); err != nil {
		t.Fatal(err)
	}
	if dir, err := NewDir(artifacts, time.Unix(0, 0)); err == nil {
		t.Errorf("made %s beside a folder that is called latest", dir)
	}
	if err := PointLatest(filepath.Join(artifacts, "run")); err == nil {
		t.Error("replaced a folder")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}
