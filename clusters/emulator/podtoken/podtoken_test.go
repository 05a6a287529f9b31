package podtoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const issuer = "https://kubernetes.default.svc.cluster.local"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// keys of a test: the cluster's RSA and EC keys, and one that is not the cluster's.
type keys struct {
	rsa, stranger *rsa.PrivateKey
	ec            *ecdsa.PrivateKey
	jwks          []byte
}

func newKeys(t testing.TB) keys {
	t.Helper()
	var k keys
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if k.stranger, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	k.jwks = marshalSet(t,
		jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "rsa", Algorithm: "RS256", Use: "sig"},
		jose.JSONWebKey{Key: k.ec.Public(), KeyID: "ec", Use: "sig"})
	return k
}

func marshalSet(t testing.TB, set ...jose.JSONWebKey) []byte {
	t.Helper()
	data, err := json.Marshal(jose.JSONWebKeySet{Keys: set})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// goodClaims are those that a kube-apiserver writes for a projected token.
func goodClaims() map[string]any {
	return map[string]any{
		"iss": issuer, "sub": "system:serviceaccount:default:aws-cli", "aud": []string{Audience},
		"exp": now.Add(24 * time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix(), "jti": "f0e1",
		"kubernetes.io": map[string]any{
			"namespace": "default", "node": map[string]any{"name": "node-1", "uid": "n1"},
			"pod":            map[string]any{"name": "web-0", "uid": "p1"},
			"serviceaccount": map[string]any{"name": "aws-cli", "uid": "s1"}, "warnafter": now.Unix(),
		},
	}
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func encode(t testing.TB, claims map[string]any) []byte {
	t.Helper()
	data, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestVerify(t *testing.T) {
	k := newKeys(t)
	v, err := NewVerifier(issuer, k.jwks)
	if err != nil {
		t.Fatal(err)
	}
	with := func(changes map[string]any) []byte {
		c := goodClaims()
		maps.Copy(c, changes)
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
		return encode(t, c)
	}
	private := func(remove string) map[string]any {
		c := maps.Clone(goodClaims()["kubernetes.io"].(map[string]any))
		delete(c, remove)
		return map[string]any{"kubernetes.io": c}
	}
	b64 := base64.RawURLEncoding.EncodeToString
	good := sign(t, jose.RS256, k.rsa, "rsa", with(nil))
	parts := strings.Split(good, ".")
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: mustDER(t, k.rsa.Public())})

	// Rows are the checks of AUT-08, AUT-09 and the attacks of RFC 8725 (JWT best practices).
	tests := []struct{ name, token, reason string }{
		{"RS256", good, ""},
		{"ES256", sign(t, jose.ES256, k.ec, "ec", with(nil)), ""},
		{"audience as a string", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"aud": Audience})), ""},
		{"last moment", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"exp": now.Unix() + 1})), ""},

		{"empty", "", "compact form"},
		{"two parts", "a.b", "compact form"},
		{"JSON serialization", `{"payload":"` + parts[1] + `"}`, "compact form"},
		{"Bearer prefix", "Bearer " + good, "compact form"},
		{"oversize", strings.Repeat("a", maxTokenBytes) + ".b.c", "longer than"},
		{"garbage of the right shape", "aaaa.bbbb.cccc", "not a JSON Web Token"},
		{"alg none with a signature", b64([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + "." + parts[2], "not a JSON Web Token"},
		{"HMAC keyed with the public key", sign(t, jose.HS256, publicPEM, "rsa", with(nil)), "not a JSON Web Token"},
		{"algorithm of another key", sign(t, jose.RS384, k.rsa, "rsa", with(nil)), "not a JSON Web Token"},
		{"EC algorithm under an RSA key's ID", sign(t, jose.ES256, k.ec, "rsa", with(nil)), "algorithm is not that of its key"},
		{"RSA algorithm under an EC key's ID", sign(t, jose.RS256, k.rsa, "ec", with(nil)), "signature"},
		{"stranger's key under a known ID", sign(t, jose.RS256, k.stranger, "rsa", with(nil)), "signature"},
		{"unknown key ID", sign(t, jose.RS256, k.stranger, "other", with(nil)), "not signed by a key of the cluster"},
		{"no key ID", sign(t, jose.RS256, k.rsa, "", with(nil)), "not signed by a key of the cluster"},
		{"payload exchanged", parts[0] + "." + b64(with(map[string]any{"sub": "system:serviceaccount:kube-system:admin"})) + "." + parts[2], "signature"},
		{"payload is not an object", sign(t, jose.RS256, k.rsa, "rsa", []byte(`"x"`)), "claims"},
		{"claim twice", sign(t, jose.RS256, k.rsa, "rsa", []byte(`{"iss":"a","iss":"`+issuer+`"}`)), "claims"},

		{"other issuer", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"iss": issuer + "/"})), "issuer"},
		{"audience of IRSA", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"aud": []string{"sts.amazonaws.com"}})), "audience"},
		{"no audience", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"aud": nil})), "audience"},
		{"no expiry", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"exp": nil})), "no expiration"},
		{"not yet", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"nbf": now.Unix() + 1})), "not valid yet"},
		{"issued in the future", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"iat": now.Unix() + 60})), "future"},
		{"not bound to a pod", sign(t, jose.RS256, k.rsa, "rsa", with(private("pod"))), "not bound to a pod"},
		{"no service account", sign(t, jose.RS256, k.rsa, "rsa", with(private("serviceaccount"))), "no kubernetes.io claim"},
		{"no private claims", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"kubernetes.io": nil})), "no kubernetes.io claim"},
		{"subject of another namespace", sign(t, jose.RS256, k.rsa, "rsa", with(map[string]any{"sub": "system:serviceaccount:hoge:aws-cli"})), "subject"},
	}
	want := Identity{Namespace: "default", ServiceAccount: "aws-cli", ServiceAccountUID: "s1", PodName: "web-0", PodUID: "p1"}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := v.Verify(test.token, now)
			if test.reason == "" {
				got.Expiry = time.Time{}
				if err != nil || got != want {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			refusal, ok := errors.AsType[*InvalidError](err)
			if !ok || !strings.Contains(refusal.Reason, test.reason) {
				t.Errorf("got %+v, %v; want a refusal with %q", got, err, test.reason)
			}
		})
	}

	t.Run("expired", func(t *testing.T) {
		_, err := v.Verify(good, now.Add(24*time.Hour))
		expired, ok := errors.AsType[*ExpiredError](err)
		if !ok {
			t.Fatalf("got %v", err)
		}
		if text := expired.Error(); text != "current date/time 2026-03-02T12:00:00Z must be before the expiration date/time 2026-03-02T12:00:00Z" {
			t.Errorf("text %q", text)
		}
	})
}

func mustDER(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestNewVerifierRefuses(t *testing.T) {
	k := newKeys(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	public := func(kid string) jose.JSONWebKey { return jose.JSONWebKey{Key: k.rsa.Public(), KeyID: kid} }
	tests := []struct {
		name   string
		issuer string
		jwks   []byte
		want   string
	}{
		{"no issuer", "", k.jwks, "issuer is empty"},
		{"not JSON", issuer, []byte("{"), "read key set"},
		{"no keys", issuer, []byte(`{"keys":[]}`), "no signing key"},
		{"symmetric key", issuer, marshalSet(t, jose.JSONWebKey{Key: []byte("secret secret secret"), KeyID: "a"}), "key"},
		{"private key", issuer, marshalSet(t, jose.JSONWebKey{Key: k.rsa, KeyID: "a"}), "key"},
		{"short RSA key", issuer, marshalSet(t, jose.JSONWebKey{Key: small.Public(), KeyID: "a"}), "1024 bits"},
		{"no key ID", issuer, marshalSet(t, public("")), "kid"},
		{"key ID twice", issuer, marshalSet(t, public("a"), public("a")), "twice"},
		{"encryption key only", issuer, marshalSet(t, jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "a", Use: "enc"}), "no signing key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := NewVerifier(test.issuer, test.jwks); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	k := newKeys(f)
	v, err := NewVerifier(issuer, k.jwks)
	if err != nil {
		f.Fatal(err)
	}
	good := sign(f, jose.RS256, k.rsa, "rsa", encode(f, goodClaims()))
	for _, seed := range []string{"", "a.b.c", good, strings.ToUpper(good), "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.e30.AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		// The fuzzer does not have the key: only the token that it was given may pass. The last
		// character of a base64 text has unused bits, so compare what was signed.
		if _, err := v.Verify(token, now); err == nil && signedPart(token) != signedPart(good) {
			t.Errorf("accepted %q", token)
		}
	})
}

func signedPart(token string) string { return token[:max(strings.LastIndexByte(token, '.'), 0)] }

func BenchmarkVerify(b *testing.B) {
	k := newKeys(b)
	v, err := NewVerifier(issuer, k.jwks)
	if err != nil {
		b.Fatal(err)
	}
	for name, token := range map[string]string{
		"RS256": sign(b, jose.RS256, k.rsa, "rsa", encode(b, goodClaims())),
		"ES256": sign(b, jose.ES256, k.ec, "ec", encode(b, goodClaims())),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(token, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzNewVerifier(f *testing.F) {
	k := newKeys(f)
	for _, seed := range [][]byte{k.jwks, nil, []byte(`{}`), []byte(`{"keys":[{"kty":"oct","k":"AA","kid":"a"}]}`), []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a"}]}`)} {
		f.Add(seed)
	}
	forged := sign(f, jose.HS256, []byte("a key of the fuzzer's, of 32 bytes"), "rsa", encode(f, goodClaims()))
	f.Fuzz(func(t *testing.T, jwks []byte) {
		v, err := NewVerifier(issuer, jwks)
		if err != nil {
			return
		}
		if len(v.keys) == 0 {
			t.Error("a verifier without keys")
		}
		if _, err := v.Verify(forged, now); err == nil {
			t.Error("a symmetric signature was accepted")
		}
	})
}
