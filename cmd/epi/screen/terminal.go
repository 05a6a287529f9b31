package screen

import (
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether file is a terminal.
func IsTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// Size returns a function that returns a terminal's size. It is zero while it is unknown, or while another program has the
// terminal, such as the shell that runs this one in the background.
func Size(terminal *os.File) func() (columns, rows int) {
	return func() (int, int) {
		if !inForeground(terminal) {
			return 0, 0
		}
		columns, rows, err := term.GetSize(int(terminal.Fd()))
		if err != nil {
			return 0, 0
		}
		return columns, rows
	}
}
