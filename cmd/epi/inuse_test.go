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

// TestAnEnvironmentInUseIsRefusedAtOnce: whoever comes second is told who came first, and makes and removes nothing.
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
		{holder: clusters.Use{Verb: "test"}, args: []string{"test"}, code: exitEnvironment, says: []string{"epi test --name mine"}},
		{holder: clusters.Use{Verb: "test"}, args: []string{"bench", "--scenario", "warm"}, code: exitEnvironment, says: []string{"epi test --name mine"}},
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
