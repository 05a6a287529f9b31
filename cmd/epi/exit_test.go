package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/programs"
)

// If the home folder is read-only, as in many containers, epi can use other folders.
func TestHintAtOtherFolders(t *testing.T) {
	dirs := clusters.Dirs{State: "/home/me/.local/state/epi", Cache: "/home/me/.cache/epi"}
	at := func(path string, err error) error {
		return fmt.Errorf("start container engine: %w", &fs.PathError{Op: "mkdir", Path: path, Err: err})
	}
	for _, row := range []struct {
		err  error
		hint bool
	}{
		{at("/home/me/.local", syscall.EROFS), true},
		{at("/home/me/.local/state/epi/clusters/epi", syscall.EACCES), true},
		{at("/home/me/.cache/epi", syscall.EPERM), true},
		{at("/home/me", syscall.ENOENT), true},
		{at("/home/me/.local/state/epi/engine", syscall.ENOSPC), true},
		{at("/somewhere/else", syscall.EROFS), false},
		{at("/home/me/.local/state/epi", syscall.EISDIR), false},
		{errors.New("out of luck"), false},
	} {
		hint := hintAboutFolders(row.err, dirs)
		if row.hint != strings.Contains(hint, "--state-dir") || row.hint != strings.Contains(hint, "EPI_STATE_DIR") {
			t.Errorf("%v: hint %q", row.err, hint)
		}
	}
}

func TestFoldersThatCannotBeWrittenAreReported(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	checks := foldersChecks(clusters.Dirs{State: filepath.Join(t.TempDir(), "not", "there", "yet"), Cache: filepath.Join(file, "cache")})
	if len(checks) != 2 || !checks[0].OK || checks[1].OK || !strings.Contains(checks[1].Remedy, "EPI_CACHE_DIR") {
		t.Errorf("%+v", checks)
	}
}

// A binary that was copied alone says what it lacks, and how to get it.
func TestACopiedBinarySaysWhatItLacks(t *testing.T) {
	finder, err := programs.New(t.TempDir()) // this test's program stands alone
	if err != nil {
		t.Fatal(err)
	}
	check := programsCheck(finder)
	if check.OK || !strings.Contains(check.State, "epi-agent") || !strings.Contains(check.State, "epi-runc") || !strings.Contains(check.Remedy, "make build") {
		t.Errorf("%+v", check)
	}
}

// An error that the interrupt caused has no remedy: what the command leaves is reported instead. A failed removal after the
// interrupt is reported with its remedy.
func TestInterruptsAreNoFaultOfTheEngine(t *testing.T) {
	stopped := &interruptedError{signal: syscall.SIGINT}
	listing := &clusters.EnvironmentError{Doing: "list nodes", Err: fmt.Errorf("run docker: %w", stopped), Remedy: "see what the engine says"}
	removal := &clusters.EnvironmentError{Doing: "remove node", Err: errors.New("it cannot be stopped"), Remedy: "kill it"}
	for name, row := range map[string]struct {
		err  error
		says string
	}{
		"nothing":                    {nil, "Interrupted: finish with: epi down\n"},
		"the interrupt":              {stopped, "Interrupted: finish with: epi down\n"},
		"a question that it ended":   {listing, "Interrupted: finish with: epi down\n"},
		"several of them":            {fmt.Errorf("down: %w", errors.Join(listing, stopped)), "Interrupted: finish with: epi down\n"},
		"a removal after it":         {removal, "Interrupted: remove node: it cannot be stopped\nHint: kill it\n"},
		"both":                       {errors.Join(listing, removal), "Interrupted: remove node: it cannot be stopped\nHint: kill it\n"},
		"both, in an error of epi's": {&clusters.EnvironmentError{Doing: "up", Err: errors.Join(stopped, removal), Remedy: "see"}, "Interrupted: remove node: it cannot be stopped\nHint: kill it\n"},
	} {
		a := &app{interrupts: &interrupts{}}
		a.interrupts.at(work{doing: "removing", ended: func() string { return "finish with: epi down" }})
		if said := a.describeInterrupt(row.err); said != row.says {
			t.Errorf("%s: %q, want %q", name, said, row.says)
		}
	}
}
