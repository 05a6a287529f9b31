package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

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

// codedError ends the program with a code of its own.
type codedError struct {
	code int
	err  error
	// reported says that the user has read about it already, such as in the summary of a run.
	reported bool
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usageError is an error in what the user typed or configured.
func usageError(format string, args ...any) error {
	return &codedError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitCode maps the error of a command to the exit code that the CLI contract promises.
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
	// Whatever else went wrong, there is no verdict about the subjects.
	return exitEnvironment
}

// describe renders an error for the terminal: the chain on the first line, the output of failed
// commands below it, and what to do about it.
func describe(err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Error: %s\n", strings.TrimSpace(err.Error()))
	if remedy := clusters.Remedy(err); remedy != "" {
		fmt.Fprintf(&b, "Hint: %s\n", remedy)
	}
	return b.String()
}
