package policy

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	literalToken tokenKind = iota
	starToken
	questionToken
	variableToken
)

type token struct {
	kind tokenKind
	// text is the literal, or a variable's default.
	text string
	// key of a variable, in lower case.
	key        string
	hasDefault bool
}

// pattern is a string of a policy with its wildcards and variables found.
type pattern struct {
	raw    string
	tokens []token
	// literal says that the pattern is one literal or empty: raw is it.
	literal bool
	// variables says that there are any.
	variables bool
}

// compile finds wildcards if wildcards is set and variables if variables is set. A "${" that does
// not begin a well-formed variable is literal text.
func compile(raw string, wildcards, variables bool) pattern {
	p := pattern{raw: raw}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			p.tokens = append(p.tokens, token{kind: literalToken, text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case wildcards && c == '*':
			flush()
			if n := len(p.tokens); n == 0 || p.tokens[n-1].kind != starToken {
				p.tokens = append(p.tokens, token{kind: starToken})
			}
			i++
		case wildcards && c == '?':
			flush()
			p.tokens = append(p.tokens, token{kind: questionToken})
			i++
		case variables && strings.HasPrefix(raw[i:], "${"):
			t, size := variable(raw[i:])
			switch {
			case size == 0:
				literal.WriteByte(c)
				i++
			case t.kind == literalToken:
				literal.WriteString(t.text)
				i += size
			default:
				flush()
				p.tokens = append(p.tokens, t)
				p.variables = true
				i += size
			}
		default:
			literal.WriteByte(c)
			i++
		}
	}
	flush()
	p.literal = len(p.tokens) == 0 || len(p.tokens) == 1 && p.tokens[0].kind == literalToken && p.tokens[0].text == raw
	return p
}

// variable reads a variable at the start of s: ${key}, ${key, 'default'} or one of the escapes
// ${*}, ${?} and ${$}, which are literal tokens (reference_policies_variables). Size 0 means that
// there is none.
func variable(s string) (t token, size int) {
	end := strings.IndexByte(s, '}')
	if quote := strings.IndexByte(s, '\''); quote >= 0 && quote < end {
		// A default may contain braces.
		closing := strings.IndexByte(s[quote+1:], '\'')
		if closing < 0 {
			return token{}, 0
		}
		after := quote + 1 + closing + 1
		if after >= len(s) || s[after] != '}' {
			return token{}, 0
		}
		key, found := strings.CutSuffix(strings.TrimRight(s[2:quote], " "), ",")
		if !found || !validKey(key) {
			return token{}, 0
		}
		return token{kind: variableToken, key: strings.ToLower(key), text: s[quote+1 : after-1], hasDefault: true}, after + 1
	}
	if end < 0 {
		return token{}, 0
	}
	switch name := s[2:end]; name {
	case "*", "?", "$":
		return token{kind: literalToken, text: name}, end + 1
	default:
		if !validKey(name) {
			return token{}, 0
		}
		return token{kind: variableToken, key: strings.ToLower(name)}, end + 1
	}
}

func validKey(key string) bool {
	return key != "" && !strings.ContainsAny(key, " ,'{}$*?")
}

// value resolves a variable. A key with several values cannot be a variable.
func (t *token) value(context Context) (string, bool) {
	if values := context[t.key]; len(values) == 1 {
		return values[0], true
	}
	return t.text, t.hasDefault
}

// outcome of a comparison with a pattern.
type outcome uint8

const (
	mismatch outcome = iota
	match
	// unresolved: the pattern holds a variable without a value.
	unresolved
)

// compare matches all of s. A variable's value is literal text: wildcards in it mean themselves.
func (p *pattern) compare(s string, context Context) outcome {
	if p.literal {
		if p.raw == s {
			return match
		}
		return mismatch
	}
	if p.variables {
		for i := range p.tokens {
			if t := &p.tokens[i]; t.kind == variableToken {
				if _, ok := t.value(context); !ok {
					return unresolved
				}
			}
		}
	}
	if p.matches(s, context) {
		return match
	}
	return mismatch
}

// matches is the usual wildcard match that goes back to the last star only, so it takes at most
// len(s) times the pattern's length.
func (p *pattern) matches(s string, context Context) bool {
	at, pos := 0, 0
	star, retry := -1, 0
	for {
		if at == len(p.tokens) {
			if pos == len(s) {
				return true
			}
		} else {
			switch t := &p.tokens[at]; t.kind {
			case starToken:
				star, retry = at, pos
				at++
				continue
			case questionToken:
				if pos < len(s) {
					_, size := utf8.DecodeRuneInString(s[pos:])
					pos += size
					at++
					continue
				}
			default:
				text := t.text
				if t.kind == variableToken {
					text, _ = t.value(context)
				}
				if strings.HasPrefix(s[pos:], text) {
					pos += len(text)
					at++
					continue
				}
			}
		}
		if star < 0 || retry >= len(s) {
			return false
		}
		_, size := utf8.DecodeRuneInString(s[retry:])
		retry += size
		at, pos = star+1, retry
	}
}

// arnPattern is a pattern for ARNs, compared component by component: a wildcard does not cross the
// first five colons.
type arnPattern struct {
	raw string
	// any is the pattern "*".
	any bool
	// parts has six elements, or another number if raw is not an ARN: it matches nothing then.
	parts []pattern
}

// compileARN finds wildcards and variables in an ARN's components. With resourceOnly, variables
// work in the sixth component only, as in the Resource element (reference_policies_variables).
func compileARN(raw string, variables, resourceOnly bool) arnPattern {
	p := arnPattern{raw: raw, any: raw == "*"}
	if p.any {
		return p
	}
	for i, part := range splitARN(raw) {
		p.parts = append(p.parts, compile(part, true, variables && (!resourceOnly || i == 5)))
	}
	return p
}

// splitARN splits at the first five colons that are not inside of a variable.
func splitARN(raw string) []string {
	var parts []string
	start, inVariable := 0, false
	for i := 0; i < len(raw) && len(parts) < 5; i++ {
		switch {
		case strings.HasPrefix(raw[i:], "${"):
			inVariable = true
		case raw[i] == '}':
			inVariable = false
		case raw[i] == ':' && !inVariable:
			parts = append(parts, raw[start:i])
			start = i + 1
		}
	}
	return append(parts, raw[start:])
}

func (p *arnPattern) compare(arn string, context Context) outcome {
	if p.any {
		return match
	}
	if len(p.parts) != 6 {
		return mismatch
	}
	result := match
	for i := range p.parts {
		part := arn
		if i < 5 {
			var found bool
			if part, arn, found = strings.Cut(arn, ":"); !found {
				return mismatch
			}
		}
		switch p.parts[i].compare(part, context) {
		case mismatch:
			return mismatch
		case unresolved:
			result = unresolved
		}
	}
	return result
}
