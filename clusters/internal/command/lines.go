package command

import "strings"

// FirstLine is the first line of what a program or an error says.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// LastLine is the last line of an error; of a command's it is what the program said last. It is "" for nil.
func LastLine(err error) string {
	if err == nil {
		return ""
	}
	text := strings.TrimSpace(err.Error())
	return strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:])
}
