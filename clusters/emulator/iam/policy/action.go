package policy

import "strings"

// actionPattern is a string of an Action element in lower case: "The prefix and the action name
// are case insensitive" (reference_policies_elements_action).
type actionPattern struct {
	raw string
	// offset in the document.
	offset int
	// any is the pattern "*".
	any bool
	// service that must be equal; anyService for the prefix "*".
	service    string
	anyService bool
	name       pattern
}

func compileAction(raw string) actionPattern {
	p := actionPattern{raw: strings.ToLower(raw)}
	if p.raw == "*" {
		p.any = true
		return p
	}
	var name string
	p.service, name, _ = strings.Cut(p.raw, ":")
	p.anyService = p.service == "*"
	p.name = compile(name, true, false)
	return p
}

// matches compares with an action in lower case, split at its colon.
func (p *actionPattern) matches(service, name string) bool {
	return p.any || (p.service == service || p.anyService) && p.name.matches(name, nil)
}
