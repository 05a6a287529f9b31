// Package podtoken verifies projected service account tokens as EKS Auth does: signed by a key of
// the cluster, issued by the cluster, for audience pods.eks.amazonaws.com, in their time, and bound
// to a pod (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html).
package podtoken

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Audience is the one audience that EKS Pod Identity takes.
const Audience = "pods.eks.amazonaws.com"

const (
	maxTokenBytes = 16 << 10
	maxKeys       = 64
	minRSABits    = 2048
)

// algorithms are those that Kubernetes signs service account tokens with (KEP-740 names the same
// four for external signers). Neither "none" nor anything symmetric is among them.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384, jose.ES512}

// shape is the pattern of JwtToken in the EKS Auth API, padding included.
var shape = regexp.MustCompile(`^[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+$`)

// Identity is what a verified token says about its pod.
type Identity struct {
	Namespace, ServiceAccount, ServiceAccountUID, PodName, PodUID string
	// Expiry of the token.
	Expiry time.Time
}

// ExpiredError says that a token that is otherwise in order has expired.
type ExpiredError struct{ Now, Expiry time.Time }

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("current date/time %s must be before the expiration date/time %s",
		e.Now.UTC().Format(time.RFC3339Nano), e.Expiry.UTC().Format(time.RFC3339))
}

// InvalidError says why a token is refused, without repeating any of it.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}

// Verifier verifies the tokens of one cluster. It is immutable and safe for concurrent use.
type Verifier struct {
	issuer string
	keys   map[string]jose.JSONWebKey
}

// NewVerifier takes the cluster's issuer and its JSON Web Key Set (RFC 7517), as the API server
// serves it under /openid/v1/jwks. Keys must be public RSA (2048 bits or more) or ECDSA keys with
// a key ID each; keys for other uses than signing are left out.
func NewVerifier(issuer string, jwks []byte) (*Verifier, error) {
	if issuer == "" {
		return nil, errors.New("read key set: issuer is empty")
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, fmt.Errorf("read key set of %s: %w", issuer, err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("read key set of %s: %d keys, at most %d are taken", issuer, len(set.Keys), maxKeys)
	}
	v := &Verifier{issuer: issuer, keys: make(map[string]jose.JSONWebKey, len(set.Keys))}
	for n, key := range set.Keys {
		if key.Use != "" && key.Use != "sig" {
			continue
		}
		if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("read key set of %s: key %d: %w", issuer, n, err)
		}
		if _, twice := v.keys[key.KeyID]; twice {
			return nil, fmt.Errorf("read key set of %s: key %d: key ID %q occurs twice", issuer, n, key.KeyID)
		}
		v.keys[key.KeyID] = key
	}
	if len(v.keys) == 0 {
		return nil, fmt.Errorf("read key set of %s: no signing key in it", issuer)
	}
	return v, nil
}

func checkKey(key jose.JSONWebKey) error {
	if key.KeyID == "" {
		return errors.New("key ID (kid) is empty")
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits {
			return fmt.Errorf("RSA key of %d bits, need %d", bits, minRSABits)
		}
	case *ecdsa.PublicKey:
		// go-jose has checked the curve and that the point lies on it.
	default:
		return fmt.Errorf("%T is not a public RSA or ECDSA key", key.Key)
	}
	return nil
}

// claims of a bound service account token (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#schema-for-service-account-private-claims).
type claims struct {
	Issuer     string           `json:"iss"`
	Subject    string           `json:"sub"`
	Audience   jwt.Audience     `json:"aud"`
	Expiry     *jwt.NumericDate `json:"exp"`
	NotBefore  *jwt.NumericDate `json:"nbf"`
	IssuedAt   *jwt.NumericDate `json:"iat"`
	Kubernetes struct {
		Namespace      string `json:"namespace"`
		ServiceAccount object `json:"serviceaccount"`
		Pod            object `json:"pod"`
	} `json:"kubernetes.io"`
}

type object struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// Verify returns whose token it is. It fails with an *ExpiredError if the only fault is that
// its time is over, otherwise with an *InvalidError. The signature is checked before any claim, so
// that a forged token learns nothing about the others.
func (v *Verifier) Verify(token string, now time.Time) (Identity, error) {
	c, err := v.open(token)
	if err != nil {
		return Identity{}, err
	}
	switch {
	case c.Issuer != v.issuer:
		return Identity{}, invalid("the issuer of the token is not the cluster's")
	case !c.Audience.Contains(Audience):
		return Identity{}, invalid("the audience of the token is not %s", Audience)
	case c.Expiry == nil:
		return Identity{}, invalid("the token has no expiration time")
	case c.NotBefore != nil && now.Before(c.NotBefore.Time()):
		return Identity{}, invalid("the token is not valid yet")
	case c.IssuedAt != nil && now.Before(c.IssuedAt.Time()):
		return Identity{}, invalid("the token was issued in the future")
	}
	identity, err := c.identity()
	if err != nil {
		return Identity{}, err
	}
	if !now.Before(identity.Expiry) {
		return Identity{}, &ExpiredError{Now: now, Expiry: identity.Expiry}
	}
	return identity, nil
}

// open checks the form and the signature.
func (v *Verifier) open(token string) (*claims, error) {
	if len(token) > maxTokenBytes {
		return nil, invalid("the token is longer than %d bytes", maxTokenBytes)
	}
	if !shape.MatchString(token) {
		return nil, invalid("the token is not a signed JSON Web Token in compact form")
	}
	// The library's errors may quote the token, so none of them goes further.
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return nil, invalid("the token is not a JSON Web Token signed with one of %v", algorithms)
	}
	if len(parsed.Headers) != 1 {
		return nil, invalid("the token must have one signature")
	}
	header := parsed.Headers[0]
	key, known := v.keys[header.KeyID]
	if !known {
		return nil, invalid("the token is not signed by a key of the cluster")
	}
	if key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return nil, invalid("the token's algorithm is not that of its key")
	}
	var c claims
	if err := parsed.Claims(key.Key, &c); err != nil {
		return nil, invalid("the signature or the claims of the token are not valid")
	}
	return &c, nil
}

// identity reads the private claims and holds them against the subject.
func (c *claims) identity() (Identity, error) {
	k := c.Kubernetes
	if k.Namespace == "" || k.ServiceAccount.Name == "" {
		return Identity{}, invalid("the token has no kubernetes.io claim of a service account")
	}
	if k.Pod.Name == "" || k.Pod.UID == "" {
		return Identity{}, invalid("the token is not bound to a pod")
	}
	if c.Subject != strings.Join([]string{"system", "serviceaccount", k.Namespace, k.ServiceAccount.Name}, ":") {
		return Identity{}, invalid("the subject of the token is not its service account")
	}
	return Identity{
		Namespace: k.Namespace, ServiceAccount: k.ServiceAccount.Name, ServiceAccountUID: k.ServiceAccount.UID,
		PodName: k.Pod.Name, PodUID: k.Pod.UID, Expiry: c.Expiry.Time(),
	}, nil
}
