package policy

import "strings"

// actionPattern is a string of an Action element in lower case: "The prefix and the action name
// are case insensitive" (reference_policies_elements_action).
type actionPattern struct {
	raw string
	// offset is the place in the document.
	offset int
	// any is the pattern "*".
	any bool
	// service must be equal; anyService stands for the prefix "*".
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

// serviceSet has a bit for each of 64 classes of services. Most statements are about other services than the request's, and
// one comparison of numbers finds that out.
type serviceSet uint64

const allServices = ^serviceSet(0)

// services returns the set with the one service.
func services(service string) serviceSet {
	class := uint(len(service))
	for i := range len(service) {
		class = class*31 + uint(service[i])
	}
	return 1 << (class % 64)
}

// services that the pattern may match.
func (p *actionPattern) services() serviceSet {
	if p.any || p.anyService {
		return allServices
	}
	return services(p.service)
}

// matches compares with an action in lower case, split at its colon.
func (p *actionPattern) matches(service, name string) bool {
	return p.any || (p.service == service || p.anyService) && p.name.matches(name, nil)
}

// MatchAction says whether a string of an Action element, such as "s3:Get*", matches an action.
func MatchAction(pattern, action string) bool {
	p := compileAction(pattern)
	service, name, _ := strings.Cut(strings.ToLower(action), ":")
	return p.matches(service, name)
}
