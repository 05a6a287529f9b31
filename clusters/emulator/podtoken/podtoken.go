// Package podtoken verifies projected service account tokens as EKS Auth does. A token must be signed by a key of the
// cluster, issued by the cluster, for audience pods.eks.amazonaws.com, valid now, and bound to a pod
// (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html).
package podtoken

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/oidc"
)

// Audience is the only audience that EKS Pod Identity accepts.
const Audience = "pods.eks.amazonaws.com"

const maxTokenBytes = 16 << 10

// algorithms are those with which Kubernetes signs service account tokens (KEP-740 names the same four for external
// signers). Neither "none" nor a symmetric algorithm is among them.
func algorithms() []string { return []string{"RS256", "ES256", "ES384", "ES512"} }

// Identity is the pod of a verified token.
type Identity struct {
	Namespace, ServiceAccount, ServiceAccountUID, PodName, PodUID string
	// JTI is the token's own identifier; "" if it has none.
	JTI string
	// Expiry of the token.
	Expiry time.Time
}

// ExpiredError says that a token has expired and is otherwise valid.
type ExpiredError = oidc.ExpiredError

// InvalidError says why a token is refused, without quoting any of it.
type InvalidError = oidc.InvalidError

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}

// Verifier verifies the tokens of one cluster. It is immutable and safe for concurrent use.
type Verifier struct {
	issuer string
	keys   *oidc.Keys
}

// NewVerifier returns a verifier for the cluster's issuer and its JSON Web Key Set (RFC 7517), as the API server serves it
// under /openid/v1/jwks. See oidc.ParseKeys for the keys that it may have.
func NewVerifier(issuer string, jwks []byte) (*Verifier, error) {
	if issuer == "" {
		return nil, errors.New("read key set: issuer is empty")
	}
	keys, err := oidc.ParseKeys(jwks, algorithms()...)
	if err != nil {
		return nil, fmt.Errorf("issuer %s: %w", issuer, err)
	}
	return &Verifier{issuer: issuer, keys: keys}, nil
}

// Verify returns the pod of a token. It fails with an *ExpiredError if the token has expired and is otherwise valid, and
// otherwise with an *InvalidError. It checks the signature before any claim, so that the sender of a forged token learns
// nothing about the claims.
func (v *Verifier) Verify(token string, now time.Time) (Identity, error) {
	if len(token) > maxTokenBytes {
		return Identity{}, invalid("the token is longer than %d bytes", maxTokenBytes)
	}
	claims, err := v.keys.Open(token)
	if err != nil {
		return Identity{}, err
	}
	switch {
	case claims.Issuer != v.issuer:
		return Identity{}, invalid("the issuer of the token is not the cluster's")
	case !slices.Contains(claims.Audience, Audience):
		return Identity{}, invalid("the audience of the token is not %s", Audience)
	}
	identity, err := identify(&claims)
	if err != nil {
		return Identity{}, err
	}
	if err := claims.CheckTime(now, 0); err != nil {
		return Identity{}, err
	}
	return identity, nil
}

// identify reads the private claims and compares them with the subject.
func identify(c *oidc.Claims) (Identity, error) {
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
		PodName: k.Pod.Name, PodUID: k.Pod.UID, JTI: c.JTI, Expiry: c.Expiry,
	}, nil
}
