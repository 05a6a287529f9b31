// Package oidctest has a token issuer for tests: keys, key sets, claims and signed tokens. It can fail only by a mistake of
// the test, so it panics.
package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// RSA makes a key of 2048 bits.
func RSA() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

// EC makes a key on a curve.
func EC(curve elliptic.Curve) *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(curve, rand.Reader)) }

// KeySet is the JSON Web Key Set (RFC 7517) of keys.
func KeySet(keys ...jose.JSONWebKey) []byte { return Encode(jose.JSONWebKeySet{Keys: keys}) }

// Encode returns a value in JSON.
func Encode(v any) []byte { return must(json.Marshal(v)) }

// Sign makes a token in the compact form (RFC 7515), signed with a key under an ID. claims are encoded, unless they are
// bytes.
func Sign(algorithm jose.SignatureAlgorithm, key any, id string, claims any) string {
	return Compact(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil, claims)
}

// Compact is Sign with header parameters that the test chooses.
func Compact(key jose.SigningKey, options *jose.SignerOptions, claims any) string {
	payload, encoded := claims.([]byte)
	if !encoded {
		payload = Encode(claims)
	}
	return must(must(must(jose.NewSigner(key, options)).Sign(payload)).CompactSerialize())
}

// Issuer signs with one RSA or P-256 key, as an API server does.
type Issuer struct{ Key crypto.Signer }

// keyID is the ID of an Issuer's key.
const keyID = "a"

// KeySet is the key set with the issuer's key.
func (i Issuer) KeySet() []byte { return KeySet(jose.JSONWebKey{Key: i.Key.Public(), KeyID: keyID}) }

// Token signs claims with RS256 or ES256.
func (i Issuer) Token(claims any) string {
	algorithm := jose.ES256
	if _, ok := i.Key.(*rsa.PrivateKey); ok {
		algorithm = jose.RS256
	}
	return Sign(algorithm, i.Key, keyID, claims)
}

// Pod is a pod that a kube-apiserver projects a token into.
type Pod struct{ Issuer, Audience, Namespace, ServiceAccount, Name string }

// Claims are those of a token that is valid for 24 hours from issued on, with changes. nil removes a claim. The UID of an
// object is "uid-of-" and its name.
func (p Pod) Claims(issued time.Time, changes map[string]any) map[string]any {
	object := func(name string) map[string]any { return map[string]any{"name": name, "uid": "uid-of-" + name} }
	claims := map[string]any{
		"iss": p.Issuer, "sub": "system:serviceaccount:" + p.Namespace + ":" + p.ServiceAccount, "aud": []string{p.Audience},
		"exp": issued.Add(24 * time.Hour).Unix(), "nbf": issued.Unix(), "iat": issued.Unix(), "jti": "f0e1",
		"kubernetes.io": map[string]any{
			"namespace": p.Namespace, "node": object("node-1"), "pod": object(p.Name), "serviceaccount": object(p.ServiceAccount), "warnafter": issued.Unix(),
		},
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
