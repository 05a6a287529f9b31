package oidc

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

// testKeys are an issuer's keys, and one key of another issuer.
type testKeys struct {
	rsa, stranger    *rsa.PrivateKey
	p256, p384, p521 *ecdsa.PrivateKey
	jwks             []byte
}

func newKeys() testKeys {
	k := testKeys{rsa: oidctest.RSA(), stranger: oidctest.RSA(), p256: oidctest.EC(elliptic.P256()), p384: oidctest.EC(elliptic.P384()), p521: oidctest.EC(elliptic.P521())}
	k.jwks = oidctest.KeySet(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "rsa", Use: "sig"},
		jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "only-256", Algorithm: "RS256"},
		jose.JSONWebKey{Key: k.p256.Public(), KeyID: "p256"},
		jose.JSONWebKey{Key: k.p384.Public(), KeyID: "p384"},
		jose.JSONWebKey{Key: k.p521.Public(), KeyID: "../p521"})
	return k
}

func (k testKeys) parse(t testing.TB) *Keys {
	t.Helper()
	keys, err := ParseKeys(k.jwks)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Rows with a section are of RFC 7517 (JSON Web Key).
func TestParseKeys(t *testing.T) {
	k := newKeys()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := func(id string) jose.JSONWebKey { return jose.JSONWebKey{Key: k.rsa.Public(), KeyID: id} }
	var many []jose.JSONWebKey
	for n := range maxKeys + 1 {
		many = append(many, public(fmt.Sprint(n)))
	}
	good := string(oidctest.KeySet(public("a")))
	tests := []struct {
		name, jwks string
		algorithms []string
		want       string
	}{
		{"one key", good, nil, ""},
		{"unknown member (5)", strings.Replace(good, `{"keys"`, `{"x":1,"keys"`, 1), nil, ""},
		{"Edwards key beside (5)", string(oidctest.KeySet(public("a"), jose.JSONWebKey{Key: edwards, KeyID: "e"})), nil, ""},
		{"unknown key type beside (5)", strings.Replace(good, `[`, `[{"kty":"new","kid":"n"},`, 1), nil, ""},
		{"encryption key beside (4.2)", string(oidctest.KeySet(public("a"), jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "b", Use: "enc"})), nil, ""},
		{"not JSON", "{", nil, "read key set"},
		{"nothing", "", nil, "read key set"},
		{"an array", "[]", nil, "read key set"},
		{"keys twice", `{"keys":[],"keys":[]}`, nil, "read key set"},
		{"too large", `{"keys":[],"x":"` + strings.Repeat("x", maxJWKS) + `"}`, nil, "larger than"},
		{"no keys", `{"keys":[]}`, nil, "no signing key"},
		{"only an Edwards key", string(oidctest.KeySet(jose.JSONWebKey{Key: edwards, KeyID: "e"})), nil, "no signing key"},
		{"only an encryption key", string(oidctest.KeySet(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "a", Use: "enc"})), nil, "no signing key"},
		{"key of another algorithm", string(oidctest.KeySet(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "a", Algorithm: "PS256"})), nil, "no signing key"},
		{"key for an algorithm that is not taken", good, []string{"ES256"}, "no signing key"},
		{"algorithm none asked for", good, []string{"none"}, "not supported"},
		{"symmetric key", `{"keys":[{"kty":"oct","k":"c2VjcmV0IHNlY3JldCBzZWNyZXQ","kid":"a"}]}`, nil, "not a public"},
		{"private key (9.2)", string(oidctest.KeySet(jose.JSONWebKey{Key: k.rsa, KeyID: "a"})), nil, "not a public"},
		{"short RSA key", string(oidctest.KeySet(jose.JSONWebKey{Key: small.Public(), KeyID: "a"})), nil, "1024 bits"},
		{"exponent of one", `{"keys":[{"kty":"RSA","n":"` + strings.Repeat("_", 344) + `","e":"AQ","kid":"a"}]}`, nil, "key 0"},
		{"point off the curve", `{"keys":[{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 42) + `A","y":"` + strings.Repeat("A", 42) + `A","kid":"a"}]}`, nil, "key 0"},
		{"no key ID", string(oidctest.KeySet(public(""))), nil, "kid"},
		{"key ID twice (4.5)", string(oidctest.KeySet(public("a"), public("a"))), nil, "twice"},
		{"more keys than IAM takes", string(oidctest.KeySet(many...)), nil, "more than 100"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			keys, err := ParseKeys([]byte(test.jwks), test.algorithms...)
			if test.want == "" {
				if err != nil || len(keys.byID) != 1 {
					t.Errorf("got %v, %v; want one key", keys, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// FuzzParseKeys checks that no key set makes a symmetric signature valid.
func FuzzParseKeys(f *testing.F) {
	k := newKeys()
	for _, seed := range [][]byte{k.jwks, nil, []byte(`{}`), []byte(`{"keys":[{"kty":"oct","k":"AA","kid":"a"}]}`), []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a"}]}`), []byte(`{"keys":[{"kty":"RSA","n":"AA","e":"AQAB","kid":"a","x5u":"http://127.0.0.1/"}]}`)} {
		f.Add(seed)
	}
	forged := signHS256([]byte("a key of the fuzzer's, of 32 bytes"), oidctest.Encode(goodClaims()))
	f.Fuzz(func(t *testing.T, jwks []byte) {
		keys, err := ParseKeys(jwks)
		if err != nil {
			return
		}
		if len(keys.byID) == 0 {
			t.Error("a set without keys")
		}
		if _, err := keys.Open(forged); err == nil {
			t.Error("a symmetric signature was accepted")
		}
	})
}
