package policy

import (
	"strings"
)

// Named is a policy under the name that explanations use: an ARN, "inline policy NAME" or the like.
type Named struct {
	Name     string
	Document *Document
}

// Principal is the sender of a request, in the forms in which a Principal element can name it.
type Principal struct {
	// AccountID of the caller: twelve digits; empty for an AWS service.
	AccountID string
	// ARN of an IAM user, or of a role session (arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION).
	ARN string
	// RoleARN is the ARN of the session's role; empty for anything but a role session.
	RoleARN string
	// ID is the unique ID of the user or of the session's role; empty if it has none.
	ID string
	// Service is the service principal, such as "pods.eks.amazonaws.com"; empty otherwise.
	Service string
	// Federated is the identity provider (an ARN or a host) of a web identity; empty otherwise.
	Federated string
}

// Request is one question: may Principal do Action on Resource?
type Request struct {
	Principal Principal
	// Action with its service prefix, such as "s3:GetObject".
	Action string
	// Resource is the ARN of what is acted on; "*" for actions without a resource type.
	Resource string
	// ResourceAccount owns the resource; empty means the principal's own account.
	ResourceAccount string
	// ResourceMustAllow says that the resource's policy must allow the request also within its own account, as a role's
	// trust policy must.
	ResourceMustAllow bool
	// Context must be filled by Set, or have its keys in lower case.
	Context Context
}

// Context holds a request's condition keys. A key that is not in it is absent from the request. A key with no values is
// present and empty. Keys are stored in lower case, so callers fill it with Set.
type Context map[string][]string

// Set makes key present with values. Keys compare without regard to case.
func (c Context) Set(key string, values ...string) { c[strings.ToLower(key)] = values }

// Get returns the values of key and whether it is present.
func (c Context) Get(key string) ([]string, bool) {
	values, ok := c[strings.ToLower(key)]
	return values, ok
}

// Policies are the policies that apply to a request, by kind. An empty Session means that there is no session policy. An
// empty Identity means that no identity policy allows anything.
type Policies struct {
	// Identity holds the managed and inline policies of the user or role.
	Identity []Named
	// Boundary is the permissions boundary, if there is one.
	Boundary *Named
	// Session has the policies that were passed when the session was created.
	Session []Named
	// Resource is the policy of the resource: a bucket policy or a role's trust policy.
	Resource *Named
}

// Kind says which kind of policy decided.
type Kind string

// The kinds of policy, as AWS's error messages name them.
const (
	IdentityPolicy Kind = "identity-based policy"
	BoundaryPolicy Kind = "permissions boundary"
	SessionPolicy  Kind = "session policy"
	ResourcePolicy Kind = "resource-based policy"
)

// Decision is the answer to a Request.
type Decision struct {
	Allowed bool
	// Explicit says that a Deny statement made the decision.
	Explicit bool
	// Kind is the kind of policy that made the decision. It holds the deciding statement. For an implicit denial it is the
	// kind that lacks a statement that allows the request.
	Kind Kind
	// Policy is the name of the policy that holds the deciding statement; empty for an implicit denial.
	Policy string
	// Statement made the decision; nil for an implicit denial.
	Statement *Statement
	// Action and Resource are those of the request.
	Action, Resource string
}

// Explain says in one sentence what the decision is, and which statement of which policy made it.
func (d Decision) Explain() string {
	what := d.Action + " on " + d.Resource
	switch {
	case d.Allowed:
		return what + " allowed by " + d.Statement.String() + " of the " + string(d.Kind) + " " + d.Policy
	case d.Explicit:
		return what + " denied explicitly by " + d.Statement.String() + " of the " + string(d.Kind) + " " + d.Policy
	case d.Kind == "":
		return what + " denied"
	}
	return what + " denied: no " + string(d.Kind) + " allows it"
}
