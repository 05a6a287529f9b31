package iam

import (
	"context"
	"net/netip"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// Caller is the verified sender of a request, as every service handler finds it in the context.
type Caller struct {
	Principal   Principal
	AccessKeyID string
	// SourceIP is the peer's address; the zero Addr if it is not known.
	SourceIP netip.Addr
	// SecureTransport says that the request came over TLS.
	SecureTransport bool
	UserAgent       string
	// Time of the request, by the emulator's clock.
	Time time.Time
	// Region of the credential scope.
	Region string
}

type callerKey struct{}

// WithCaller returns a context that carries caller to the service handlers.
func WithCaller(ctx context.Context, caller *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerFrom returns the caller of this request; nil for an unsigned one.
func CallerFrom(ctx context.Context) *Caller {
	caller, _ := ctx.Value(callerKey{}).(*Caller)
	return caller
}

// PrincipalType as the condition key aws:PrincipalType spells it.
type PrincipalType string

// The types of principal.
const (
	UserPrincipal        PrincipalType = "User"
	AssumedRolePrincipal PrincipalType = "AssumedRole"
)

// Principal is who an access key belongs to.
type Principal struct {
	Type      PrincipalType
	AccountID string
	// ARN of the user, or of the role session: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
	ARN string
	// UserID is the user's unique ID, or ROLEID:SESSION.
	UserID string
	// RoleARN, RoleID and SessionName are set for a role session.
	RoleARN, RoleID, SessionName string
	// UserName is set for a user.
	UserName string
	// Tags of the principal: the user's or role's tags, overridden by the session's.
	// They must not be changed.
	Tags map[string]string
	// SessionTags are those of Tags that were passed when the session was made.
	SessionTags map[string]string
	// TransitiveTags are the keys of the session tags that a further AssumeRole inherits.
	TransitiveTags []string
	// Issued is when the session was made; zero for a user.
	Issued time.Time
	// Session holds the policies passed when the session was made.
	Session []policy.Named
	// SourceIdentity of the session; empty if none was set.
	SourceIdentity string
	// Provider is the ARN of the OIDC provider that vouched for the session; empty otherwise.
	Provider string
}
