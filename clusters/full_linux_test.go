package clusters

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAFullDiskKeepsNothingFromBeingRemoved: on a file system of its own, full or read-only.
func TestAFullDiskKeepsNothingFromBeingRemoved(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	for _, readOnly := range []bool{false, true} {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Skipf("this machine mounts no tmpfs: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		dirs := Dirs{State: filepath.Join(dir, "state")}
		if _, err := MakeEnvironmentDir(dirs, "mine", "kind"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("it is not full: %v", err)
		}
		if readOnly {
			if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		}
		release, err := Lock(dirs, "mine", Use{Verb: "down", Removes: true})
		if err != nil {
			t.Fatal(err)
		}
		err = RemoveEnvironmentDir(dirs, "mine")
		release()
		if (err == nil) == readOnly {
			t.Errorf("read-only %t: error %v", readOnly, err)
		}
		if _, err := os.Stat(dirs.State); errors.Is(err, os.ErrNotExist) == readOnly {
			t.Errorf("read-only %t: state folder: %v", readOnly, err)
		}
		if _, err := Lock(dirs, "mine", Use{Verb: "up", Makes: true}); readOnly && (err == nil || Remedy(err) == "") {
			t.Errorf("something is made on a read-only disk: %v", err)
		}
	}
}
