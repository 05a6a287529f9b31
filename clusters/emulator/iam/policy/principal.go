package policy

import (
	"fmt"
	"regexp"
	"strings"
)

// grant tells how directly a Principal element names a principal: that decides which other
// policies still count (reference_policies_evaluation-logic, "Resource-based policies").
type grant uint8

const (
	notGranted grant = iota
	// toAccount delegates to the account, whose own policies must allow too.
	toAccount
	// toRole names the role: boundary and session policies still limit.
	toRole
	// toPrincipal names the user, the role session or the service itself, or everyone.
	toPrincipal
)

type principalKind uint8

const (
	everyone principalKind = iota
	accountPrincipal
	arnPrincipal
	servicePrincipal
	federatedPrincipal
	// unknownPrincipal is one that no principal here can be: a canonical user, the ID that stands
	// for a deleted role.
	unknownPrincipal
)

type principalPattern struct {
	kind principalKind
	// value is the account ID, ARN, service or provider.
	value string
	// id is the unique ID that an ARN was bound to; empty if it was not bound.
	id string
}

var (
	accountID     = regexp.MustCompile(`^[0-9]{12}$`)
	uniqueID      = regexp.MustCompile(`^A[A-Z0-9]{15,127}$`)
	accountRoot   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):root$`)
	namedByARN    = regexp.MustCompile(`^arn:aws[a-z-]*:(iam::[0-9]{12}:(user|role)/|sts::[0-9]{12}:(assumed-role/[^/]+|federated-user)/)[^*?]*[^*?/]$`)
	serviceNaming = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*\.[a-z.]+$`)
)

func parsePrincipal(kind, value string) (principalPattern, error) {
	switch kind {
	case "AWS":
		switch {
		case value == "*":
			return principalPattern{kind: everyone}, nil
		case accountID.MatchString(value):
			return principalPattern{kind: accountPrincipal, value: value}, nil
		case uniqueID.MatchString(value):
			return principalPattern{kind: unknownPrincipal, value: value}, nil
		}
		if root := accountRoot.FindStringSubmatch(value); root != nil {
			return principalPattern{kind: accountPrincipal, value: root[1]}, nil
		}
		if namedByARN.MatchString(value) {
			return principalPattern{kind: arnPrincipal, value: value}, nil
		}
	case "Service":
		if serviceNaming.MatchString(value) {
			return principalPattern{kind: servicePrincipal, value: value}, nil
		}
	case "Federated":
		if value != "" && !strings.ContainsAny(value, "*?") {
			return principalPattern{kind: federatedPrincipal, value: value}, nil
		}
	case "CanonicalUser":
		return principalPattern{kind: unknownPrincipal, value: value}, nil
	}
	return principalPattern{}, fmt.Errorf("Invalid principal in policy: %q:%q", kind, value) //nolint:staticcheck // AWS's wording
}

func (p *principalPattern) names(who *Principal) grant {
	switch p.kind {
	case everyone:
		return toPrincipal
	case accountPrincipal:
		if p.value == who.AccountID {
			return toAccount
		}
	case arnPrincipal:
		if p.id != "" && p.id != who.ID {
			return notGranted
		}
		switch p.value {
		case who.ARN:
			return toPrincipal
		case who.RoleARN:
			return toRole
		}
	case servicePrincipal:
		if p.value == who.Service {
			return toPrincipal
		}
	case federatedPrincipal:
		if p.value == who.Federated {
			return toPrincipal
		}
	}
	return notGranted
}

// named tells how the statement's Principal element names who. A NotPrincipal names everyone that it
// does not list in any form.
func (s *Statement) named(who *Principal) grant {
	best := notGranted
	for i := range s.principals {
		best = max(best, s.principals[i].names(who))
	}
	if !s.notPrincipal {
		return best
	}
	if best == notGranted {
		return toPrincipal
	}
	return notGranted
}

// PrincipalARNs lists the users and roles that Principal elements name by ARN.
func (d *Document) PrincipalARNs() []string {
	var arns []string
	for i := range d.Statements {
		for _, p := range d.Statements[i].principals {
			if p.kind == arnPrincipal {
				arns = append(arns, p.value)
			}
		}
	}
	return arns
}

// Bind ties the ARNs of users and roles in Principal elements to the unique IDs that id returns
// ("" leaves one as it is), as IAM does when a trust policy is saved: a role that is deleted and
// made again under the same name is not trusted (reference_policies_elements_principal). It changes
// d, which must not be in use yet.
func (d *Document) Bind(id func(arn string) string) {
	for i := range d.Statements {
		for j := range d.Statements[i].principals {
			if p := &d.Statements[i].principals[j]; p.kind == arnPrincipal {
				p.id = id(p.value)
			}
		}
	}
}
