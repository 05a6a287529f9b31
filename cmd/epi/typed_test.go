//go:build unix

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// typed runs a command at a terminal, types an answer after the question, and returns the output.
func typed(t *testing.T, command *exec.Cmd, question, answer string) (code int, text string) {
	t.Helper()
	terminal, err := pty.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }() // nothing is lost
	var said strings.Builder
	answered := false
	buffer := make([]byte, 4096)
	for {
		n, err := terminal.Read(buffer)
		said.Write(buffer[:n])
		if !answered && strings.Contains(said.String(), question) {
			answered = true
			if _, err := terminal.WriteString(answer); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break // Linux answers EIO when the program has ended
		}
	}
	_ = command.Wait() // the exit code has it
	if !answered {
		t.Errorf("%q was not asked:\n%s", question, said.String())
	}
	return command.ProcessState.ExitCode(), said.String()
}
