package policy

// MayAllow reports whether an Allow statement of a resource's policy names who and covers action,
// whatever its conditions: what can be said of a trust policy before anybody assumes the role.
func (d *Document) MayAllow(who Principal, action string) bool {
	var e evaluation
	e.setAction(action)
	for i := range d.Statements {
		s := &d.Statements[i]
		if !s.Deny && s.named(&who) != notGranted && e.actionApplies(s) {
			return true
		}
	}
	return false
}
