package workload

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/podidentity/epi/framework/probe"
)

func TestTokenIsNotPrinted(t *testing.T) {
	token := Token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.")
	for _, verb := range []string{"%v", "%s", "%q", "%x", "%#v", "%d"} {
		if got := fmt.Sprintf(verb, token); got != probe.Redacted {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// A gated pod is not scheduled: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-scheduling-readiness/.
func TestUnscheduledPodIsNeverScheduled(t *testing.T) {
	pod := unscheduledPod(environment(), "ns", "reader")
	if len(pod.Spec.SchedulingGates) != 1 || pod.Spec.ServiceAccountName != "reader" || pod.Name != "" || pod.GenerateName == "" {
		t.Errorf("pod %+v", pod)
	}
}

func TestForgedTokens(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	original := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"sub": "a"})
	original.Header["kid"] = "key-1"
	signed, err := original.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(token Token, methods ...string) (*jwt.Token, error) {
		return jwt.NewParser(jwt.WithValidMethods(methods)).Parse(string(token), func(*jwt.Token) (any, error) { return key.Public(), nil })
	}
	if _, err := verify(Token(signed), "RS256"); err != nil {
		t.Fatal(err)
	}
	toB := func(_, claims map[string]any) { claims["sub"] = "b" }
	env := environment()
	env.T = verdict{}
	for name, row := range map[string]struct {
		token            Token
		alg, subject     string
		emptySignature   bool
		originalsSigning bool
	}{
		"signed by another key": {token: Forge(env, Token(signed), toB), alg: "RS256", subject: "b"},
		"unsigned": {token: Forge(env, Token(signed), func(header, _ map[string]any) { header["alg"] = "none" }),
			alg: "none", subject: "a", emptySignature: true},
		"tampered with": {token: Tamper(env, Token(signed), func(claims map[string]any) { claims["sub"] = "b" }),
			alg: "RS256", subject: "b", originalsSigning: true},
	} {
		claims := jwt.MapClaims{}
		parsed, parts, err := jwt.NewParser().ParseUnverified(string(row.token), claims)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if parsed.Header["alg"] != row.alg || parsed.Header["kid"] != "key-1" || claims["sub"] != row.subject {
			t.Errorf("%s: header %v, claims %v", name, parsed.Header, claims)
		}
		if (parts[2] == "") != row.emptySignature || strings.HasSuffix(signed, "."+parts[2]) != row.originalsSigning {
			t.Errorf("%s: the signature is not as it should be", name)
		}
		if _, err := verify(row.token, "RS256", "none"); err == nil {
			t.Errorf("%s: the original's key verifies it", name)
		}
	}
	defer func() {
		if recover() != "harness" {
			t.Error("something else than a token can be forged")
		}
	}()
	Forge(env, "garbage", toB)
}
