package policy

import "strings"

// Evaluate decides request by policies in the order of reference_policies_evaluation-logic_policy-eval-denyallow. An
// explicit deny comes first. Then comes what the resource's policy grants, and to whom. Then come the identity's policies,
// limited by the boundary and session policies.
func Evaluate(request *Request, policies *Policies) Decision {
	e := evaluation{request: request, bounded: policies.Boundary != nil}
	e.setAction(request.Action)
	decision := e.decide(policies)
	decision.Action, decision.Resource = request.Action, request.Resource
	return decision
}

type evaluation struct {
	request *Request
	// service and name are those of the action, in lower case.
	service, name string
	// services is the set with service.
	services serviceSet
	// bounded says that the principal has a permissions boundary.
	bounded bool
}

func (e *evaluation) setAction(action string) {
	e.service, e.name, _ = strings.Cut(strings.ToLower(action), ":")
	e.services = services(e.service)
}

// found is a statement that applies to the request, and its policy.
type found struct {
	policy    *Named
	statement *Statement
}

func (f found) decision(kind Kind) Decision {
	if f.statement == nil {
		return Decision{Kind: kind}
	}
	deny := f.statement.Deny
	return Decision{Allowed: !deny, Explicit: deny, Kind: kind, Policy: f.policy.Name, Statement: f.statement}
}

func (e *evaluation) decide(policies *Policies) Decision {
	// Every policy is read once, for both effects. The first deny ends the loop.
	var identity, session, boundary, resource found
	for i := range policies.Identity {
		if e.read(&policies.Identity[i], &identity) {
			return identity.decision(IdentityPolicy)
		}
	}
	for i := range policies.Session {
		if e.read(&policies.Session[i], &session) {
			return session.decision(SessionPolicy)
		}
	}
	if policies.Boundary != nil && e.read(policies.Boundary, &boundary) {
		return boundary.decision(BoundaryPolicy)
	}
	granted := notGranted
	if policies.Resource != nil {
		var denied bool
		if granted, denied = e.readResource(policies.Resource, &resource); denied {
			return resource.decision(ResourcePolicy)
		}
	}
	who := &e.request.Principal
	if who.ARN == "" {
		// A service, a federated identity or an anonymous caller has no policies of its own.
		return resource.decision(ResourcePolicy)
	}
	crossAccount := e.request.ResourceAccount != "" && e.request.ResourceAccount != who.AccountID
	switch {
	case granted == notGranted && (crossAccount || e.request.ResourceMustAllow):
		return Decision{Kind: ResourcePolicy}
	case granted == toPrincipal && !crossAccount:
		return resource.decision(ResourcePolicy)
	case granted == toRole && !crossAccount:
		// The role needs no policy of its own, but the boundary and session policies limit it.
	case identity.statement == nil:
		return Decision{Kind: IdentityPolicy}
	}
	switch {
	case policies.Boundary != nil && boundary.statement == nil:
		return Decision{Kind: BoundaryPolicy}
	case len(policies.Session) > 0 && session.statement == nil:
		return Decision{Kind: SessionPolicy}
	case granted == toRole && !crossAccount:
		return resource.decision(ResourcePolicy)
	}
	return identity.decision(IdentityPolicy)
}

// read looks for a deny and, if f has none yet, for an allow. It stores the statement in f and says whether it is a deny.
func (e *evaluation) read(named *Named, f *found) (denied bool) {
	for i := range named.Document.Statements {
		statement := &named.Document.Statements[i]
		if !statement.Deny && f.statement != nil || !e.applies(statement) {
			continue
		}
		*f = found{named, statement}
		if statement.Deny {
			return true
		}
	}
	return false
}

// readResource does the same for the resource's policy. It looks for the statement that names the principal most directly.
func (e *evaluation) readResource(named *Named, f *found) (best grant, denied bool) {
	for i := range named.Document.Statements {
		statement := &named.Document.Statements[i]
		granted := e.named(statement)
		if granted == notGranted || !statement.Deny && granted <= best || !e.applies(statement) {
			continue
		}
		*f = found{named, statement}
		if statement.Deny {
			return notGranted, true
		}
		best = granted
	}
	return best, false
}

func (e *evaluation) named(s *Statement) grant {
	if s.notPrincipal && s.Deny && e.bounded {
		// reference_policies_elements_notprincipal: such a statement "will always deny any IAM
		// principal that has a permissions boundary policy attached".
		return toPrincipal
	}
	return s.named(&e.request.Principal)
}

// applies says whether action, resource and conditions of the statement fit the request.
//
// A variable without a value in the request equals no text, for both effects (reference_policies_variables, "Policy
// variables with no value"). A resource or a condition with it does not match. NotResource and the negated operators match.
func (e *evaluation) applies(s *Statement) bool {
	return e.actionApplies(s) && e.resourceApplies(s) && e.conditionsHold(s)
}

func (e *evaluation) actionApplies(s *Statement) bool {
	if s.services&e.services == 0 {
		return false
	}
	for i := range s.actions {
		if s.actions[i].matches(e.service, e.name) {
			return !s.notAction
		}
	}
	return s.notAction
}

func (e *evaluation) resourceApplies(s *Statement) bool {
	if !s.hasResource {
		// A trust policy has no resource: its resource is its role.
		return true
	}
	for i := range s.resources {
		if s.resources[i].matches(e.request.Resource, e.request.Context) {
			return !s.notResource
		}
	}
	return s.notResource
}

func (e *evaluation) conditionsHold(s *Statement) bool {
	for i := range s.conditions {
		if !s.conditions[i].holds(e.request.Context) {
			return false
		}
	}
	return true
}
