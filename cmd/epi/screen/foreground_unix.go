//go:build unix

package screen

import (
	"os"

	"golang.org/x/sys/unix"
)

// inForeground says whether this process group may write to the terminal.
func inForeground(terminal *os.File) bool {
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	// An error means that the terminal does not control this process, so there is no background.
	return err != nil || group == unix.Getpgrp()
}
