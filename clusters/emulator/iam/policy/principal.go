package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// grant says how directly a Principal element names a principal. That decides which other policies still count
// (reference_policies_evaluation-logic, "Resource-based policies").
type grant uint8

const (
	notGranted grant = iota
	// toAccount delegates to the account, so the caller's own policies must allow too.
	toAccount
	// toRole names the role. The boundary and session policies still limit.
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
	// uniquePrincipal is the unique ID of a user or role. It stands for one that was deleted.
	uniquePrincipal
	// canonicalUser is S3's name of an account. No principal of the emulator has one.
	canonicalUser
)

type principalPattern struct {
	kind principalKind
	// offset is the place in the document.
	offset int
	// value is the account ID, ARN, unique ID, service or provider.
	value string
	// id is the unique ID that an ARN is tied to; empty if it is not tied.
	id string
}

var (
	accountID     = regexp.MustCompile(`^[0-9]{12}$`)
	uniqueID      = regexp.MustCompile(`^A[A-Z0-9]{15,127}$`)
	accountRoot   = regexp.MustCompile(`^arn:` + partitions + `:iam::([0-9]{12}):root$`)
	namedByARN    = regexp.MustCompile(`^arn:` + partitions + `:(iam::[0-9]{12}:(user|role)/|sts::[0-9]{12}:(assumed-role/[^/]+|federated-user)/)[^*?${}]*[^*?${}/]$`)
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
			return principalPattern{kind: uniquePrincipal, value: value}, nil
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
		if value != "" {
			return principalPattern{kind: canonicalUser, value: value}, nil
		}
	}
	return principalPattern{}, fmt.Errorf("Invalid principal in policy: %q:%q", strings.ToUpper(kind), value) //nolint:staticcheck // AWS's wording
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
	case uniquePrincipal:
		switch {
		case p.value != who.ID:
		case who.RoleARN != "":
			return toRole
		default:
			return toPrincipal
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

// named says how the statement's Principal element names who. A NotPrincipal element names everyone that it does not list.
func (s *Statement) named(who *Principal) grant {
	if s.notPrincipal {
		if s.excepts(who) {
			return notGranted
		}
		return toPrincipal
	}
	best := notGranted
	for i := range s.principals {
		best = max(best, s.principals[i].names(who))
	}
	return best
}

// excepts says whether a NotPrincipal element lists who in every form that AWS may check: the account and the user, or the
// account, the role and the role's session. If one of them is missing, "the policy might deny access to the entire account"
// or role (reference_policies_elements_notprincipal), and the emulator always denies it.
func (s *Statement) excepts(who *Principal) bool {
	var account, role, principal bool
	for i := range s.principals {
		p := &s.principals[i]
		switch p.names(who) {
		case toAccount:
			account = true
		case toRole:
			role = true
		case toPrincipal:
			if p.kind != arnPrincipal && p.kind != uniquePrincipal {
				return true
			}
			principal = true
		}
	}
	return account && principal && (role || who.RoleARN == "")
}

// Bind ties the users and roles that Principal elements name by ARN to their unique IDs, as IAM does when a policy is
// saved. A role that is deleted and created again under the same name is not the role that was named
// (reference_policies_elements_principal). Bind calls id with each ARN and each unique ID. If id returns "", that principal
// stays as it is. Bind changes d, which must not be in use yet.
func (d *Document) Bind(id func(name string) string) {
	for i := range d.Statements {
		for j := range d.Statements[i].principals {
			if p := &d.Statements[i].principals[j]; p.kind == arnPrincipal || p.kind == uniquePrincipal {
				p.id = id(p.value)
			}
		}
	}
}

// Shown is the text with the names that name gives to the principals that Bind tied: the ARN of an existing user or role,
// or the unique ID if it no longer exists.
func (d *Document) Shown(name func(id string) string) string {
	var shown strings.Builder
	done := 0
	for _, p := range d.bound() {
		text := strconv.Quote(name(p.id))
		end := p.offset + quoted(d.text[p.offset:])
		if p.value == name(p.id) || end == p.offset {
			continue
		}
		shown.WriteString(d.text[done:p.offset] + text)
		done = end
	}
	return shown.String() + d.text[done:]
}

// bound are the principals with a unique ID, in the order of the text.
func (d *Document) bound() []*principalPattern {
	var bound []*principalPattern
	for i := range d.Statements {
		for j := range d.Statements[i].principals {
			if p := &d.Statements[i].principals[j]; p.id != "" {
				bound = append(bound, p)
			}
		}
	}
	slices.SortFunc(bound, func(x, y *principalPattern) int { return x.offset - y.offset })
	return bound
}

// quoted is the length of the JSON string at the beginning of text; 0 if there is none.
func quoted(text string) int {
	for i := 1; i < len(text) && text[0] == '"'; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}
