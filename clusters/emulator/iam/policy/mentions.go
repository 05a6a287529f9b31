package policy

import (
	"iter"
	"slices"
)

// ContextKeys returns the condition keys that the document names in conditions and variables, in lower case and each once.
// No other key of a request can influence a decision.
func (d *Document) ContextKeys() []string { return d.keys }

// ContextKeys yields the keys of all documents. A key that several documents name comes more than once.
func (p *Policies) ContextKeys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range p.Identity {
			if !each(p.Identity[i].Document.keys, yield) {
				return
			}
		}
		for i := range p.Session {
			if !each(p.Session[i].Document.keys, yield) {
				return
			}
		}
		if p.Boundary != nil && !each(p.Boundary.Document.keys, yield) {
			return
		}
		if p.Resource != nil {
			each(p.Resource.Document.keys, yield)
		}
	}
}

func each(keys []string, yield func(string) bool) bool {
	for _, key := range keys {
		if !yield(key) {
			return false
		}
	}
	return true
}

// findKeys collects the keys of the document's statements.
func (d *Document) findKeys() {
	for i := range d.Statements {
		s := &d.Statements[i]
		for j := range s.resources {
			d.addARN(&s.resources[j])
		}
		for j := range s.conditions {
			c := &s.conditions[j]
			d.keys = append(d.keys, c.key)
			for k := range c.values {
				d.addTokens(c.values[k].text.tokens)
				d.addARN(&c.values[k].arn)
			}
		}
	}
	slices.Sort(d.keys)
	d.keys = slices.Clip(slices.Compact(d.keys))
}

func (d *Document) addARN(p *arnPattern) {
	d.addTokens(p.spanning)
	if p.whole != nil {
		d.addTokens(p.whole.tokens)
	}
	for i := range p.parts {
		d.addTokens(p.parts[i].tokens)
	}
}

func (d *Document) addTokens(tokens []token) {
	for i := range tokens {
		if tokens[i].kind == variableToken {
			d.keys = append(d.keys, tokens[i].key)
		}
	}
}
