package policy

import "strings"

// Evaluate decides request by policies in the order of reference_policies_evaluation-logic: any
// explicit deny first; then what the resource's policy grants, and to whom; then the identity's
// policies, limited by boundary and session policies.
func Evaluate(request *Request, policies *Policies) Decision {
	e := evaluation{request: request, action: strings.ToLower(request.Action)}
	decision := e.decide(policies)
	decision.Action, decision.Resource = request.Action, request.Resource
	return decision
}

type evaluation struct {
	request *Request
	// action in lower case, as actions compare.
	action string
}

func (e *evaluation) decide(policies *Policies) Decision {
	if decision, denied := e.explicitDeny(policies); denied {
		return decision
	}
	resource, granted := e.resourceAllow(policies.Resource)
	who := &e.request.Principal
	if who.ARN == "" {
		// A service or a federated identity has no policies of its own.
		if granted == notGranted {
			return Decision{Kind: ResourcePolicy}
		}
		return resource
	}
	crossAccount := e.request.ResourceAccount != "" && e.request.ResourceAccount != who.AccountID
	if (crossAccount || e.request.ResourceMustAllow) && granted == notGranted {
		return Decision{Kind: ResourcePolicy}
	}
	if !crossAccount && granted == toPrincipal {
		return resource
	}
	decision := resource
	if crossAccount || granted != toRole {
		var allowed bool
		if decision, allowed = e.allow(IdentityPolicy, policies.Identity); !allowed {
			return decision
		}
	}
	if policies.Boundary != nil {
		if limited, allowed := e.allow(BoundaryPolicy, []Named{*policies.Boundary}); !allowed {
			return limited
		}
	}
	if len(policies.Session) > 0 {
		if limited, allowed := e.allow(SessionPolicy, policies.Session); !allowed {
			return limited
		}
	}
	return decision
}

func (e *evaluation) explicitDeny(policies *Policies) (Decision, bool) {
	deny := func(kind Kind, named *Named) (Decision, bool) {
		statement := e.find(named.Document, true, kind == ResourcePolicy)
		return Decision{Explicit: true, Kind: kind, Policy: named.Name, Statement: statement}, statement != nil
	}
	for i := range policies.Identity {
		if decision, denied := deny(IdentityPolicy, &policies.Identity[i]); denied {
			return decision, true
		}
	}
	for i := range policies.Session {
		if decision, denied := deny(SessionPolicy, &policies.Session[i]); denied {
			return decision, true
		}
	}
	if policies.Boundary != nil {
		if decision, denied := deny(BoundaryPolicy, policies.Boundary); denied {
			return decision, true
		}
	}
	if policies.Resource != nil {
		return deny(ResourcePolicy, policies.Resource)
	}
	return Decision{}, false
}

// allow looks for an allowing statement in policies of one kind.
func (e *evaluation) allow(kind Kind, policies []Named) (Decision, bool) {
	for i := range policies {
		if statement := e.find(policies[i].Document, false, false); statement != nil {
			return Decision{Allowed: true, Kind: kind, Policy: policies[i].Name, Statement: statement}, true
		}
	}
	return Decision{Kind: kind}, false
}

// resourceAllow finds the statement of the resource's policy that grants most directly.
func (e *evaluation) resourceAllow(named *Named) (Decision, grant) {
	decision, best := Decision{}, notGranted
	if named == nil {
		return decision, best
	}
	for i := range named.Document.Statements {
		statement := &named.Document.Statements[i]
		if statement.Deny || !statement.hasPrincipal {
			continue
		}
		if granted := statement.named(&e.request.Principal); granted > best && e.applies(statement) {
			best = granted
			decision = Decision{Allowed: true, Kind: ResourcePolicy, Policy: named.Name, Statement: statement}
		}
	}
	return decision, best
}

// find returns the first statement of the effect that applies.
func (e *evaluation) find(document *Document, deny, byPrincipal bool) *Statement {
	for i := range document.Statements {
		statement := &document.Statements[i]
		if statement.Deny != deny {
			continue
		}
		if byPrincipal && (!statement.hasPrincipal || statement.named(&e.request.Principal) == notGranted) {
			continue
		}
		if e.applies(statement) {
			return statement
		}
	}
	return nil
}

// applies tells whether action, resource and conditions of the statement fit the request.
//
// A variable that the request cannot fill can void a statement (reference_policies_variables). Here it
// always voids an Allow; in a Deny it equals nothing, so that a negated element still holds: what
// AWS does there is not documented, and this side is the safe one.
func (e *evaluation) applies(s *Statement) bool {
	return e.actionApplies(s) && e.resourceApplies(s) && e.conditionsHold(s)
}

func (e *evaluation) actionApplies(s *Statement) bool {
	for i := range s.actions {
		if s.actions[i].compare(e.action, nil) == match {
			return !s.notAction
		}
	}
	return s.notAction
}

func (e *evaluation) resourceApplies(s *Statement) bool {
	if !s.hasResource {
		// A trust policy has none: its resource is the role it belongs to.
		return true
	}
	missing := false
	for i := range s.resources {
		switch s.resources[i].compare(e.request.Resource, e.request.Context) {
		case match:
			return !s.notResource
		case unresolved:
			missing = true
		}
	}
	return s.notResource && (s.Deny || !missing)
}

func (e *evaluation) conditionsHold(s *Statement) bool {
	for i := range s.conditions {
		holds, missing := s.conditions[i].holds(e.request.Context)
		if !holds || missing && s.conditions[i].operator.negated && !s.Deny {
			return false
		}
	}
	return true
}
