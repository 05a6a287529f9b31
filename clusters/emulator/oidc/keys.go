// Package oidc verifies JSON Web Tokens (RFC 7519) of OpenID Connect issuers, of which a Kubernetes API server is one,
// against keys that it is given. It fetches nothing. It never uses a token's own statement about its key: neither a place
// of the key (jku, x5u) nor a key in the token (jwk, x5c).
package oidc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	// maxKeys is the largest number of keys of each kind
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html).
	maxKeys    = 100
	maxJWKS    = 1 << 20
	minRSABits = 2048
)

// Keys are the public keys of one issuer. They are immutable and safe for concurrent use.
type Keys struct {
	byID map[string]key
}

// key is a public key and the algorithms that it may verify.
type key struct {
	public     any // *rsa.PublicKey or *ecdsa.PublicKey
	algorithms []string
}

// ParseKeys reads a JSON Web Key Set (RFC 7517), such as the one that an API server serves under /openid/v1/jwks. It is for
// tokens that are signed with one of algorithms. No algorithms stand for the six that IAM accepts of OIDC providers: RS256,
// RS384, RS512, ES256, ES384 and ES512. Keys must be public RSA (2048 to 4096 bits) or ECDSA keys (P-256, P-384, P-521),
// each with a key ID. Keys for another use than signing, or for another algorithm, are left out. At least one key must
// remain.
func ParseKeys(jwks []byte, algorithms ...string) (*Keys, error) {
	if len(algorithms) == 0 {
		algorithms = supported()
	}
	for _, name := range algorithms {
		if _, known := methods[name]; !known {
			return nil, fmt.Errorf("read key set: algorithm %q is not supported", name)
		}
	}
	if len(jwks) > maxJWKS {
		return nil, fmt.Errorf("read key set: larger than %d bytes", maxJWKS)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	k := &Keys{byID: make(map[string]key, len(set.Keys))}
	count := map[string]int{}
	for n, raw := range set.Keys {
		id, found, err := readKey(raw, algorithms)
		if err != nil {
			return nil, fmt.Errorf("read key set: key %d: %w", n, err)
		}
		if found.public == nil {
			continue
		}
		if _, twice := k.byID[id]; twice {
			return nil, fmt.Errorf("read key set: key %d: key ID %q occurs twice", n, id)
		}
		kind := fmt.Sprintf("%T", found.public)
		if count[kind]++; count[kind] > maxKeys {
			return nil, fmt.Errorf("read key set: more than %d keys of type %s", maxKeys, kind)
		}
		k.byID[id] = found
	}
	if len(k.byID) == 0 {
		return nil, errors.New("read key set: no signing key in it")
	}
	return k, nil
}

// readKey reads one key. Its public part is nil if the key is not for verifying such tokens.
func readKey(raw json.RawMessage, algorithms []string) (id string, found key, err error) {
	var jwk jose.JSONWebKey
	err = jwk.UnmarshalJSON(raw)
	switch {
	case errors.Is(err, jose.ErrUnsupportedKeyType):
		// RFC 7517, section 5: keys that are not understood should be ignored.
		return "", key{}, nil
	case err != nil:
		return "", key{}, err
	case jwk.Use != "" && jwk.Use != "sig":
		return "", key{}, nil
	}
	var fits func(method) bool
	switch public := jwk.Key.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits {
			return "", key{}, fmt.Errorf("RSA key of %d bits, need %d", bits, minRSABits)
		}
		fits = func(m method) bool { return m.curve == nil }
	case *ecdsa.PublicKey:
		// go-jose has checked that the point lies on the curve.
		fits = func(m method) bool { return m.curve == public.Curve }
	default:
		if !jwk.IsPublic() {
			// A key set with a private key must not be published, so the operator has to learn of it.
			return "", key{}, fmt.Errorf("%T is not a public RSA or ECDSA key", jwk.Key)
		}
		return "", key{}, nil
	}
	if jwk.KeyID == "" {
		return "", key{}, errors.New("key ID (kid) is empty")
	}
	found.public = jwk.Key
	for _, name := range algorithms {
		if fits(methods[name]) && (jwk.Algorithm == "" || jwk.Algorithm == name) {
			found.algorithms = append(found.algorithms, name)
		}
	}
	if len(found.algorithms) == 0 {
		return "", key{}, nil
	}
	found.algorithms = slices.Clip(found.algorithms)
	return jwk.KeyID, found, nil
}
