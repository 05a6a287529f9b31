// Package iam is the AWS account of the emulator: its users, roles, policies, access keys and role
// sessions, the decision whether a caller may do something, and the IAM Query API over it all.
package iam

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// Options of an Account.
type Options struct {
	// AccountID has twelve digits.
	AccountID string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Rand is the source of unique IDs, keys and tokens; nil means crypto/rand.
	Rand io.Reader
}

// Account is one AWS account. It is safe for concurrent use.
type Account struct{ options Options }

// NewAccount makes an account that holds the AWS managed policies the emulator knows and nothing else.
func NewAccount(options Options) (*Account, error) { return &Account{options: options}, nil }

// ID returns the account's twelve digits.
func (a *Account) ID() string { return a.options.AccountID }

// CreateAdministrator makes a user with an allow-all policy and the given access key: the
// administrator of the account. For use at boot.
func (a *Account) CreateAdministrator(name, accessKeyID, secretAccessKey string) error { return nil }

// CreateServiceRole makes a role that the AWS service trusts with sts:AssumeRole, with the managed
// policies attached. For use at boot: the node role is CreateServiceRole("epi-node",
// "ec2.amazonaws.com", WorkerNodePolicyARN).
func (a *Account) CreateServiceRole(name, service string, policyARNs ...string) (Role, error) {
	return Role{}, nil
}

// Credentials implements sigv4.CredentialStore.
func (a *Account) Credentials(ctx context.Context, accessKeyID string) (sigv4.Credentials, bool) {
	return sigv4.Credentials{}, false
}

// Principal returns whose access key accessKeyID is now; ok is false when the key, its user or its
// session's role is gone.
func (a *Account) Principal(ctx context.Context, accessKeyID string) (principal Principal, ok bool) {
	return Principal{}, false
}

// Role is a role as others may know it: a copy.
type Role struct {
	Name, Path, ARN, ID, Description string
	Created                          time.Time
	MaxSessionDuration               time.Duration
	// TrustPolicy is the text of the trust policy.
	TrustPolicy string
	Tags        map[string]string
}

// Role finds a role by its ARN or name.
func (a *Account) Role(arnOrName string) (Role, bool) { return Role{}, false }

// Access is one thing that a caller wants to do.
type Access struct {
	// Action such as "eks:CreatePodIdentityAssociation".
	Action string
	// Resource ARN, or "*".
	Resource string
	// Context has the keys of this request beyond the global ones that Authorize fills from the
	// caller (aws:PrincipalTag/*, aws:PrincipalArn, aws:SourceIp, …); may be nil.
	Context policy.Context
	// ResourcePolicy of the resource, if it has one.
	ResourcePolicy *policy.Named
	// ResourceAccount owns the resource; empty means this account.
	ResourceAccount string
}

// Authorize decides whether caller may, by the policies it has now, and notes the decision in the
// journal's call of ctx. A nil caller is refused.
func (a *Account) Authorize(ctx context.Context, caller *Caller, access Access) policy.Decision {
	return policy.Decision{}
}

// DeniedMessage is AWS's wording of a refusal: "User: ARN is not authorized to perform: ACTION on
// resource: ARN because …".
func DeniedMessage(caller *Caller, access Access, decision policy.Decision) string { return "" }

// Trust asks whether a role may be assumed.
type Trust struct {
	// Role by its ARN.
	RoleARN string
	// Service principal that wants to assume it, such as "pods.eks.amazonaws.com"; or Caller.
	Service string
	Caller  *Caller
	// Actions must all be allowed: "sts:AssumeRole", and "sts:TagSession" when there are tags.
	Actions []string
	// Context has aws:RequestTag/*, aws:TagKeys, aws:SourceArn, aws:SourceAccount, sts:ExternalId, …
	Context policy.Context
}

// EvaluateTrust decides by the role's trust policy (and, for a caller that it names only by its
// account, the caller's own policies). The decision is the first action's that is refused, or the
// last one's. A missing role is an implicit denial. The decision is noted in the journal's call of ctx.
func (a *Account) EvaluateTrust(ctx context.Context, trust Trust) policy.Decision {
	return policy.Decision{}
}

// SessionInput asks for temporary credentials of a role. Whoever asks has decided that they may be given.
type SessionInput struct {
	RoleARN string
	// SessionName has 2 to 64 characters of [\w+=,.@-].
	SessionName string
	// Duration is at least 15 minutes and at most 12 hours, for a service principal's session too.
	Duration time.Duration
	// Tags are the session tags: at most 50, keys up to 128, values up to 256 characters.
	Tags map[string]string
	// TransitiveTags are keys of Tags (or of the caller's transitive tags) that chaining keeps.
	TransitiveTags []string
	// Policies limit the session; their texts together have at most 2048 characters.
	Policies []policy.Named
}

// Session is a role session that was just made.
type Session struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expiration                                 time.Time
	// ARN is arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, ID is ROLEID:SESSION.
	ARN, ID string
}

// IssueSession makes temporary credentials of a role. It fails with ErrNoSuchRole or with an error
// that says which input is out of bounds.
func (a *Account) IssueSession(ctx context.Context, input SessionInput) (Session, error) {
	return Session{}, ErrNoSuchRole
}

// Handler serves the IAM Query API (version 2010-05-08) for callers from the context.
func (a *Account) Handler() http.Handler { return http.NotFoundHandler() }
