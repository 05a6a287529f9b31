package iam

import (
	"context"
	"slices"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// Caller is the verified sender of a request. Every service handler finds it in the context.
type Caller struct {
	Principal   Principal
	AccessKeyID string
	// SessionToken is the token of temporary credentials; empty for a user's access key.
	SessionToken string
	Environment
	// Time of the request, by the emulator's clock.
	Time time.Time
	// Via are the service principals that pass the request on with the caller's credentials, in order. It is empty for the
	// caller's own requests.
	Via []string
}

// Through returns the caller of requests that a service makes with the caller's credentials
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html). The source address stays that of
// the caller.
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

// WithEnvironment returns a context that carries the environment of an unsigned request to the service handlers. A signed
// request has it in the caller.
func WithEnvironment(ctx context.Context, environment *Environment) context.Context {
	return context.WithValue(ctx, environmentKey{}, environment)
}

// EnvironmentFrom returns the environment of an unsigned request; a zero value if there is none.
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

// Principal is the owner of an access key.
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
	// SessionTags are those of Tags that were passed when the session was created.
	SessionTags map[string]string
	// TransitiveTags are the keys of the session tags that a further AssumeRole inherits.
	TransitiveTags []string
	// Issued is the time when the session was created; zero for a user.
	Issued time.Time
	// Session has the policies that were passed when the session was created.
	Session []policy.Named
	// SourceIdentity of the session; empty if none was set.
	SourceIdentity string
	// Provider is the ARN of the OIDC provider that authenticated the session; empty otherwise.
	Provider string
	// Keys are condition keys about the creation of the session, which the session keeps. They must not be changed.
	Keys policy.Context
}
