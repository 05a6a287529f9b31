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

// plain is a text that is safe to show: without escape sequences of terminals, with control
// characters and direction overrides spelled out instead of obeyed, and valid UTF-8. Results come
// from elsewhere, too: any text longer than textLimit is shortened, also a name.
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

// hidden says whether r acts on the text around it instead of being seen, or is not a character at
// all (XML 1.0 §2.2 forbids U+FFFE and U+FFFF).
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

// textLimit is how much of any text is shown, in bytes. The longest that is meant is an output, and
// clip adds a line to it.
const textLimit = outputLimit + 1<<10

// clip shortens s to about limit bytes at line ends where it can, keeping its beginning and its
// end: the end of a log is where it broke.
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

// Plain is a text of at most about limit bytes that is safe to show: see plain.
func Plain(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + " …"
	}
	return plain(s)
}
