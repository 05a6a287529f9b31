package engine

import (
	"path/filepath"
	"testing"

	"github.com/podidentity/epi/clusters"
)

func TestChecksThatFailSayWhatToDo(t *testing.T) {
	dirs := clusters.Dirs{State: filepath.Join(t.TempDir(), "not", "made", "yet")}
	checks := Checks(t.Context(), Options{Dirs: dirs})
	names := map[string]bool{}
	for _, check := range checks {
		if check.Name == "" || check.State == "" || !check.OK && check.Remedy == "" {
			t.Errorf("check says too little: %+v", check)
		}
		if names[check.Name] {
			t.Errorf("two checks are called %s", check.Name)
		}
		names[check.Name] = true
	}
	for _, name := range []string{"container engine", "capabilities", "overlayfs", "bridge and veth links", "iptables", "control groups", "IPv6", "inotify", "open files", "disk for the engine"} {
		if !names[name] {
			t.Errorf("no check of %s", name)
		}
	}
}

func TestDiskCheck(t *testing.T) {
	if check := DiskCheck("disk", filepath.Join(t.TempDir(), "a", "b"), 1); !check.OK {
		t.Errorf("one byte is too much: %+v", check)
	}
	if check := DiskCheck("disk", t.TempDir(), 1<<62); check.OK || check.Remedy == "" {
		t.Errorf("four exbibytes are there: %+v", check)
	}
}
