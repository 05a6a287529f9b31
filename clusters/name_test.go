package clusters

import (
	"errors"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, right := range []string{"a", "epi", "pr-17", "a1", "a--b", strings.Repeat("x", 32)} {
		if err := CheckName(right); err != nil {
			t.Errorf("%q: %v", right, err)
		}
	}
	// A DNS label has 1 to 63 of these characters, and neither starts nor ends with '-' (RFC 1123, 2.1).
	for wrong, says := range map[string][]string{
		"":                      {"it is empty", `"pr-17"`},
		".":                     {"starts with '.'", `"pr-17"`},
		"..":                    {"starts with '.'"},
		"../../victim":          {"it is a path", `"victim"`},
		"/etc":                  {"it is a path", `"etc"`},
		`a\b`:                   {"it is a path"},
		"a/b":                   {"it is a path"},
		"My_Cluster":            {"starts with 'M'", `"my-cluster"`},
		"-rf":                   {"starts with '-'", `"rf"`},
		"1a":                    {"starts with '1'", `"a"`},
		"a-":                    {"ends with '-'", `"a"`},
		"a b":                   {"other characters", `"a-b"`},
		"a\n":                   {"other characters"},
		"a\x00":                 {"other characters"},
		"a.lock":                {"other characters", `"a-lock"`},
		"*":                     {"starts with '*'"},
		"~":                     {"starts with '~'"},
		"$HOME":                 {"starts with '$'", `"home"`},
		"ä":                     {"starts with 'ä'"},
		"épi":                   {"starts with 'é'"},
		"a\u200bb":              {"other characters"},
		"a=b":                   {"other characters"},
		"<nil>":                 {"starts with '<'", `"nil"`},
		strings.Repeat("x", 33): {"it has 33 characters", strings.Repeat("x", 32)},
	} {
		err := CheckName(wrong)
		if _, ok := errors.AsType[*NameError](err); !ok {
			t.Errorf("%q: error %v is no *NameError", wrong, err)
			continue
		}
		for _, text := range append(says, "1 to 32") {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q: %q lacks %q", wrong, err, text)
			}
		}
	}
}

// FuzzNames: a name is one element of a path, and the example of an error is valid.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"", "epi", "../x", "A_b", "\xff", "9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := CheckName(text)
		if err == nil {
			if len(text) < 1 || len(text) > maxName || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				t.Errorf("%q is taken for a name", text)
			}
			return
		}
		wrong, ok := errors.AsType[*NameError](err)
		if !ok {
			t.Fatalf("%q: %v", text, err)
		}
		if example := wrong.example(); CheckName(example) != nil {
			t.Errorf("%q: the example %q is wrong itself", text, example)
		}
	})
}
