//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// hangTime is how long a program may take that should have ended long before.
const hangTime = 2 * time.Minute

// onTerminal runs epi with args at a terminal of 80 columns and 24 lines and returns its exit code and all
// that it wrote there.
func onTerminal(t *testing.T, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangTime)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args = append(args, "--state-dir", filepath.Join(dir, "state"), "--cache-dir", filepath.Join(dir, "cache"))
	command := exec.CommandContext(ctx, self, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), beProgram+"=1", "TERM=xterm-256color")
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()
	seen, _ := io.ReadAll(terminal) // ends with an error when the program does
	err = command.Wait()
	if ctx.Err() != nil {
		t.Fatalf("epi %s does not end; it wrote:\n%s", strings.Join(args, " "), seen)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(seen)
}

func TestProgressEndsAtATerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	code, seen := onTerminal(t, "bench", "--url", server.URL, "--rate", "50", "--duration", "100ms", "--repeats", "1")
	if code != exitHeld || !strings.Contains(seen, "Benchmark of a URL") || !strings.Contains(seen, "report.html") {
		t.Errorf("exit code %d:\n%s", code, seen)
	}
}
