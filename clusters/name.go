package clusters

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxName is the length of the longest name. The name is part of names of containers, networks, namespaces and IAM roles,
// whose shortest limit is 63 bytes (RFC 1123).
const maxName = 32

// longestShown is how many characters of an invalid name an error repeats.
const longestShown = 60

// validName matches a DNS label (RFC 1123) that starts with a letter.
var validName = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)

// NameError says why a text is not a valid name of an environment.
type NameError struct {
	Name string
	// Why, such as "it is empty".
	Why string
}

func (e *NameError) Error() string {
	shown := e.Name
	if letters := []rune(shown); len(letters) > longestShown {
		shown = string(letters[:longestShown]) + "…"
	}
	return fmt.Sprintf("%q is not a name of an environment: %s; right is one such as %q: 1 to %d lower-case letters, digits and '-', starting with a letter",
		shown, e.Why, e.example(), maxName)
}

// example is a valid name that is close to the invalid one.
func (e *NameError) example() string {
	near := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r == '-' || r == '_' || r == '.' || r == ' ':
			return '-'
		default:
			return -1
		}
	}, strings.ToLower(e.Name))
	near = strings.TrimLeft(near, "-0123456789")
	near = strings.Trim(near[:min(len(near), maxName)], "-")
	if validName.MatchString(near) {
		return near
	}
	return "pr-17"
}

// CheckName returns a *NameError if name is not a valid name of an environment. Every function of this package and every
// provider with a name parameter checks it, because names become parts of paths.
func CheckName(name string) error {
	why := ""
	switch {
	case name == "":
		why = "it is empty"
	case utf8.RuneCountInString(name) > maxName:
		why = fmt.Sprintf("it has %d characters", utf8.RuneCountInString(name))
	case len(name) <= maxName && validName.MatchString(name):
		return nil
	case strings.ContainsAny(name, `/\`):
		why = "it is a path"
	case name[0] < 'a' || name[0] > 'z':
		why = fmt.Sprintf("it starts with %q", []rune(name)[0])
	case strings.HasSuffix(name, "-"):
		why = "it ends with '-'"
	default:
		why = "it has other characters than lower-case letters, digits and '-'"
	}
	return &NameError{Name: name, Why: why}
}
