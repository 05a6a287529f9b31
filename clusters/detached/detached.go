// Package detached starts programs that outlive this one.
package detached

import (
	"os/exec"
	"syscall"
)

// Start starts a program in a session of its own, in the root folder if it names no other: it outlives this
// process and its terminal. What this process has inherited beside its standard streams, such as the lock of flock(1)
// or the write end of a pipe that somebody reads to its end, the program does not get: it would keep it as long as it
// runs. From then on no program gets it that this process starts.
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
