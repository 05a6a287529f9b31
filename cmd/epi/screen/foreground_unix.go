//go:build unix

package screen

import (
	"os"

	"golang.org/x/sys/unix"
)

// inForeground reports whether the terminal is this process group's to write to.
func inForeground(terminal *os.File) bool {
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	// An error says that the terminal is not the one that controls this process: then there is no background.
	return err != nil || group == unix.Getpgrp()
}
