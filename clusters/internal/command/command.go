// Package command runs other programs: without a shell, with a context, and in a process group of their own. An error has
// the end of the program's output.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// defaultGrace is how long a program may take to end after the signal.
const defaultGrace = 10 * time.Second

// Command is a program to run. Its fields may be set until Run.
type Command struct {
	// Args is the program and its arguments.
	Args []string
	// Name is argv[0]; empty means Args[0].
	Name string
	// Env is added to this process's environment, as KEY=value.
	Env []string
	Dir string
	// Stdin is nil for no input.
	Stdin io.Reader
	// Stdout receives the standard output; nil leaves it to OnLine, Log and the error.
	Stdout io.Writer
	// Log receives standard error and, unless Stdout is set, standard output.
	Log io.Writer
	// LogFile is the file behind Log, for the error message only.
	LogFile string
	// OnLine is called with each line of what Log receives, without its end, from one goroutine at a time.
	OnLine func(line string)
	// Signal is what the program's group gets when the context ends; 0 means SIGTERM.
	Signal syscall.Signal
	// LeaderOnly sends Signal to the program alone, which can end its children best.
	LeaderOnly bool
	// Grace is the time between Signal and SIGKILL to the whole group; 0 means 10 s.
	Grace time.Duration
}

// New returns a command of a program and its arguments.
func New(program string, args ...string) *Command {
	return &Command{Args: append([]string{program}, args...)}
}

// Error says how a program failed.
type Error struct {
	// Args is the program and its arguments.
	Args []string
	// ExitCode is -1 if the program was not started or ended by a signal.
	ExitCode int
	// Last is the end of the program's output, at most 20 lines.
	Last string
	// LogFile has all of the output; empty if it was not kept.
	LogFile string
	Err     error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("run %s: %v", strings.Join(e.Args, " "), e.Err)
	if e.Last != "" {
		text += "\n" + e.Last
	}
	if e.LogFile != "" {
		text += "\nall of it: " + e.LogFile
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Run runs the command to its end. If ctx ends first, the program and its children get Signal and, after the grace,
// SIGKILL. The error is then the context's cause. Other errors are *Error.
func (c *Command) Run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	grace := c.Grace
	if grace == 0 {
		grace = defaultGrace
	}
	signal := c.Signal
	if signal == 0 {
		signal = syscall.SIGTERM
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	if c.Name != "" {
		cmd.Args[0] = c.Name
	}
	cmd.Dir = c.Dir
	if len(c.Env) > 0 {
		cmd.Env = append(os.Environ(), c.Env...)
	}
	cmd.Stdin = c.Stdin
	output := &lines{log: c.Log, onLine: c.OnLine}
	cmd.Stderr = output
	cmd.Stdout = output
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	// A terminal's Ctrl-C goes to the foreground group. In a group of its own the program gets only this package's signal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The program gets a signal when this process is killed. The kernel watches the thread that started the program
	// (prctl(2), PR_SET_PDEATHSIG), so that thread must live on.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	setDeathSignal(cmd.SysProcAttr, signal)
	var kill *time.Timer
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		kill = time.AfterFunc(grace, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		if c.LeaderOnly {
			return syscall.Kill(cmd.Process.Pid, signal)
		}
		return syscall.Kill(group, signal)
	}
	cmd.WaitDelay = grace + time.Second
	err := cmd.Run()
	if kill != nil && kill.Stop() {
		// The program ended in time. Its remaining children are killed.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	output.flush()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("run %s: %w", c.Args[0], context.Cause(ctx))
	}
	failure := &Error{Args: c.Args, ExitCode: -1, Last: output.last(), LogFile: c.LogFile, Err: err}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		failure.ExitCode = exit.ExitCode()
	}
	return failure
}

// Output runs the command and returns its standard output.
func (c *Command) Output(ctx context.Context) (string, error) {
	var stdout bytes.Buffer
	c.Stdout = &stdout
	err := c.Run(ctx)
	return stdout.String(), err
}

const keptLines = 20

// lines passes what is written on, line by line, and keeps the last lines.
type lines struct {
	log    io.Writer
	onLine func(string)

	mu      sync.Mutex
	partial []byte
	kept    []string
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.log != nil {
		// A full disk must not end the program. Its own error will report it.
		_, _ = l.log.Write(data)
	}
	l.partial = append(l.partial, data...)
	for {
		end := bytes.IndexAny(l.partial, "\n\r")
		if end < 0 {
			return len(data), nil
		}
		l.keep(string(l.partial[:end]))
		l.partial = l.partial[end+1:]
	}
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(string(l.partial))
	l.partial = nil
}

func (l *lines) keep(line string) {
	line = strings.TrimRight(line, " \t")
	if line == "" {
		return
	}
	if l.onLine != nil {
		l.onLine(line)
	}
	if len(l.kept) == keptLines {
		l.kept = append(l.kept[:0], l.kept[1:]...)
	}
	l.kept = append(l.kept, line)
}

func (l *lines) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.kept, "\n")
}
