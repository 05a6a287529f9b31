package query

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestLists(t *testing.T) {
	p := Parameters{
		"Tags.member.1.Key": {"a"}, "Tags.member.1.Value": {""}, "Tags.member.2.Key": {"b"}, "Tags.member.4.Key": {"after a gap"},
		"Keys.member.1": {"x"}, "Keys.member.2": {"y"}, "Keys.member.3": {"z"},
	}
	if got := fmt.Sprint(p.Structures("Tags", 50, "Key", "Value")); got != "[map[Key:a Value:] map[Key:b]]" {
		t.Errorf("structures = %s", got)
	}
	if got := fmt.Sprint(p.Strings("Keys", 50)); got != "[x y z]" {
		t.Errorf("strings = %s", got)
	}
	// One member more than allowed shows that there are too many. The rest is not read.
	if got := len(p.Strings("Keys", 1)); got != 2 {
		t.Errorf("%d strings of at most 1", got)
	}
	if p.Structures("None", 50, "Key") != nil || p.Strings("None", 50) != nil {
		t.Error("a list that is not there")
	}
}

func TestChecks(t *testing.T) {
	rule := Rule{Min: 2, Max: 4, Pattern: regexp.MustCompile(`^[a-zé]+$`)}
	tests := []struct {
		value, want string
	}{
		{"abcd", ""},
		{"éééé", ""},
		{"a", "Value 'a' at 'roleName' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{"abcde", "Value at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 4"},
		{"ABC", "Value 'ABC' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zé]+"},
	}
	for _, test := range tests {
		_, err := Parameters{"RoleName": {test.value}}.Check("RoleName", rule)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %s", test.value, err, test.want)
		}
	}
	if _, err := (Parameters{}).Check("RoleName", rule); err == nil || !strings.Contains(err.Error(), "Member must not be null") {
		t.Errorf("missing: %v", err)
	}
	for value, ok := range map[string]bool{"900": true, "899": false, "43201": false, "x": false} {
		if _, err := (Parameters{"N": {value}}).Int("N", 900, 43200, 1); (err == nil) != ok {
			t.Errorf("%s: %v", value, err)
		}
	}
	if n, err := (Parameters{}).Int("N", 900, 43200, 3600); err != nil || n != 3600 {
		t.Errorf("absent: %d, %v", n, err)
	}
}
