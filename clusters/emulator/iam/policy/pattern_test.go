package policy

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzMatch compares the matcher with a regular expression made from the same pattern.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][3]string{
		{"home/*", "home/a/b", "x"}, {"a*b*c", "aXbXbc", "x"}, {"?", "é", "x"}, {"*?*", "", "x"},
		{"${a:b}/*", "v/x", "v"}, {"${a:b, 'd}'}", "v", "*"}, {"${*}${", "*${", ""}, {"**a**", "bab", ""},
		{"*a*a*a*a*a*a*b", strings.Repeat("a", 64), ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, text, subject, value string) {
		if !utf8.ValidString(text) || !utf8.ValidString(subject) || !utf8.ValidString(value) || len(text) > 200 {
			t.Skip("the regular expression below knows valid UTF-8 only")
		}
		p := compile(text, true, true)
		context := Context{"a:b": {value}}
		var expression strings.Builder
		for i := range p.tokens {
			switch token := &p.tokens[i]; token.kind {
			case starToken:
				expression.WriteString(`(?s:.*)`)
			case questionToken:
				expression.WriteString(`(?s:.)`)
			case variableToken:
				resolved, ok := token.value(context)
				if !ok {
					if p.compare(subject, context) != unresolved {
						t.Fatalf("%q has no value and yet an outcome", text)
					}
					return
				}
				expression.WriteString(regexp.QuoteMeta(resolved))
			default:
				expression.WriteString(regexp.QuoteMeta(token.text))
			}
		}
		want := regexp.MustCompile(`\A(?:` + expression.String() + `)\z`).MatchString(subject)
		if got := p.compare(subject, context) == match; got != want {
			t.Fatalf("%q against %q with %q: got %v, want %v", text, subject, value, got, want)
		}
	})
}

func TestVariables(t *testing.T) {
	// The forms of reference_policies_variables, and what is none of them.
	tests := map[string]struct {
		size int
		want token
	}{
		"${aws:userid}x":               {13, token{kind: variableToken, key: "aws:userid"}},
		"${aws:PrincipalTag/Team}":     {24, token{kind: variableToken, key: "aws:principaltag/team"}},
		"${aws:userid, 'anonymous'}":   {26, token{kind: variableToken, key: "aws:userid", text: "anonymous", hasDefault: true}},
		"${aws:userid, ''}":            {17, token{kind: variableToken, key: "aws:userid", hasDefault: true}},
		"${*}":                         {4, token{text: "*"}},
		"${}":                          {},
		"${aws:userid":                 {},
		"${aws:userid 'x'}":            {},
		"${aws:userid, 'x}":            {},
		"${aws:userid, 'x' }":          {},
		"${aws user}":                  {},
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
