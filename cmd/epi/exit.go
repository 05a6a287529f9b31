package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/podidentity/epi/clusters"
)

// Exit codes; see `epi help exit-codes`.
const (
	exitHeld        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitEnvironment = 3
	exitInterrupted = 130
)

// meaning is an exit code of a run in words.
func meaning(code int) string {
	switch code {
	case exitFailed:
		return "a requirement or a threshold failed"
	case exitEnvironment:
		return "no verdict, the environment did not come up or broke, or the run could not be recorded"
	case exitInterrupted:
		return "interrupted"
	default:
		return "all held"
	}
}

// codedError ends the program with its own exit code.
type codedError struct {
	code int
	err  error
	// reported says that the user has seen it already, for example in the summary of a run.
	reported bool
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usageError is an error in the command line or the configuration.
func usageError(format string, args ...any) error {
	return &codedError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitCode returns the documented exit code for a command's error.
func exitCode(ctx context.Context, err error) int {
	if interrupted := interruption(ctx); interrupted != nil {
		return interrupted.code()
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	if err == nil {
		return exitHeld
	}
	if coded, ok := errors.AsType[*codedError](err); ok {
		return coded.code
	}
	if _, ok := errors.AsType[*clusters.NameError](err); ok {
		return exitUsage
	}
	// With any other error there is no verdict about the subjects.
	return exitEnvironment
}

// describe renders an error for the terminal: the chain on the first line, the output of failed commands below it, and the
// remedy.
func describe(err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Error: %s\n", strings.TrimSpace(err.Error()))
	if remedy := clusters.Remedy(err); remedy != "" {
		fmt.Fprintf(&b, "Hint: %s\n", remedy)
	}
	return b.String()
}

// hintAboutFolders says how to choose other folders if epi may not write to its own, or "".
func hintAboutFolders(err error, dirs clusters.Dirs) string {
	pathError, ok := errors.AsType[*fs.PathError](err)
	if !ok || !cannotWrite(pathError.Err) {
		return ""
	}
	for _, dir := range []string{dirs.State, dirs.Cache} {
		if within(pathError.Path, dir) || within(dir, pathError.Path) {
			return fmt.Sprintf("give epi folders that it can write to: --state-dir DIR and --cache-dir DIR, or %s and %s", variableOf("state-dir"), variableOf("cache-dir"))
		}
	}
	return ""
}

func cannotWrite(err error) bool {
	return slices.ContainsFunc([]error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.ENOENT, syscall.ENOSPC}, func(of error) bool { return errors.Is(err, of) })
}

// within says whether a path is a folder or below it.
func within(path, dir string) bool {
	relative, err := filepath.Rel(dir, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, "../")
}
