package oidc

import (
	"time"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Claims are what a verified token says (RFC 7519, section 4.1; OpenID Connect Core 1.0, section 2).
type Claims struct {
	Issuer, Subject string
	Audience        []string
	// AuthorizedParty is the claim azp; "" if there is none.
	AuthorizedParty string
	// Expiry, NotBefore and IssuedAt in whole seconds; zero if the token lacks them.
	Expiry, NotBefore, IssuedAt time.Time
	// JTI is the token's own identifier; "" if it has none.
	JTI string
	// Kubernetes is the claim kubernetes.io; empty in tokens of other issuers.
	Kubernetes Kubernetes

	payload []byte
}

// Kubernetes is what an API server says of a service account token
// (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#schema-for-service-account-private-claims).
type Kubernetes struct {
	Namespace      string `json:"namespace"`
	ServiceAccount Object `json:"serviceaccount"`
	// Pod that the token is bound to; empty if it is bound to none.
	Pod Object `json:"pod"`
}

// Object of the Kubernetes API.
type Object struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// Decode reads further claims, such as https://aws.amazon.com/tags, into v as encoding/json would,
// but names must match in case and occur once.
func (c *Claims) Decode(v any) error {
	return json.Unmarshal(c.payload, v)
}

// CheckTime refuses a token before its time or after it. leeway is how long after its expiry a token
// is still taken: IAM gives OIDC tokens five minutes
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html). It fails with an
// *ExpiredError, or with an *InvalidError if the token has no expiry or comes from the future.
func (c *Claims) CheckTime(now time.Time, leeway time.Duration) error {
	switch {
	case c.Expiry.IsZero():
		return invalid("the token has no expiration time")
	case now.Before(c.NotBefore):
		return invalid("the token is not valid yet")
	case now.Before(c.IssuedAt):
		return invalid("the token was issued in the future")
	case !now.Before(c.Expiry.Add(leeway)):
		return &ExpiredError{Now: now, Expiry: c.Expiry}
	}
	return nil
}

// wireClaims is the form of Claims in a token.
type wireClaims struct {
	Issuer          string           `json:"iss"`
	Subject         string           `json:"sub"`
	Audience        jwt.Audience     `json:"aud"`
	AuthorizedParty string           `json:"azp"`
	Expiry          *jwt.NumericDate `json:"exp"`
	NotBefore       *jwt.NumericDate `json:"nbf"`
	IssuedAt        *jwt.NumericDate `json:"iat"`
	JTI             string           `json:"jti"`
	Kubernetes      Kubernetes       `json:"kubernetes.io"`
}

func (w *wireClaims) claims(payload []byte) Claims {
	return Claims{
		Issuer: w.Issuer, Subject: w.Subject, Audience: w.Audience, AuthorizedParty: w.AuthorizedParty,
		Expiry: w.Expiry.Time(), NotBefore: w.NotBefore.Time(), IssuedAt: w.IssuedAt.Time(),
		JTI: w.JTI, Kubernetes: w.Kubernetes, payload: payload,
	}
}
