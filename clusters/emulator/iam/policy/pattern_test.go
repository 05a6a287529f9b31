package policy

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// reference is a slow and simple matcher. It goes through the pattern character by character and tries every way to use a
// star. A variable's text is literal; without a value nothing matches.
func reference(raw, s string, variables, wildcards bool, context Context) bool {
	if strings.Contains(raw, "${") && variables && unresolvable(raw, context) {
		return false
	}
	return referenceAt(raw, s, variables, wildcards, context)
}

func unresolvable(raw string, context Context) bool {
	for i := 0; i < len(raw); i++ {
		if t, size := at(raw, i); size > 0 {
			if _, ok := t.value(context); t.kind == variableToken && !ok {
				return true
			}
			i += size - 1
		}
	}
	return false
}

// at reads the variable or escape at raw[i].
func at(raw string, i int) (token, int) {
	if !strings.HasPrefix(raw[i:], "${") {
		return token{}, 0
	}
	return variable(raw[i:])
}

func referenceAt(raw, s string, variables, wildcards bool, context Context) bool {
	if raw == "" {
		return s == ""
	}
	_, width := utf8.DecodeRuneInString(s)
	if t, size := at(raw, 0); variables && size > 0 {
		text := t.text
		if t.kind == variableToken {
			text, _ = t.value(context)
		}
		return strings.HasPrefix(s, text) && referenceAt(raw[size:], s[len(text):], variables, wildcards, context)
	}
	switch {
	case wildcards && raw[0] == '*':
		return referenceAt(raw[1:], s, variables, wildcards, context) ||
			s != "" && referenceAt(raw, s[width:], variables, wildcards, context)
	case wildcards && raw[0] == '?':
		return s != "" && referenceAt(raw[1:], s[width:], variables, wildcards, context)
	}
	return s != "" && raw[0] == s[0] && referenceAt(raw[1:], s[1:], variables, wildcards, context)
}

// FuzzMatch compares the matcher with the reference.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][3]string{
		{"home/*", "home/a/b", "x"}, {"a*b*c", "aXbXbc", "x"}, {"?", "é", "x"}, {"*?*", "", "x"}, {"*??", "€", ""},
		{"${a:b}/*", "v/x", "v"}, {"${a:b, 'd}'}", "v", "*"}, {"${*}${", "*${", ""}, {"**a**", "bab", ""},
		{"*a*a*b", "aaaaaaaaaaaa", ""}, {"a*a", "a", ""}, {"a?*?b", "a12b", ""}, {"*${a:b}?*", "xvyz", "v"}, {"${a:b}*", "", ""},
		{"*ab?c*", "ababxcd", ""}, {"\xff*", "\xffa", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, raw, s, value string) {
		if len(raw) > 24 || len(s) > 24 || len(value) > 8 || strings.Count(raw, "*") > 5 {
			t.Skip("the reference would take too long")
		}
		if !utf8.ValidString(raw) {
			t.Skip("JSON has valid UTF-8 only")
		}
		for _, context := range []Context{{"a:b": {value}}, {}, {"a:b": {value, value}}} {
			for _, variables := range []bool{false, true} {
				for _, wildcards := range []bool{false, true} {
					p := compile(raw, wildcards, variables)
					if got, want := p.matches(s, context), reference(raw, s, variables, wildcards, context); got != want {
						t.Fatalf("%q against %q with %q (wildcards %v, variables %v): got %v, want %v", raw, s, context["a:b"], wildcards, variables, got, want)
					}
				}
			}
		}
	})
}

// referenceARN matches component by component, for every way to split the ARN. With spanning, a star that ends one of the
// first five components may match colons too.
func referenceARN(raw, arn string, spanning bool, variables func(part int) bool, context Context) bool {
	patterns := splitARN(raw)
	fits := func(part int, text string) bool {
		pattern := patterns[part]
		colon := strings.IndexByte(text, ':')
		if part == arnParts-1 || colon < 0 {
			return reference(pattern, text, variables(part), true, context)
		}
		if !spanning || !strings.HasSuffix(pattern, "*") {
			return false
		}
		// Everything but the star matches before the first colon.
		for end := 0; end <= colon; end++ {
			if reference(strings.TrimRight(pattern, "*"), text[:end], variables(part), true, context) {
				return true
			}
		}
		return false
	}
	var from func(part int, rest string) bool
	from = func(part int, rest string) bool {
		if part == len(patterns)-1 {
			return (part == arnParts-1 || spanning && strings.HasSuffix(raw, "*")) && fits(part, rest)
		}
		for i := range len(rest) {
			if rest[i] == ':' && fits(part, rest[:i]) && from(part+1, rest[i+1:]) {
				return true
			}
		}
		return false
	}
	return from(0, arn)
}

// FuzzARN compares the patterns of Resource elements and of ARN conditions with the reference.
func FuzzARN(f *testing.F) {
	for _, seed := range [][3]string{
		{"arn:aws:s3:::b/*", "arn:aws:s3:::b/k:l", ""}, {"arn:aws:eks:*:*:cluster/*", "arn:aws:eks:r:1:cluster/c", ""},
		{"arn:aws:iam:*", "arn:aws:iam::1:role/x", ""}, {"arn:aws:sqs:*:1:q", "arn:aws:sqs:a:b:1:q", ""}, {"arn:aws:s?:::b", "arn:aws:s3:::b", ""},
		{"arn:aws:s3:::${a:b}/*", "arn:aws:s3:::v/x", "v"}, {"arn:aws:s3:::${a:b, 'x:y'}", "arn:aws:s3:::x:y", ""}, {"arn:aws:x:${a:b}:*:r", "arn:aws:x:v:1:r", "v"},
		{"arn:a*s:s3:*:*:b", "arn:aws:s3:::b", ""}, {"arn:a*:*", "arn:aws", ""}, {"*", "arn:aws:s3:::b", ""}, {"a:*b:*:d:e:*", "a:xb::d:e:", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, raw, arn, value string) {
		if len(raw) > 32 || len(arn) > 32 || len(value) > 8 || strings.Count(raw, "*") > 5 || !utf8.ValidString(raw) {
			t.Skip("the reference would take too long, and JSON has valid UTF-8 only")
		}
		context := Context{"a:b": {value}}
		sixth, all := func(part int) bool { return part == arnParts-1 }, func(int) bool { return true }
		condition := compileARN(raw, true)
		if got, want := condition.matches(arn, context), referenceARN(raw, arn, false, all, context); got != want {
			t.Fatalf("condition %q against %q with %q: got %v, want %v", raw, arn, value, got, want)
		}
		resource := compileResource(raw, true)
		if got, want := resource.matches(arn, context), raw == "*" || referenceARN(raw, arn, true, sixth, context); got != want {
			t.Fatalf("resource %q against %q with %q: got %v, want %v", raw, arn, value, got, want)
		}
	})
}

// TestMatchGrowth: twice the text takes twice the comparisons, and no more. It counts comparisons, so that a busy machine
// does not matter.
func TestMatchGrowth(t *testing.T) {
	for _, raw := range []string{"*a*a*a*a*b", "*a*a*a*a*b*", "*a?a*a?a*a?b*", "?*?*?*?*b", "*aab*aab*aab*", strings.Repeat("*a", 50) + "b", "*" + strings.Repeat("a?", 20) + "b*"} {
		steps := func(length int) int {
			p := compile(raw, true, false)
			m := matcher{}
			if m.match(p.segments, strings.Repeat("a", length)) {
				t.Fatalf("%q must not match", raw)
			}
			return m.steps
		}
		small, large := steps(10_000), steps(20_000)
		if large > 2*small+1000 {
			t.Errorf("%q: %d comparisons for 10,000 bytes, %d for 20,000", raw, small, large)
		}
		if bound := 10_000 * len(raw); small > bound {
			t.Errorf("%q: %d comparisons for 10,000 bytes, more than %d", raw, small, bound)
		}
	}
}

func TestVariables(t *testing.T) {
	// The forms of reference_policies_variables, and texts that have none of these forms.
	tests := map[string]struct {
		size int
		want token
	}{
		"${aws:userid}x":               {13, token{kind: variableToken, key: "aws:userid"}},
		"${aws:PrincipalTag/Team}":     {24, token{kind: variableToken, key: "aws:principaltag/team"}},
		"${aws:PrincipalTag/a b}":      {23, token{kind: variableToken, key: "aws:principaltag/a b"}},
		"${aws:userid, 'anonymous'}":   {26, token{kind: variableToken, key: "aws:userid", text: "anonymous", hasDefault: true}},
		"${aws:userid, ''}":            {17, token{kind: variableToken, key: "aws:userid", hasDefault: true}},
		"${*}":                         {4, token{text: "*"}},
		"${?}":                         {4, token{text: "?"}},
		"${$}":                         {4, token{text: "$"}},
		"${}":                          {},
		"${aws:userid":                 {},
		"${aws:userid 'x'}":            {},
		"${aws:userid, 'x}":            {},
		"${aws:userid, 'x' }":          {},
		"${ aws:userid}":               {},
		"${aws:userid, unquoted}":      {},
		"${aws:${aws:PrincipalTag/x}}": {},
	}
	for text, test := range tests {
		got, size := variable(text)
		if size != test.size || got != test.want {
			t.Errorf("%s: got %+v, %d; want %+v, %d", text, got, size, test.want, test.size)
		}
	}
}
