package oidc

import (
	"time"

	"github.com/go-json-experiment/json"
)

// Claims are the content of a verified token (RFC 7519, section 4.1; OpenID Connect Core 1.0, section 2).
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

// Kubernetes has an API server's private claims of a service account token
// (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#schema-for-service-account-private-claims).
type Kubernetes struct {
	Namespace      string `json:"namespace"`
	ServiceAccount Object `json:"serviceaccount"`
	// Pod is the pod that the token is bound to; empty if it is bound to none.
	Pod Object `json:"pod"`
}

// Object names an object of the Kubernetes API.
type Object struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// Decode reads further claims, such as https://aws.amazon.com/tags, into v as encoding/json does. Unlike there, names must
// match in case.
func (c *Claims) Decode(v any) error {
	return json.Unmarshal(c.payload, v)
}

// CheckTime refuses a token before its begin or after its end. leeway is how long after its expiry a token is still
// accepted: IAM gives OIDC tokens five minutes
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html). It fails with an *ExpiredError, or with
// an *InvalidError if the token has no expiry or comes from the future.
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
	Issuer          string     `json:"iss"`
	Subject         string     `json:"sub"`
	Audience        any        `json:"aud"`
	AuthorizedParty string     `json:"azp"`
	Expiry          *float64   `json:"exp"`
	NotBefore       *float64   `json:"nbf"`
	IssuedAt        *float64   `json:"iat"`
	JTI             string     `json:"jti"`
	Kubernetes      Kubernetes `json:"kubernetes.io"`
}

func (w *wireClaims) claims(payload []byte) (claims Claims, ok bool) {
	claims = Claims{
		Issuer: w.Issuer, Subject: w.Subject, AuthorizedParty: w.AuthorizedParty,
		JTI: w.JTI, Kubernetes: w.Kubernetes, payload: payload,
	}
	for _, date := range []struct {
		to   *time.Time
		from *float64
	}{{&claims.Expiry, w.Expiry}, {&claims.NotBefore, w.NotBefore}, {&claims.IssuedAt, w.IssuedAt}} {
		if *date.to, ok = numericDate(date.from); !ok {
			return Claims{}, false
		}
	}
	claims.Audience, ok = audience(w.Audience)
	return claims, ok
}

// numericDate is in seconds since 1970. Fractions do not count. A number that would overflow time.Time is no date.
func numericDate(seconds *float64) (at time.Time, ok bool) {
	const limit = 1 << 62
	switch {
	case seconds == nil:
		return time.Time{}, true
	case *seconds >= limit || *seconds <= -limit:
		return time.Time{}, false
	}
	return time.Unix(int64(*seconds), 0), true
}

// audience is one string or a list of them.
func audience(claim any) (list []string, ok bool) {
	switch claim := claim.(type) {
	case nil:
		return nil, true
	case string:
		return []string{claim}, true
	case []any:
		for _, one := range claim {
			text, ok := one.(string)
			if !ok {
				return nil, false
			}
			list = append(list, text)
		}
		return list, true
	}
	return nil, false
}
