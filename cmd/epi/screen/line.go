package screen

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// escape matches a control sequence (ECMA-48, 5.4), a control string (8.3.89 and others) or an escape sequence (5.3).
var escape = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(\x07|\x1b\\)|\x1b[ -/]*[0-~]`)

// Plain is text as one line, without sequences that move the cursor or change colours.
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

// Cut is text, which is Plain, cut to columns, with a mark at the cut.
func Cut(text string, columns int) string {
	if columns <= 0 {
		return ""
	}
	return runewidth.Truncate(text, columns, "…")
}

// Width is the number of columns of a line, without escapes.
func Width(line string) int { return runewidth.StringWidth(escape.ReplaceAllString(line, "")) }

// erase returns the sequence that removes the drawn lines. A terminal that became narrower has wrapped them: each has the
// number of rows of its current width.
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
