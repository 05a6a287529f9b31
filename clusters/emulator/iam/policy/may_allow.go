package policy

import "strings"

// MayAllow reports whether an Allow statement of a resource's policy names who and covers action,
// whatever its conditions: what can be said of a trust policy before anybody assumes the role.
func (d *Document) MayAllow(who Principal, action string) bool {
	var e evaluation
	e.service, e.name, _ = strings.Cut(strings.ToLower(action), ":")
	for i := range d.Statements {
		s := &d.Statements[i]
		if !s.Deny && s.named(&who) != notGranted && e.actionApplies(s) {
			return true
		}
	}
	return false
}
