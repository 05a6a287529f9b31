package command

import "strings"

// FirstLine is the first line of an error or of a program's output.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// LastLine is the last line of an error; "" for nil. For a command's error it is the last line of the program's output.
func LastLine(err error) string {
	if err == nil {
		return ""
	}
	text := strings.TrimSpace(err.Error())
	return strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:])
}
