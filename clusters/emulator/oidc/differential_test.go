package oidc

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

// goJose is go-jose's result for a token. It is the reference for Keys.Verify.
type goJose struct {
	keys  map[string]any
	names []jose.SignatureAlgorithm
}

func newGoJose(k testKeys) goJose {
	return goJose{
		keys:  map[string]any{"rsa": k.rsa.Public(), "only-256": k.rsa.Public(), "p256": k.p256.Public(), "p384": k.p384.Public(), "../p521": k.p521.Public()},
		names: []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512},
	}
}

func (g goJose) verify(token string, now time.Time) (jwt.Claims, bool) {
	parsed, err := jwt.ParseSigned(token, g.names)
	if err != nil || len(parsed.Headers) != 1 {
		return jwt.Claims{}, false
	}
	h := parsed.Headers[0]
	key, known := g.keys[h.KeyID]
	if !known || h.KeyID == "only-256" && h.Algorithm != "RS256" {
		return jwt.Claims{}, false
	}
	var c struct {
		jwt.Claims
		AuthorizedParty string     `json:"azp"`
		Kubernetes      Kubernetes `json:"kubernetes.io"`
	}
	if parsed.Claims(key, &c) != nil || c.Expiry == nil {
		return jwt.Claims{}, false
	}
	ok := now.Before(c.Expiry.Time()) && !now.Before(c.NotBefore.Time()) && !now.Before(c.IssuedAt.Time())
	return c.Claims, ok
}

// stricter says whether header and payload have something that go-jose accepts and this package refuses: bytes that are not
// UTF-8, escapes that may be half a pair, the parameters that this package does not support, and a name that occurs twice
// in a part that is not read.
func stricter(header, payload string) bool {
	text := header + payload
	return !utf8.ValidString(text) || strings.Contains(text, `\`) || strings.Contains(header, `"crit"`) || strings.Contains(header, `"b64"`) ||
		strings.Count(payload, "{") > 1
}

// looser says whether go-jose refuses a header that this package accepts, because only go-jose reads keys in the header and
// the nonce of RFC 8555. It also says whether the payload has a null audience, which is no audience for this package.
func looser(header, payload string) bool {
	for _, name := range []string{`"jwk"`, `"x5c"`, `"nonce"`, `\`} {
		if strings.Contains(header, name) {
			return true
		}
	}
	return strings.Contains(payload, "null")
}

// FuzzAgainstGoJose signs any header and payload, and compares this package's answer with go-jose's.
func FuzzAgainstGoJose(f *testing.F) {
	k := newKeys()
	keys, reference := k.parse(f), newGoJose(k)
	f.Add(`{"alg":"ES256","kid":"p256"}`, string(oidctest.Encode(goodClaims())))
	for _, header := range []string{
		`{"alg":"ES256","kid":"p256"}`, `{"kid":"p256","alg":"ES256","typ":"JWT"}`, `{"alg":"ES256","kid":"rsa"}`, `{"alg":"RS256","kid":"p256"}`, `{"alg":"none","kid":"p256"}`,
		`{"alg":"ES256","kid":"p256","kid":"p256"}`, `{"alg":"ES256","kid":"p256","crit":["b64"],"b64":true}`, `{"ALG":"ES256","kid":"p256"}`, ` {"alg":"ES256","kid":"p256","x":[1,{}]} `,
		`{"alg":"ES256","kid":"p256","jwk":{}}`, `null`, `{}`, ``,
	} {
		f.Add(header, `{"iss":"a","exp":9e10}`)
	}
	for _, payload := range []string{
		`{"exp":9e10}`, `{"exp":99999999999.9,"aud":"a"}`, `{"exp":99999999999,"aud":["a","b"]}`, `{"exp":99999999999,"aud":[1]}`, `{"exp":"9"}`, `{"exp":1e400}`, `{"exp":-1}`, `{"exp":99999999999,"nbf":1e30}`,
		`{"exp":99999999999,"exp":1}`, `{"exp":99999999999,"iat":99999999999}`, `{"exp":99999999999,"kubernetes.io":{"namespace":1}}`, `{"exp":99999999999,"iss":"a","x":{"a":1,"a":2}}`, `null`, `[]`, ``,
	} {
		f.Add(`{"alg":"ES256","kid":"p256"}`, payload)
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := signES256(t, k.p256, header, []byte(payload))
		got, err := keys.Verify(token, now)
		want, accepted := reference.verify(token, now)
		if err == nil && !accepted && !looser(header, payload) || err != nil && accepted && !stricter(header, payload) {
			t.Fatalf("%q %q: we say %v, go-jose accepts: %v", header, payload, err, accepted)
		}
		if err == nil && accepted && (got.Issuer != want.Issuer || got.Subject != want.Subject || got.JTI != want.ID || !got.Expiry.Equal(want.Expiry.Time()) ||
			strings.Join(got.Audience, " ") != strings.Join(want.Audience, " ")) {
			t.Fatalf("%q %q: we read %+v, go-jose %+v", header, payload, got, want)
		}
	})
}

// FuzzVerify alters tokens without a key. Only the original token may be accepted, and a token that go-jose refuses must be
// refused.
func FuzzVerify(f *testing.F) {
	k := newKeys()
	keys, reference := k.parse(f), newGoJose(k)
	rs, es := oidctest.Sign(jose.RS256, k.rsa, "rsa", oidctest.Encode(goodClaims())), oidctest.Sign(jose.ES256, k.p256, "p256", oidctest.Encode(goodClaims()))
	for _, seed := range []string{"", "a.b.c", rs, es, rs + ".", rs + "=", strings.ToUpper(rs), "\n" + es, "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.e30.AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := keys.Verify(token, now)
		if err == nil && token != rs && token != es {
			t.Errorf("accepted %q", token)
		}
		if _, accepted := reference.verify(token, now); err == nil && !accepted {
			t.Errorf("accepted %q, which go-jose refuses", token)
		}
		if _, err := UnverifiedIssuer(token); err != nil {
			if _, err := keys.Open(token); err == nil {
				t.Errorf("%q has no issuer and yet is accepted", token)
			}
		}
	})
}

// BenchmarkReference is for comparison with BenchmarkVerify. It measures go-jose as a whole, and RSA verification alone,
// which is a lower bound for every parser.
func BenchmarkReference(b *testing.B) {
	k := newKeys()
	reference := newGoJose(k)
	token := oidctest.Sign(jose.RS256, k.rsa, "rsa", oidctest.Encode(goodClaims()))
	b.Run("go-jose", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := reference.verify(token, now); !ok {
				b.Fatal("refused")
			}
		}
	})
	b.Run("RSA", func(b *testing.B) {
		parts, err := parse(token)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if !methods["RS256"].verify(k.rsa.Public(), parts.signed, parts.signature) {
				b.Fatal("refused")
			}
		}
	})
}
