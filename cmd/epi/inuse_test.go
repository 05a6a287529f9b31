package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters"
)

// TestAnEnvironmentInUseIsRefusedAtOnce: the second command names the first one, and creates and removes nothing.
func TestAnEnvironmentInUseIsRefusedAtOnce(t *testing.T) {
	t.Setenv("PATH", "") // no container engine
	for _, row := range []struct {
		holder clusters.Use
		args   []string
		code   int
		says   []string
		gone   bool
	}{
		{holder: clusters.Use{Verb: "run", Makes: true}, args: []string{"run"}, code: exitEnvironment, says: []string{"epi run --name mine", "kill"}},
		{holder: clusters.Use{Verb: "run", Makes: true}, args: []string{"up"}, code: exitEnvironment, says: []string{"epi run --name mine"}},
		{holder: clusters.Use{Verb: "up", Makes: true}, args: []string{"down"}, code: exitEnvironment, says: []string{"epi up --name mine", "kill"}},
		{holder: clusters.Use{Verb: "up", Makes: true}, args: []string{"down", "--force"}, code: exitEnvironment, says: []string{"epi up --name mine"}},
		{holder: clusters.Use{Verb: "down", Removes: true}, args: []string{"down", "--force"}, code: exitEnvironment, says: []string{"epi down --name mine"}},
		{holder: clusters.Use{Verb: "cloud up", Makes: true}, args: []string{"cloud", "up"}, code: exitEnvironment, says: []string{"epi cloud up --name mine"}},
		{holder: clusters.Use{Verb: "cloud down", Removes: true}, args: []string{"cloud", "up"}, code: exitEnvironment, says: []string{"epi cloud down --name mine"}},
		{holder: clusters.Use{Verb: "test"}, args: []string{"test"}, code: exitEnvironment, says: []string{"epi test --name mine"}},
		{holder: clusters.Use{Verb: "test"}, args: []string{"bench", "--scenario", "warm"}, code: exitEnvironment, says: []string{"epi test --name mine"}},
		{holder: clusters.Use{Verb: "test"}, args: []string{"load", "my/app:dev"}, code: exitEnvironment, says: []string{"epi test --name mine"}},
		{holder: clusters.Use{Verb: "load"}, args: []string{"test"}, code: exitEnvironment, says: []string{"epi load --name mine"}},
		{holder: clusters.Use{Verb: "load"}, args: []string{"load", "my/app:dev"}, code: exitEnvironment, says: []string{"epi load --name mine"}},
		{holder: clusters.Use{Verb: "mutate", Makes: true}, args: []string{"down", "--force"}, code: exitEnvironment, says: []string{"epi mutate --name mine"}},
		{holder: clusters.Use{Verb: "test"}, args: []string{"down"}, code: exitEnvironment, says: []string{"epi test --name mine", "epi down --force --name mine"}},
		{holder: clusters.Use{Verb: "test"}, args: []string{"down", "--force"}, code: exitHeld, gone: true},
	} {
		dir := t.TempDir()
		t.Chdir(dir)
		dirs := clusters.Dirs{State: filepath.Join(dir, "state")}
		if err := clusters.SaveEnvironment(dirs, &clusters.Environment{Name: "mine", Provider: "kind"}); err != nil {
			t.Fatal(err)
		}
		release, err := clusters.Lock(dirs, "mine", row.holder)
		if err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, dir)
		args := slices.Concat(row.args, []string{"--name", "mine", "--state-dir", dirs.State, "--cache-dir", filepath.Join(dir, "cache"), "--color", "never"})
		code, stderr := perform(t, nil, args)
		if code != row.code {
			t.Errorf("%q beside %q: exit code %d, want %d:\n%s", row.args, row.holder.Verb, code, row.code, stderr)
		}
		for _, text := range row.says {
			if !strings.Contains(stderr, text) || !strings.Contains(stderr, fmt.Sprintf("process %d", os.Getpid())) {
				t.Errorf("%q beside %q: lacks %q or the process:\n%s", row.args, row.holder.Verb, text, stderr)
			}
		}
		if after := snapshot(t, dir); !row.gone && after != before {
			t.Errorf("%q beside %q: before:\n%s\nafter:\n%s", row.args, row.holder.Verb, before, after)
		}
		if _, err := os.Stat(filepath.Join(dirs.State, "clusters", "mine")); os.IsNotExist(err) != row.gone {
			t.Errorf("%q beside %q: the environment's folder: %v", row.args, row.holder.Verb, err)
		}
		release()
	}
}

func TestDownOfAllWaitsForNobody(t *testing.T) {
	t.Setenv("PATH", "")
	dirs := clusters.Dirs{State: filepath.Join(t.TempDir(), "state")}
	for _, name := range []string{"one", "two"} {
		if err := clusters.SaveEnvironment(dirs, &clusters.Environment{Name: name, Provider: "kind"}); err != nil {
			t.Fatal(err)
		}
	}
	release, err := clusters.Lock(dirs, "two", clusters.Use{Verb: "test"})
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"down", "--all", "--state-dir", dirs.State, "--color", "never"}
	if code, stderr := perform(t, nil, args); code != exitEnvironment || !strings.Contains(stderr, "epi test --name two") || !strings.Contains(stderr, "epi down --force --all") {
		t.Errorf("exit code %d:\n%s", code, stderr)
	}
	if names, err := clusters.EnvironmentNames(dirs); err != nil || len(names) != 2 {
		t.Errorf("%q, %v", names, err)
	}
	release()
	if code, stderr := perform(t, nil, args); code != exitHeld {
		t.Errorf("exit code %d:\n%s", code, stderr)
	}
	if _, err := os.Stat(dirs.State); !os.IsNotExist(err) {
		t.Errorf("the state folder stays: %v", err)
	}
}

// The locks of a killed process stay as files. After down of its environment or of all, nothing is left of it, for any
// command.
func TestNothingIsLeftOfKilledVerbs(t *testing.T) {
	t.Setenv("PATH", "")
	for _, holder := range []clusters.Use{
		{Verb: "up", Makes: true}, {Verb: "run", Makes: true}, {Verb: "test"}, {Verb: "bench"}, {Verb: "load"}, {Verb: "down", Removes: true},
		{Verb: "down --all", Removes: true, All: true},
	} {
		for _, args := range [][]string{{"down", "--name", "mine"}, {"down", "--all"}, {"down", "--all", "--force"}} {
			for _, there := range []bool{true, false} {
				dirs := clusters.Dirs{State: filepath.Join(t.TempDir(), "state")}
				if err := clusters.SaveEnvironment(dirs, &clusters.Environment{Name: "mine", Provider: "kind"}); err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Join(dirs.State, "clusters", "mine", "load", "layout"), 0o700); err != nil { // of a load
					t.Fatal(err)
				}
				killHolding(t, dirs, holder)
				if !there {
					if err := clusters.RemoveEnvironmentDir(dirs, "mine"); err != nil {
						t.Fatal(err)
					}
				}
				if entries, err := os.ReadDir(dirs.State); err != nil || len(entries) == 0 {
					t.Fatalf("nothing was left of %q: %v", holder.Verb, err)
				}
				code, stderr := perform(t, nil, append(args, "--state-dir", dirs.State, "--color", "never"))
				if code != exitHeld {
					t.Errorf("%q after a killed %q: exit code %d:\n%s", args, holder.Verb, code, stderr)
				}
				if _, err := os.Stat(dirs.State); !os.IsNotExist(err) {
					t.Errorf("%q after a killed %q, with its folder %t: left is\n%s", args, holder.Verb, there, snapshot(t, dirs.State))
				}
			}
		}
	}
}

// killHolding creates what a process leaves that is killed while it uses an environment: the files of its locks, which no
// process holds.
func killHolding(t *testing.T, dirs clusters.Dirs, use clusters.Use) {
	t.Helper()
	release, err := clusters.Lock(dirs, "mine", use)
	if err != nil {
		t.Fatal(err)
	}
	left := map[string][]byte{}
	for _, file := range []string{"state.lock", filepath.Join("locks", "mine.lock")} {
		if data, err := os.ReadFile(filepath.Join(dirs.State, file)); err == nil {
			left[file] = data
		}
	}
	release()
	for file, data := range left {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dirs.State, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dirs.State, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDownOfAllLeavesTheLocksOfOthers(t *testing.T) {
	t.Setenv("PATH", "")
	dirs := clusters.Dirs{State: filepath.Join(t.TempDir(), "state")}
	if err := clusters.SaveEnvironment(dirs, &clusters.Environment{Name: "mine", Provider: "kind"}); err != nil {
		t.Fatal(err)
	}
	killHolding(t, dirs, clusters.Use{Verb: "test"})
	foreign := filepath.Join(dirs.State, "locks", "Notes.lock")
	if err := os.WriteFile(foreign, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stderr := perform(t, nil, []string{"down", "--all", "--state-dir", dirs.State, "--color", "never"}); code != exitHeld {
		t.Errorf("exit code %d:\n%s", code, stderr)
	}
	if data, err := os.ReadFile(foreign); err != nil || string(data) != "precious" {
		t.Errorf("%q, %v", data, err)
	}
}
