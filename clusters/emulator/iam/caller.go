package iam

import (
	"context"
	"slices"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// Caller is the verified sender of a request, as every service handler finds it in the context.
type Caller struct {
	Principal   Principal
	AccessKeyID string
	// SessionToken came with temporary credentials; empty for a user's access key.
	SessionToken string
	Environment
	// Time of the request, by the emulator's clock.
	Time time.Time
	// Via are the service principals that pass the request on with the caller's credentials, the first one
	// first; empty for the caller's own requests.
	Via []string
}

// Through is the caller of the requests that a service makes with the caller's credentials
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html). The address stays
// the caller's.
func (c *Caller) Through(service string) *Caller {
	through := *c
	through.Via = append(slices.Clip(c.Via), service)
	through.SecureTransport, through.UserAgent, through.Referer = true, service, ""
	return &through
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

type environmentKey struct{}

// WithEnvironment returns a context that carries the environment of an unsigned request to the service
// handlers; a signed one's is the caller's.
func WithEnvironment(ctx context.Context, environment *Environment) context.Context {
	return context.WithValue(ctx, environmentKey{}, environment)
}

// EnvironmentFrom returns the environment of an unsigned request; a zero one if there is none.
func EnvironmentFrom(ctx context.Context) *Environment {
	if environment, ok := ctx.Value(environmentKey{}).(*Environment); ok {
		return environment
	}
	return &Environment{}
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
	// Keys are the condition keys that the session keeps of how it was made. They must not be changed.
	Keys policy.Context
}
