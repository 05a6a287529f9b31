package faults

import "strings"

// matches says whether text matches pattern. An empty pattern matches any text. Otherwise each * stands for any text, also
// an empty one.
func matches(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		// The leftmost place leaves the most text for the parts that follow.
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], after
	}
}
