package policy

import "strings"

// variable reads a variable at the start of s: ${key}, ${key, 'default'} or one of the escapes ${*}, ${?} and ${$}, which
// are literal tokens (reference_policies_variables). Size 0 means that s begins with no variable.
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
		if !found || !validVariable(key) {
			return token{}, 0
		}
		key = strings.ToLower(key)
		return token{kind: variableToken, key: key, multivalued: isMultivalued(key), text: s[quote+1 : after-1], hasDefault: true}, after + 1
	}
	if end < 0 {
		return token{}, 0
	}
	switch name := s[2:end]; name {
	case "*", "?", "$":
		return token{kind: literalToken, text: name}, end + 1
	default:
		if !validVariable(name) {
			return token{}, 0
		}
		key := strings.ToLower(name)
		return token{kind: variableToken, key: key, multivalued: isMultivalued(key)}, end + 1
	}
}

// validVariable checks the key: keys of tags may contain spaces, but not at the ends.
func validVariable(key string) bool {
	return key != "" && strings.TrimSpace(key) == key && !strings.ContainsAny(key, ",'{}$*?")
}

// value returns the value of a variable. A multivalued key cannot be a variable
// (reference_policies_condition-single-vs-multi-valued-context-keys), and counts as absent.
func (t *token) value(context Context) (string, bool) {
	if values := context[t.key]; len(values) == 1 && !t.multivalued {
		return values[0], true
	}
	return t.text, t.hasDefault
}

// resolve appends the texts of the variables in tokens to texts. It fails if one has no value.
func resolve(texts []string, tokens []token, context Context) ([]string, bool) {
	for i := range tokens {
		if t := &tokens[i]; t.kind == variableToken {
			text, ok := t.value(context)
			if !ok {
				return texts, false
			}
			texts = append(texts, text)
		}
	}
	return texts, true
}
