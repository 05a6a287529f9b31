package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAFullDisk(t *testing.T) {
	folder := t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a full disk needs a file system of its own: mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	s := open(t, filepath.Join(folder, "state.db"))
	defer func() { _ = s.Close() }()
	to := table(t, s, "iam")
	if err := to.Put("before", []byte("there")); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(folder, "ballast")
	fullErr := os.WriteFile(ballast, make([]byte, 2<<20), 0o600)
	if !errors.Is(fullErr, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", fullErr)
	}
	if err := to.Put("large", make([]byte, 256<<10)); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v, want that there is no space", err)
	}
	if got := records(t, to); got["before"] != "there" || len(got) != 1 {
		t.Errorf("records are %d", len(got))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := to.Put("large", make([]byte, 256<<10)); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}
