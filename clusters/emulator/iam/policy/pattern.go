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
	// confined says that a wildcard of an ARN cannot match a colon.
	confined bool
	// text is the literal text, or a variable's default.
	text string
	// key is a variable's key, in lower case.
	key        string
	hasDefault bool
	// multivalued says that a variable's key is multivalued by definition.
	multivalued bool
	// slot is a variable's index among the variables of its pattern.
	slot int
}

// form says how a pattern is matched. Most patterns need only one comparison of strings.
type form uint8

const (
	// literalForm is text only.
	literalForm form = iota
	// anyForm is a star.
	anyForm
	// prefixForm is text and a final star.
	prefixForm
	// suffixForm is a star and text.
	suffixForm
	// generalForm begins with text, which may be empty.
	generalForm
)

// pattern is a string of a policy after its wildcards and variables were found.
type pattern struct {
	raw  string
	form form
	// text is the literal text of the form.
	text   string
	tokens []token
	// segments are the tokens between stars. The first is anchored at the start and the last at the end. A pattern without
	// a star has one segment.
	segments [][]token
	// variables is their number.
	variables int
}

// compile finds wildcards if wildcards is set, and variables if variables is set. A "${" that begins no well-formed
// variable is literal text.
func compile(raw string, wildcards, variables bool) pattern {
	var b builder
	b.add(raw, wildcards, variables)
	return b.pattern(raw)
}

// builder collects tokens.
type builder struct {
	tokens    []token
	literal   strings.Builder
	variables int
}

func (b *builder) flush() {
	if b.literal.Len() > 0 {
		b.tokens = append(b.tokens, token{kind: literalToken, text: b.literal.String()})
		b.literal.Reset()
	}
}

func (b *builder) add(raw string, wildcards, variables bool) {
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case wildcards && c == '*':
			b.flush()
			if n := len(b.tokens); n == 0 || b.tokens[n-1].kind != starToken {
				b.tokens = append(b.tokens, token{kind: starToken})
			}
		case wildcards && c == '?':
			b.flush()
			b.tokens = append(b.tokens, token{kind: questionToken})
		case variables && c == '$' && strings.HasPrefix(raw[i:], "${"):
			t, size := variable(raw[i:])
			if size == 0 {
				b.literal.WriteByte(c)
				break
			}
			i += size
			if t.kind == literalToken {
				b.literal.WriteString(t.text)
				continue
			}
			b.flush()
			t.slot = b.variables
			b.variables++
			b.tokens = append(b.tokens, t)
			continue
		default:
			b.literal.WriteByte(c)
		}
		i++
	}
}

// pattern arranges the tokens for matching.
func (b *builder) pattern(raw string) pattern {
	b.flush()
	p := pattern{raw: raw, tokens: b.tokens, variables: b.variables, form: generalForm}
	rest := b.tokens
	if len(rest) > 0 && rest[0].kind == literalToken {
		p.text, rest = rest[0].text, rest[1:]
	}
	switch {
	case len(rest) == 0:
		p.form = literalForm
	case len(rest) == 1 && rest[0].kind == starToken && p.text == "":
		p.form = anyForm
	case len(rest) == 1 && rest[0].kind == starToken:
		p.form = prefixForm
	case len(rest) == 2 && p.text == "" && rest[0].kind == starToken && rest[1].kind == literalToken:
		p.form, p.text = suffixForm, rest[1].text
	default:
		start := 0
		for i := range p.tokens {
			if p.tokens[i].kind == starToken {
				p.segments = append(p.segments, p.tokens[start:i])
				start = i + 1
			}
		}
		p.segments = append(p.segments, p.tokens[start:])
	}
	return p
}

// inlineVariables is the number of variables that a pattern may have without an allocation.
const inlineVariables = 8

// matches compares all of s. A variable's value is literal text, and wildcards in it stand for themselves. A variable
// without a value equals nothing, so a negated operator holds (reference_policies_variables, "Policy variables with no
// value").
func (p *pattern) matches(s string, context Context) bool {
	switch p.form {
	case literalForm:
		return s == p.text
	case anyForm:
		return true
	case suffixForm:
		return strings.HasSuffix(s, p.text)
	}
	// The first byte already differs for most texts.
	if p.text != "" && (s == "" || s[0] != p.text[0] || !strings.HasPrefix(s, p.text)) {
		return false
	}
	switch {
	case p.form == prefixForm:
		return true
	case p.variables > 0:
		return p.matchesVariables(s, context)
	}
	var m matcher
	return m.match(p.segments, s)
}

// prefix is literal text at the beginning of everything that matches.
func (p *pattern) prefix() string {
	if p.form == suffixForm {
		return ""
	}
	return p.text
}

func (p *pattern) matchesVariables(s string, context Context) bool {
	var inline [inlineVariables]string
	texts, ok := resolve(inline[:0], p.tokens, context)
	m := matcher{texts: texts}
	return ok && m.match(p.segments, s)
}

// foldMatches compares all of s, without regard to case, with a pattern without wildcards.
func (p *pattern) foldMatches(s string, context Context) bool {
	if p.form == literalForm {
		return strings.EqualFold(s, p.text)
	}
	var text strings.Builder
	for i := range p.tokens {
		part := p.tokens[i].text
		if p.tokens[i].kind == variableToken {
			var ok bool
			if part, ok = p.tokens[i].value(context); !ok {
				return false
			}
		}
		text.WriteString(part)
	}
	return strings.EqualFold(s, text.String())
}

// matcher matches segments. It never returns to a place before a segment that it has found, because the leftmost place
// leaves the most text for the rest. So the work is at most the length of the text times that of a segment, for any number
// of stars.
type matcher struct {
	// texts are the values of the variables, by slot.
	texts []string
	// steps counts comparisons, for the tests.
	steps int
}

func (m *matcher) text(t *token) string {
	if t.kind == variableToken {
		return m.texts[t.slot]
	}
	return t.text
}

func (m *matcher) match(segments [][]token, s string) bool {
	pos, ok := m.at(segments[0], s, 0)
	if !ok {
		return false
	}
	last := len(segments) - 1
	if last == 0 {
		return pos == len(s)
	}
	for _, segment := range segments[1:last] {
		if pos, ok = m.find(segment, s, pos); !ok {
			return false
		}
	}
	return m.atEnd(segments[last], s[pos:])
}

// at matches a segment at pos and returns where it ends.
func (m *matcher) at(segment []token, s string, pos int) (int, bool) {
	for i := range segment {
		m.steps++
		if segment[i].kind == questionToken {
			if pos == len(s) {
				return 0, false
			}
			_, size := utf8.DecodeRuneInString(s[pos:])
			pos += size
			continue
		}
		text := m.text(&segment[i])
		if !strings.HasPrefix(s[pos:], text) {
			return 0, false
		}
		pos += len(text)
	}
	return pos, true
}

// atEnd matches a segment with the end of s.
func (m *matcher) atEnd(segment []token, s string) bool {
	for i := len(segment) - 1; i >= 0; i-- {
		m.steps++
		if segment[i].kind == questionToken {
			if s == "" {
				return false
			}
			_, size := utf8.DecodeLastRuneInString(s)
			s = s[:len(s)-size]
			continue
		}
		var ok bool
		if s, ok = strings.CutSuffix(s, m.text(&segment[i])); !ok {
			return false
		}
	}
	return true
}

// find looks for the leftmost place of a segment at or after pos and returns the segment's end.
func (m *matcher) find(segment []token, s string, pos int) (int, bool) {
	for {
		if segment[0].kind != questionToken {
			m.steps++
			offset := strings.Index(s[pos:], m.text(&segment[0]))
			if offset < 0 {
				return 0, false
			}
			pos += offset
		}
		if end, ok := m.at(segment, s, pos); ok {
			return end, true
		}
		if pos == len(s) {
			return 0, false
		}
		_, size := utf8.DecodeRuneInString(s[pos:])
		pos += size
	}
}
