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

// A home that cannot be written to, as in many containers, is no dead end: epi takes other folders.
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

// A binary that was copied alone says what it lacks, and where it comes from.
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
