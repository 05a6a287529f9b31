package screen

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// escape is a control sequence (ECMA-48, 5.4), a control string (8.3.89 and others) or an escape sequence (5.3).
var escape = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(\x07|\x1b\\)|\x1b[ -/]*[0-~]`)

// Plain is text as one line without anything that moves the cursor or changes colours.
func Plain(text string) string {
	text = escape.ReplaceAllString(text, "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, text)
}

// Cut is text, which is Plain, cut to columns, with a sign where it was cut.
func Cut(text string, columns int) string {
	if columns <= 0 {
		return ""
	}
	return runewidth.Truncate(text, columns, "…")
}

// Width is how many columns a line takes, escapes left out.
func Width(line string) int { return runewidth.StringWidth(escape.ReplaceAllString(line, "")) }

// erase returns what takes the drawn lines off the display. A terminal that was made narrower has wrapped
// them: each takes as many rows as its width needs now.
func (s *Screen) erase(columns int) string {
	rows := 0
	for _, width := range s.drawn {
		rows++
		if columns > 0 && width > columns {
			rows += (width - 1) / columns
		}
	}
	s.drawn = s.drawn[:0]
	if rows == 0 {
		return ""
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", rows)
}
