package oidc

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

const issuer = "https://oidc.eks.us-west-2.amazonaws.com/id/0123456789ABCDEF"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pod is the pod of the tokens.
var pod = oidctest.Pod{Issuer: issuer, Audience: "sts.amazonaws.com", Namespace: "default", ServiceAccount: "aws-cli", Name: "web-0"}

// goodClaims are those of a projected token for IRSA.
func goodClaims() map[string]any { return pod.Claims(now, nil) }

// with returns the good claims with changes; nil removes a claim.
func with(changes map[string]any) []byte { return oidctest.Encode(pod.Claims(now, changes)) }

// signHS256 signs with a shared secret under the ID of the RSA key.
func signHS256(secret, payload []byte) string {
	text := b64([]byte(`{"alg":"HS256","kid":"rsa"}`)) + "." + b64(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text)) // A hash's Write returns no error.
	return text + "." + b64(mac.Sum(nil))
}

var b64 = base64.RawURLEncoding.EncodeToString

// signES256 signs header and payload as they are.
func signES256(t testing.TB, key *ecdsa.PrivateKey, header string, payload []byte) string {
	t.Helper()
	text := b64([]byte(header)) + "." + b64(payload)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func TestClaims(t *testing.T) {
	k := newKeys()
	payload := with(map[string]any{"azp": "client", "https://aws.amazon.com/source_identity": "me"})
	claims, err := k.parse(t).Verify(oidctest.Sign(jose.RS256, k.rsa, "rsa", payload), now)
	if err != nil {
		t.Fatal(err)
	}
	var further struct {
		SourceIdentity string `json:"https://aws.amazon.com/source_identity"`
	}
	if err := claims.Decode(&further); err != nil || further.SourceIdentity != "me" {
		t.Errorf("decoded %+v, %v", further, err)
	}
	claims.payload = nil
	want := Claims{
		Issuer: issuer, Subject: "system:serviceaccount:default:aws-cli", Audience: []string{"sts.amazonaws.com"}, AuthorizedParty: "client", JTI: "f0e1",
		Expiry: time.Unix(now.Unix()+86400, 0), NotBefore: time.Unix(now.Unix(), 0), IssuedAt: time.Unix(now.Unix(), 0),
		Kubernetes: Kubernetes{Namespace: "default", ServiceAccount: Object{"aws-cli", "uid-of-aws-cli"}, Pod: Object{"web-0", "uid-of-web-0"}},
	}
	if !reflect.DeepEqual(claims, want) {
		t.Errorf("got %+v\nwant %+v", claims, want)
	}
}

// The security table. Sources: RFC 7515 (JWS), RFC 7518 (JWA), RFC 7519 (JWT), RFC 8725 (JWT best
// practices), the attacks of CVE-2015-9235 (key confusion) and CVE-2022-21449 (zero signature).
func TestVerify(t *testing.T) {
	k := newKeys()
	keys := k.parse(t)
	claims := with(nil)
	good := oidctest.Sign(jose.ES256, k.p256, "p256", claims)
	parts := strings.Split(good, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(k.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	der, err := ecdsa.SignASN1(rand.Reader, k.p256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	order := k.p256.Params().N
	resigned := func(r, s []byte) string { return parts[0] + "." + parts[1] + "." + b64(append(r, s...)) }
	header := func(text string) string { return signES256(t, k.p256, text, claims) }
	payload := func(text string) string {
		return signES256(t, k.p256, `{"alg":"ES256","kid":"p256"}`, []byte(text))
	}
	changed := func(name string, value any) string {
		return oidctest.Sign(jose.ES256, k.p256, "p256", with(map[string]any{name: value}))
	}
	ownKey := string(oidctest.Encode(jose.JSONWebKey{Key: k.stranger.Public(), KeyID: "rsa"}))
	strangers := func(extra string) string {
		signed := oidctest.Sign(jose.RS256, k.stranger, "rsa", claims)
		_, rest, _ := strings.Cut(signed, ".")
		return b64([]byte(`{"alg":"RS256","kid":"rsa",`+extra+`}`)) + "." + rest
	}

	tests := []struct{ name, token, reason string }{
		{"RS256", oidctest.Sign(jose.RS256, k.rsa, "rsa", claims), ""},
		{"RS384", oidctest.Sign(jose.RS384, k.rsa, "rsa", claims), ""},
		{"RS512", oidctest.Sign(jose.RS512, k.rsa, "rsa", claims), ""},
		{"ES256", good, ""},
		{"ES384", oidctest.Sign(jose.ES384, k.p384, "p384", claims), ""},
		{"ES512, and a key ID that looks like a path", oidctest.Sign(jose.ES512, k.p521, "../p521", claims), ""},
		{"header with type and more", header(`{"alg":"ES256","typ":"JWT","kid":"p256","x5t":"AA","cty":1}`), ""},

		// The compact form, RFC 7515, sections 3.1 and 7.1.
		{"empty", "", "compact form"},
		{"two parts", "a.b", "compact form"},
		{"no signature", parts[0] + "." + parts[1] + ".", "compact form"},
		{"trailing dot", good + ".", "compact form"},
		{"leading dot", "." + good, "compact form"},
		{"four parts", good + "." + parts[2], "compact form"},
		{"five parts, encrypted", "a.b.c.d.e", "compact form"},
		{"Bearer prefix", "Bearer " + good, "base64url"},
		{"leading space", " " + good, "base64url"},
		{"trailing line end", good + "\n", "base64url"},
		{"line end within", parts[0] + ".\r\n" + parts[1] + "." + parts[2], "base64url"},
		{"padding", parts[0] + "==." + parts[1] + "." + parts[2], "base64url"},
		{"padded signature", good + "==", "base64url"},
		{"unused bits set", good[:len(good)-1] + string(good[len(good)-1]+1), "base64url"},
		{"alphabet of plain base64", parts[0] + "." + parts[1] + ".+/+/", "base64url"},
		{"JSON serialization", `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`, "compact form"},
		{"flattened JSON serialization", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, "compact form"},
		{"a signed token as payload", payload(good), "claims"},
		{"oversize", strings.Repeat("a", MaxToken) + ".b.c", "longer than"},

		// Algorithms and keys, RFC 8725, sections 3.1 and 3.2.
		{"alg none without a signature", b64([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + ".", "compact form"},
		{"alg none", b64([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + "." + parts[2], "not signed with one of"},
		{"alg None", b64([]byte(`{"alg":"None","kid":"rsa"}`)) + "." + parts[1] + "." + parts[2], "not signed with one of"},
		{"alg nOnE", b64([]byte(`{"alg":"nOnE","kid":"rsa"}`)) + "." + parts[1] + "." + parts[2], "not signed with one of"},
		{"alg in lower case", header(`{"alg":"es256","kid":"p256"}`), "not signed with one of"},
		{"alg empty", header(`{"alg":"","kid":"p256"}`), "not signed with one of"},
		{"alg missing", header(`{"kid":"p256"}`), "not signed with one of"},
		{"alg is a list", header(`{"alg":["ES256"],"kid":"p256"}`), "header is not valid"},
		{"ALG in upper case", header(`{"ALG":"ES256","kid":"p256"}`), "not signed with one of"},
		{"PSS", oidctest.Sign(jose.PS256, k.rsa, "rsa", claims), "not signed with one of"},
		{"HMAC keyed with the public key as PEM", signHS256(publicPEM, claims), "not signed with one of"},
		{"HMAC keyed with the public key as DER", signHS256(publicDER, claims), "not signed with one of"},
		{"HMAC keyed with the modulus", signHS256(k.rsa.N.Bytes(), claims), "not signed with one of"},
		{"RSA algorithm under an EC key's ID", oidctest.Sign(jose.RS256, k.rsa, "p256", claims), "algorithm is not that of its key"},
		{"EC algorithm under an RSA key's ID", oidctest.Sign(jose.ES256, k.p256, "rsa", claims), "algorithm is not that of its key"},
		{"ES256 under a P-384 key's ID", oidctest.Sign(jose.ES256, k.p256, "p384", claims), "algorithm is not that of its key"},
		{"algorithm other than the key says", oidctest.Sign(jose.RS512, k.rsa, "only-256", claims), "algorithm is not that of its key"},

		{"unknown key ID", oidctest.Sign(jose.RS256, k.stranger, "other", claims), "not signed by a key"},
		{"key ID in another case", header(`{"alg":"ES256","kid":"P256"}`), "not signed by a key"},
		{"key ID like a path", header(`{"alg":"ES256","kid":"../../../../dev/null"}`), "not signed by a key"},
		{"key ID like a query", header(`{"alg":"ES256","kid":"p256' OR '1'='1"}`), "not signed by a key"},
		{"key ID with a NUL", header(`{"alg":"ES256","kid":"p256\u0000"}`), "not signed by a key"},
		{"key ID empty", header(`{"alg":"ES256","kid":""}`), "not signed by a key"},
		{"key ID missing", header(`{"alg":"ES256"}`), "not signed by a key"},
		{"key ID a number", header(`{"alg":"ES256","kid":1}`), "header is not valid"},
		{"key ID twice", header(`{"alg":"ES256","kid":"other","kid":"p256"}`), "header is not valid"},
		{"alg twice", header(`{"alg":"none","alg":"ES256","kid":"p256"}`), "header is not valid"},
		{"name twice further down", header(`{"alg":"ES256","kid":"p256","x":{"a":1,"a":2}}`), "header is not valid"},
		{"stranger's key under a known ID", oidctest.Sign(jose.RS256, k.stranger, "rsa", claims), "signature"},
		{"stranger's key in jwk", strangers(`"jwk":` + ownKey), "signature"},
		{"stranger's key under jku", strangers(`"jku":"http://127.0.0.1:1/keys"`), "signature"},
		{"stranger's key under x5u", strangers(`"x5u":"http://127.0.0.1:1/cert"`), "signature"},
		{"stranger's key in x5c", strangers(`"x5c":["AA=="]`), "signature"},
		{"crit", header(`{"alg":"ES256","kid":"p256","crit":["exp"],"exp":1}`), "crit"},
		{"crit with b64", header(`{"alg":"ES256","kid":"p256","crit":["b64"],"b64":false}`), "crit"},
		{"b64 without crit", header(`{"alg":"ES256","kid":"p256","b64":false}`), "b64"},
		{"header is null", header(`null`), "not signed by a key"},
		{"header is a list", header(`[]`), "header is not valid"},
		{"header with more after it", header(`{"alg":"ES256","kid":"p256"} {}`), "header is not valid"},

		// Signatures, RFC 7518, section 3.4.
		{"payload exchanged", parts[0] + "." + b64(with(map[string]any{"sub": "system:serviceaccount:kube-system:admin"})) + "." + parts[2], "signature"},
		{"header exchanged", b64([]byte(`{"kid":"p256","alg":"ES256"}`)) + "." + parts[1] + "." + parts[2], "signature"},
		{"signature cut off", parts[0] + "." + parts[1] + "." + b64(signature[:63]), "signature"},
		{"signature with a byte more", parts[0] + "." + parts[1] + "." + b64(append(signature[:64:64], 0)), "signature"},
		{"signature in DER", parts[0] + "." + parts[1] + "." + b64(der), "signature"},
		{"r and s are 0", resigned(make([]byte, 32), make([]byte, 32)), "signature"},
		{"r is 0", resigned(make([]byte, 32), signature[32:64:64]), "signature"},
		{"s is 0", resigned(signature[:32:32], make([]byte, 32)), "signature"},
		{"r and s are the order", resigned(order.FillBytes(make([]byte, 32)), order.FillBytes(make([]byte, 32))), "signature"},
		{"r and s exchanged", resigned(signature[32:64:64], signature[:32:32]), "signature"},
		{"s plus the order", resigned(signature[:32:32], new(big.Int).And(new(big.Int).Add(new(big.Int).SetBytes(signature[32:]), order), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))).FillBytes(make([]byte, 32))), "signature"},

		// Claims, RFC 7519, section 4.
		{"payload is not an object", payload(`"x"`), "claims"},
		{"payload is null", payload(`null`), "claims"},
		{"payload with more after it", payload(`{} {}`), "claims"},
		{"claim twice", payload(`{"iss":"a","iss":"` + issuer + `"}`), "claims"},
		{"claim twice where nobody looks", payload(`{"x":[{"a":1,"a":1}]}`), "claims"},
		{"not UTF-8", payload("{\"sub\":\"a\xff\"}"), "claims"},
		{"half of a surrogate pair", payload(`{"sub":"a\ud800"}`), "claims"},
		{"claim twice in kubernetes.io", payload(`{"kubernetes.io":{"namespace":"a","namespace":"b"}}`), "claims"},
		{"subject a number", changed("sub", 1), "claims"},
		{"audience a number", changed("aud", 1), "audience or a date"},
		{"audience with a number", changed("aud", []any{"a", 1}), "audience or a date"},
		{"audience an object", changed("aud", map[string]any{}), "audience or a date"},
		{"no expiry", changed("exp", nil), "no expiration"},
		{"expiry null", payload(`{"exp":null}`), "no expiration"},
		{"EXP in upper case", payload(`{"EXP":99999999999}`), "no expiration"},
		{"expiry a string", changed("exp", "99999999999"), "claims"},
		{"expiry true", changed("exp", true), "claims"},
		{"expiry beyond any number", payload(`{"exp":1e400}`), "claims"},
		{"expiry that would wrap around", payload(`{"exp":9223372036854775807}`), "audience or a date"},
		{"expiry that would wrap around to the past", payload(`{"exp":-9223372036854775808}`), "audience or a date"},
		{"not before that would wrap around", payload(`{"exp":99999999999,"nbf":1e30}`), "audience or a date"},
		{"not yet", changed("nbf", now.Unix()+1), "not valid yet"},
		{"issued in the future", changed("iat", now.Unix()+60), "future"},

		{"expiry negative", changed("exp", -1), "expired"},
		{"expiry 0", changed("exp", 0), "expired"},
		{"expiry now", changed("exp", now.Unix()), "expired"},
		{"expiry a fraction after now: fractions do not count", changed("exp", float64(now.Unix())+0.9), "expired"},
		{"expiry as a float", changed("exp", float64(now.Unix())+1.5), ""},
		{"expiry in exponent form", payload(`{"exp":9e10}`), ""},
		{"expiry far away", changed("exp", int64(1)<<61), ""},
		{"audience as a string", changed("aud", "sts.amazonaws.com"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := keys.Verify(test.token, now)
			if test.reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if test.reason == "expired" {
				if _, ok := errors.AsType[*ExpiredError](err); !ok {
					t.Errorf("got %v, want it expired", err)
				}
				return
			}
			refusal, ok := errors.AsType[*InvalidError](err)
			if !ok || !strings.Contains(refusal.Reason, test.reason) {
				t.Fatalf("got %v; want a refusal with %q", err, test.reason)
			}
			for part := range strings.SplitSeq(test.token, ".") {
				if len(part) > 20 && strings.Contains(refusal.Reason, part) {
					t.Errorf("the error repeats the token: %v", err)
				}
			}
		})
	}
}

func TestCheckTime(t *testing.T) {
	k := newKeys()
	claims, err := k.parse(t).Open(oidctest.Sign(jose.RS256, k.rsa, "rsa", with(nil)))
	if err != nil {
		t.Fatal(err)
	}
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html: five minutes after exp.
	const leeway = 5 * time.Minute
	if err := claims.CheckTime(claims.Expiry.Add(leeway-time.Nanosecond), leeway); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
	err = claims.CheckTime(claims.Expiry.Add(leeway), leeway)
	if _, ok := errors.AsType[*ExpiredError](err); !ok {
		t.Fatalf("after the leeway: got %v", err)
	}
	if text := err.Error(); text != "current date/time 2026-03-02T12:05:00Z must be before the expiration date/time 2026-03-02T12:00:00Z" {
		t.Errorf("text %q", text)
	}
	// The leeway applies to the end, and not to the beginning.
	if err := claims.CheckTime(now.Add(-time.Second), leeway); err == nil {
		t.Error("accepted before its time")
	}
}

func TestUnverifiedIssuer(t *testing.T) {
	k := newKeys()
	if got, err := UnverifiedIssuer(oidctest.Sign(jose.RS256, k.stranger, "x", with(nil))); err != nil || got != issuer {
		t.Errorf("got %q, %v", got, err)
	}
	for _, token := range []string{"", "a.b.c", "e30.e30", "e30.W10.AA"} {
		if got, err := UnverifiedIssuer(token); err == nil || got != "" {
			t.Errorf("%q: got %q, %v", token, got, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k := newKeys()
	keys := k.parse(b)
	for name, token := range map[string]string{
		"RS256": oidctest.Sign(jose.RS256, k.rsa, "rsa", oidctest.Encode(goodClaims())),
		"ES256": oidctest.Sign(jose.ES256, k.p256, "p256", oidctest.Encode(goodClaims())),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := keys.Verify(token, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
