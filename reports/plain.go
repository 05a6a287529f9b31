package reports

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ansi are the escape sequences of terminals: colours, cursor movement, titles (ECMA-48).
var ansi = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])`)

// plain returns a text that is safe to show: without escape sequences of terminals, with control characters and direction
// overrides as visible text, and valid UTF-8. Results may come from elsewhere, so texts longer than textLimit are
// shortened, also names.
func plain(s string) string {
	s = clip(s, textLimit)
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = ansi.ReplaceAllString(s, "")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hidden says whether r affects the text around it and is not visible, or is no character at all (XML 1.0 §2.2 forbids
// U+FFFE and U+FFFF).
func hidden(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case unicode.IsControl(r):
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f:
		return true
	default:
		return r == 0xfffe || r == 0xffff
	}
}

// textLimit is the longest text that is shown, in bytes. The longest intended one is an output, to which clip adds a line.
const textLimit = outputLimit + 1<<10

// clip shortens s to about limit bytes, at line ends if possible. It keeps the beginning and the end, because a failure is
// at the end of a log.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	head, tail := s[:limit/2], s[len(s)-limit/2:]
	if i := strings.LastIndexByte(head, '\n'); i > limit/4 {
		head = head[:i]
	}
	if i := strings.IndexByte(tail, '\n'); i >= 0 && i < limit/4 {
		tail = tail[i+1:]
	}
	head, tail = strings.ToValidUTF8(head, ""), strings.ToValidUTF8(tail, "")
	return fmt.Sprintf("%s\n[… %d bytes left out here; all of it is in results.json …]\n%s", head, len(s)-len(head)-len(tail), tail)
}

// Plain returns a text of at most about limit bytes that is safe to show: see plain.
func Plain(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + " …"
	}
	return plain(s)
}
