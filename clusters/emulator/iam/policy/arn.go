package policy

import (
	"strings"
	"unicode/utf8"
)

// arnParts is the number of components of an ARN, which are separated by its first five colons.
const arnParts = 6

// arnPattern is a pattern for ARNs.
type arnPattern struct {
	raw string
	// offset is the place in the document.
	offset int
	// any is the pattern "*".
	any bool
	// prefix is literal text at the beginning of everything that matches.
	prefix string
	// whole matches the whole ARN. It is set if there is no wildcard or variable before the fifth colon. Otherwise parts
	// match the components one by one.
	whole *pattern
	parts []pattern
	// spanning has the tokens of all components. It is set if one of the first five components ends in a star, which may
	// match beyond its colon.
	spanning []token
}

// compileARN makes a pattern for ARN conditions: "Each of the six colon-delimited components of the
// ARN is checked separately" (reference_policies_elements_condition_operators). Text that is not an
// ARN matches nothing.
func compileARN(raw string, variables bool) arnPattern {
	return newARN(raw, splitARN(raw), func(int) bool { return variables })
}

// compileResource makes a pattern for the Resource element. Variables work only after the fifth colon
// (reference_policies_variables). A star that ends a component "can expand to match beyond the colon boundaries"
// (reference_policies_elements_resource).
func compileResource(raw string, variables bool) arnPattern {
	if raw == "*" {
		return arnPattern{raw: raw, any: true}
	}
	parts := splitARN(raw)
	p := newARN(raw, parts, func(i int) bool { return variables && i == arnParts-1 })
	if p.whole != nil || !endsInStar(parts) || len(parts) < arnParts && !strings.HasSuffix(raw, "*") {
		return p
	}
	var b builder
	for i, part := range parts {
		if i > 0 {
			b.literal.WriteByte(':')
			b.flush()
		}
		start := len(b.tokens)
		b.add(part, true, variables && i == arnParts-1)
		b.flush()
		if i < arnParts-1 {
			for j := start; j < len(b.tokens); j++ {
				b.tokens[j].confined = j < len(b.tokens)-1 || b.tokens[j].kind == questionToken
			}
		}
	}
	p.spanning = b.tokens
	return p
}

func endsInStar(parts []string) bool {
	for _, part := range parts[:min(len(parts), arnParts-1)] {
		if strings.HasSuffix(part, "*") {
			return true
		}
	}
	return false
}

func newARN(raw string, parts []string, variables func(part int) bool) arnPattern {
	p := arnPattern{raw: raw}
	literal := len(parts) == arnParts
	for i, part := range parts {
		compiled := compile(part, true, variables(i))
		p.parts = append(p.parts, compiled)
		literal = literal && (i == arnParts-1 || compiled.form == literalForm)
	}
	for i := range p.parts {
		if i > 0 {
			p.prefix += ":"
		}
		p.prefix += p.parts[i].prefix()
		if p.parts[i].form != literalForm {
			break
		}
	}
	if literal {
		var b builder
		for i, part := range p.parts[:arnParts-1] {
			if i > 0 {
				b.literal.WriteByte(':')
			}
			b.literal.WriteString(part.text)
		}
		b.literal.WriteByte(':')
		b.add(parts[arnParts-1], true, variables(arnParts-1))
		whole := b.pattern(raw)
		p.whole, p.parts = &whole, nil
	}
	return p
}

// splitARN splits at the first five colons that are not inside a variable.
func splitARN(raw string) []string {
	var parts []string
	start, inVariable := 0, false
	for i := 0; i < len(raw) && len(parts) < arnParts-1; i++ {
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

func (p *arnPattern) matches(arn string, context Context) bool {
	switch {
	case p.any:
		return true
	case p.whole != nil:
		return p.whole.matches(arn, context)
	case !strings.HasPrefix(arn, p.prefix):
		return false
	case p.partsMatch(arn, context):
		return true
	}
	return p.spanning != nil && spans(p.spanning, arn, context)
}

func (p *arnPattern) partsMatch(arn string, context Context) bool {
	if len(p.parts) != arnParts {
		return false
	}
	for i := range p.parts {
		part := arn
		if i < arnParts-1 {
			colon := strings.IndexByte(arn, ':')
			if colon < 0 {
				return false
			}
			part, arn = arn[:colon], arn[colon+1:]
		}
		if !p.parts[i].matches(part, context) {
			return false
		}
	}
	return true
}

// spans matches tokens with all of s. It keeps the set of places that can be reached after each token, because some stars
// stop at colons and some do not, so the leftmost place is not always the best. The work is the length of s times the
// number of tokens.
func spans(tokens []token, s string, context Context) bool {
	var inline [inlineVariables]string
	texts, ok := resolve(inline[:0], tokens, context)
	if !ok {
		return false
	}
	// A resource's ARN is rarely longer: S3's keys have at most 1,024 bytes.
	var stack [2][1280]bool
	places, next := stack[0][:], stack[1][:]
	if size := len(s) + 1; size > len(places) {
		places, next = make([]bool, size), make([]bool, size)
	}
	places[0] = true
	slot := 0
	for i := range tokens {
		t := &tokens[i]
		clear(next)
		text := t.text
		if t.kind == variableToken {
			text = texts[slot]
			slot++
		}
		open := false
		for at := 0; at <= len(s); {
			size := 1
			if at < len(s) {
				_, size = utf8.DecodeRuneInString(s[at:])
			}
			stops := t.confined && at < len(s) && s[at] == ':'
			switch t.kind {
			case starToken:
				open = open || places[at]
				next[at] = open
				open = open && !stops
			case questionToken:
				if places[at] && at < len(s) && !stops {
					next[at+size] = true
				}
			default:
				if places[at] && strings.HasPrefix(s[at:], text) {
					next[at+len(text)] = true
				}
			}
			at += size
		}
		places, next = next, places
	}
	return places[len(s)]
}
