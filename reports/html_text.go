package reports

import (
	"regexp"
	"strings"
)

// inline matches the parts of a catalogue's text that are not plain: `code` and links.
var inline = regexp.MustCompile("`[^`\n]+`|https?://[^\\s<>\"`]+[^\\s<>\"`.,;:)]")

// marked divides a text into code, links and the rest.
func marked(s string) []htmlText {
	var parts []htmlText
	text := func(from, to int) {
		if from < to {
			parts = append(parts, htmlText{Text: s[from:to]})
		}
	}
	end := 0
	for _, at := range inline.FindAllStringIndex(s, -1) {
		text(end, at[0])
		if found := s[at[0]:at[1]]; found[0] == '`' {
			parts = append(parts, htmlText{Text: found[1 : len(found)-1], Code: true})
		} else {
			parts = append(parts, htmlText{Text: strings.TrimPrefix(strings.TrimPrefix(found, "https://"), "http://"), URL: found})
		}
		end = at[1]
	}
	text(end, len(s))
	return parts
}

// code divides a text into code and the rest. An address in a statement is for pods and no link for readers.
func code(s string) []htmlText {
	parts := marked(s)
	for i, part := range parts {
		if part.URL != "" {
			parts[i] = htmlText{Text: part.URL}
		}
	}
	return parts
}

// remark says where a requirement is decided, if not everywhere, and since when, if that differs.
func (r Requirement) remark(since bool) string {
	var parts []string
	switch r.Runs {
	case "local":
		parts = append(parts, "decided with the emulator only")
	case "aws":
		parts = append(parts, "decided on AWS only")
	}
	if since && r.Since != "" {
		parts = append(parts, "since "+r.Since)
	}
	return strings.Join(parts, ", ")
}

// releases is the number of releases in which requirements were first decided.
func (r Run) releases() int {
	since := map[string]bool{}
	for _, requirement := range r.Requirements {
		since[requirement.Since] = true
	}
	return len(since)
}
