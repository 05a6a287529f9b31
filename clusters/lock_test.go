package clusters

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocksOfEnvironments(t *testing.T) {
	up, down, test := Use{Verb: "up", Makes: true}, Use{Verb: "down", Removes: true}, Use{Verb: "test"}
	all := Use{Verb: "down --all", Removes: true, All: true}
	for _, row := range []struct {
		first, second Use
		// other says that the second use is of another environment.
		other, free bool
	}{
		{first: up, second: up}, {first: up, second: down}, {first: up, second: test},
		{first: test, second: down}, {first: test, second: test},
		{first: up, second: up, other: true, free: true}, {first: test, second: down, other: true, free: true},
		{first: up, second: all}, {first: test, second: all}, {first: all, second: up}, {first: all, second: all},
	} {
		dirs := Dirs{State: filepath.Join(t.TempDir(), "state")}
		if err := dirs.MakeState(); err != nil {
			t.Fatal(err)
		}
		release, err := Lock(dirs, "mine", row.first)
		if err != nil {
			t.Fatal(err)
		}
		name := "mine"
		if row.other {
			name = "yours"
		}
		second, err := Lock(dirs, name, row.second)
		held, busy := errors.AsType[*InUseError](err)
		switch {
		case row.free && err != nil:
			t.Errorf("%+v: %v", row, err)
		case row.free:
			second()
		case !busy || len(held.Holders) != 1 || held.Holders[0].PID != os.Getpid() || held.Holders[0].Verb != row.first.Verb:
			t.Errorf("%+v: error %v (%+v)", row, err, held)
		case held.Holders[0].Changes != (row.first.Makes || row.first.Removes) || !strings.Contains(Remedy(err), "kill"):
			t.Errorf("%+v: holder %+v, remedy %q", row, held.Holders[0], Remedy(err))
		}
		release()
		if again, err := Lock(dirs, "mine", row.second); err != nil {
			t.Errorf("%+v: after the first has ended: %v", row, err)
		} else {
			again()
		}
		if _, err := os.Stat(dirs.State); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v: something stays: %s", row, tree(t, dirs.State))
		}
	}
}

func TestALockOfNothingMakesNothing(t *testing.T) {
	dirs := Dirs{State: filepath.Join(t.TempDir(), "state")}
	for _, use := range []Use{{Verb: "down", Removes: true}, {Verb: "test"}, {Verb: "down", Removes: true, All: true}} {
		release, err := Lock(dirs, "mine", use)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dirs.State); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v makes %s", use, dirs.State)
		}
		release()
	}
	if _, err := Lock(dirs, "../x", Use{Verb: "up", Makes: true}); err == nil {
		t.Error("a bad name is locked")
	}
}

// A lock's file is emptied when it is taken and removed at the end, so links to it are not followed.
func TestNoLockBehindALink(t *testing.T) {
	const mark = `{"folder":"state"}`
	for name, files := range map[string]map[string]string{
		"the folder of locks": {"s/locks": "-> ../victim"},
		"a lock":              {"s/locks/mine.lock": "-> ../../victim/mine.lock"},
		"the lock of all":     {"s/state.lock": "-> ../victim/mine.lock"},
		"a lock is a folder":  {"s/locks/mine.lock/": ""},
		"all is a folder":     {"s/state.lock/": ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lay(t, dir, map[string]string{"s/.epi.json": mark, "s/clusters/mine/.epi.json": `{"folder":"environment","name":"mine"}`, "victim/mine.lock": "keep", "victim/other.lock": ""})
			lay(t, dir, files)
			before := tree(t, dir)
			dirs := Dirs{State: filepath.Join(dir, "s")}
			for _, use := range []Use{{Verb: "up", Makes: true}, {Verb: "down", Removes: true}, {Verb: "test"}, {Verb: "down --all", Removes: true, All: true}} {
				release, err := Lock(dirs, "mine", use)
				if err == nil {
					release()
				} else if Remedy(err) == "" || !strings.Contains(err.Error(), "is not epi's") {
					t.Errorf("%s: error %v, remedy %q", use.Verb, err, Remedy(err))
				}
				if err == nil && !use.All {
					t.Errorf("%s: it is taken", use.Verb)
				}
			}
			kept, err := os.ReadFile(filepath.Join(dir, "victim", "mine.lock"))
			if after := tree(t, dir); err != nil || string(kept) != "keep" || after != before {
				t.Errorf("%v, %q; before:\n%s\nafter:\n%s", err, kept, before, after)
			}
		})
	}
}
