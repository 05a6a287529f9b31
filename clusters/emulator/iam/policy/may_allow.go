package policy

// MayAllow says whether an Allow statement of a resource's policy names who and covers action, under any conditions. That
// is all that can be said of a trust policy before somebody assumes the role.
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
