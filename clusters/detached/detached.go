// Package detached starts programs that outlive this one.
package detached

import (
	"os/exec"
	"syscall"
)

// Start starts a program in a session of its own, so that it outlives this process and its terminal. Its folder is the root
// folder unless it names another. The program does not inherit this process's other open files, such as the lock of
// flock(1) or the write end of a pipe: it would keep them open as long as it runs. From then on, no program that this
// process starts inherits them.
func Start(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if command.Dir == "" {
		command.Dir = "/"
	}
	if err := keepInherited(); err != nil {
		return err
	}
	return command.Start()
}
