package query

import (
	"net/http"
	"regexp"
	"strconv"
	"unicode/utf8"
)

// Parameters of a request by their flattened names, such as "Tags.member.1.Key".
type Parameters map[string][]string

// Get returns a parameter; "" if it is absent.
func (p Parameters) Get(name string) string {
	if values := p[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Has says whether a parameter is present. It may be empty.
func (p Parameters) Has(name string) bool { return len(p[name]) > 0 }

// Structures returns the members of a list of structures. For "Tags" these are Tags.member.1, …, each under its own field
// names. Members count from 1 without a gap. At most max+1 are read, so that the caller sees if there are too many.
func (p Parameters) Structures(list string, max int, fields ...string) []map[string]string {
	var members []map[string]string
	for n := 1; n <= max+1; n++ {
		member := map[string]string{}
		for _, field := range fields {
			if name := list + ".member." + strconv.Itoa(n) + "." + field; p.Has(name) {
				member[field] = p.Get(name)
			}
		}
		if len(member) == 0 {
			break
		}
		members = append(members, member)
	}
	return members
}

// Strings returns the members of a list of strings, at most max+1.
func (p Parameters) Strings(list string, max int) []string {
	var members []string
	for n := 1; n <= max+1; n++ {
		name := list + ".member." + strconv.Itoa(n)
		if !p.Has(name) {
			break
		}
		members = append(members, p.Get(name))
	}
	return members
}

// Rule is the documented constraint of a string parameter.
type Rule struct {
	// Min and Max count characters.
	Min, Max int
	// Pattern must match the whole value. The caller sees its text without the anchors.
	Pattern *regexp.Regexp
}

// Check returns a parameter that satisfies its rule, or a ValidationError with AWS's text. A missing parameter violates
// every rule with a Min above 0.
func (p Parameters) Check(name string, rule Rule) (string, error) {
	value := p.Get(name)
	if !p.Has(name) {
		if rule.Min == 0 {
			return "", nil
		}
		return "", invalid("Value null at '%s' failed to satisfy constraint: Member must not be null", field(name))
	}
	return value, rule.Check(name, value)
}

// Check checks a value under the name of its parameter.
func (rule Rule) Check(name, value string) error {
	switch length := utf8.RuneCountInString(value); {
	case length < rule.Min:
		return invalid("Value '%s' at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", value, field(name), rule.Min)
	case length > rule.Max:
		return invalid("Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", field(name), rule.Max)
	case rule.Pattern != nil && !rule.Pattern.MatchString(value):
		pattern := rule.Pattern.String()
		return invalid("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", value, field(name), pattern[1:len(pattern)-1])
	}
	return nil
}

// Int returns an integer parameter between low and high; otherwise if it is absent.
func (p Parameters) Int(name string, low, high, otherwise int) (int, error) {
	if !p.Has(name) {
		return otherwise, nil
	}
	value, err := strconv.Atoi(p.Get(name))
	switch {
	case err != nil:
		return 0, invalid("Value at '%s' failed to satisfy constraint: Member must be an integer", field(name))
	case value < low:
		return 0, invalid("Value '%d' at '%s' failed to satisfy constraint: Member must have value greater than or equal to %d", value, field(name), low)
	case value > high:
		return 0, invalid("Value '%d' at '%s' failed to satisfy constraint: Member must have value less than or equal to %d", value, field(name), high)
	}
	return value, nil
}

// field is a parameter's name in AWS's messages, with a small first letter.
func field(name string) string { return string(name[0]|0x20) + name[1:] }

func invalid(format string, args ...any) *Error {
	return Errorf("ValidationError", http.StatusBadRequest, "1 validation error detected: "+format, args...)
}
