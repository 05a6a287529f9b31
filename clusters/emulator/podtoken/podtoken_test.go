package podtoken

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

const issuer = "https://kubernetes.default.svc.cluster.local"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pod is the pod of the tokens.
var pod = oidctest.Pod{Issuer: issuer, Audience: Audience, Namespace: "default", ServiceAccount: "aws-cli", Name: "web-0"}

// keys are a test's keys: the cluster's RSA and EC keys, and one of another issuer.
type keys struct {
	rsa, stranger *rsa.PrivateKey
	ec            *ecdsa.PrivateKey
	jwks          []byte
}

func newKeys() keys {
	k := keys{rsa: oidctest.RSA(), stranger: oidctest.RSA(), ec: oidctest.EC(elliptic.P256())}
	k.jwks = oidctest.KeySet(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "rsa", Algorithm: "RS256", Use: "sig"},
		jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "any", Use: "sig"},
		jose.JSONWebKey{Key: k.ec.Public(), KeyID: "ec", Use: "sig"})
	return k
}

func TestVerify(t *testing.T) {
	k := newKeys()
	v, err := NewVerifier(issuer, k.jwks)
	if err != nil {
		t.Fatal(err)
	}
	with := func(changes map[string]any) []byte { return oidctest.Encode(pod.Claims(now, changes)) }
	private := func(remove string) map[string]any {
		c := maps.Clone(pod.Claims(now, nil)["kubernetes.io"].(map[string]any))
		delete(c, remove)
		return map[string]any{"kubernetes.io": c}
	}
	b64 := base64.RawURLEncoding.EncodeToString
	good := oidctest.Sign(jose.RS256, k.rsa, "rsa", with(nil))
	parts := strings.Split(good, ".")
	signed := func(changes map[string]any) string { return oidctest.Sign(jose.RS256, k.rsa, "rsa", with(changes)) }
	// Rows are the checks of AUT-08 and AUT-09. The checks of form, key and signature are in package oidc. Here are only
	// those in which EKS Auth differs.
	tests := []struct{ name, token, reason string }{
		{"RS256", good, ""},
		{"ES256", oidctest.Sign(jose.ES256, k.ec, "ec", with(nil)), ""},
		{"audience as a string", signed(map[string]any{"aud": Audience}), ""},
		{"one of two audiences", signed(map[string]any{"aud": []string{"sts.amazonaws.com", Audience}}), ""},
		{"last moment", signed(map[string]any{"exp": now.Unix() + 1}), ""},

		{"empty", "", "compact form"},
		{"oversize", strings.Repeat("a", maxTokenBytes) + ".b.c", "longer than"},
		{"alg none", b64([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + "." + parts[2], "not signed with one of"},
		{"algorithm that no API server signs with", oidctest.Sign(jose.RS384, k.rsa, "any", with(nil)), "algorithm is not that of its key"},
		{"EC algorithm under an RSA key's ID", oidctest.Sign(jose.ES256, k.ec, "rsa", with(nil)), "algorithm is not that of its key"},
		{"stranger's key under a known ID", oidctest.Sign(jose.RS256, k.stranger, "rsa", with(nil)), "signature"},
		{"unknown key ID", oidctest.Sign(jose.RS256, k.stranger, "other", with(nil)), "not signed by a key"},
		{"payload exchanged", parts[0] + "." + b64(with(map[string]any{"sub": "system:serviceaccount:kube-system:admin"})) + "." + parts[2], "signature"},
		{"payload is null", oidctest.Sign(jose.RS256, k.rsa, "rsa", []byte(`null`)), "claims"},
		{"claim twice", oidctest.Sign(jose.RS256, k.rsa, "rsa", []byte(`{"iss":"a","iss":"`+issuer+`"}`)), "claims"},

		{"issuer with a slash more", signed(map[string]any{"iss": issuer + "/"}), "issuer"},
		{"issuer in another case", signed(map[string]any{"iss": strings.ToUpper(issuer)}), "issuer"},
		{"issuer with a path more", signed(map[string]any{"iss": issuer + "/../other"}), "issuer"},
		{"no issuer", signed(map[string]any{"iss": nil}), "issuer"},
		{"audience of IRSA", signed(map[string]any{"aud": []string{"sts.amazonaws.com"}}), "audience"},
		{"audience in another case", signed(map[string]any{"aud": "Pods.EKS.amazonaws.com"}), "audience"},
		{"audience with more after it", signed(map[string]any{"aud": Audience + ".example.com"}), "audience"},
		{"audiences in one string", signed(map[string]any{"aud": "sts.amazonaws.com " + Audience}), "audience"},
		{"audience in azp only", signed(map[string]any{"aud": "x", "azp": Audience}), "audience"},
		{"no audience", signed(map[string]any{"aud": nil}), "audience"},
		{"empty list of audiences", signed(map[string]any{"aud": []string{}}), "audience"},
		{"no expiry", signed(map[string]any{"exp": nil}), "no expiration"},
		{"not yet", signed(map[string]any{"nbf": now.Unix() + 1}), "not valid yet"},
		{"issued in the future", signed(map[string]any{"iat": now.Unix() + 60}), "future"},
		{"not bound to a pod", signed(private("pod")), "not bound to a pod"},
		{"bound to a node instead", signed(map[string]any{"kubernetes.io": map[string]any{
			"namespace": "default", "serviceaccount": map[string]any{"name": "aws-cli", "uid": "s1"}, "node": map[string]any{"name": "n", "uid": "n1"},
		}}), "not bound to a pod"},
		{"pod without UID", signed(map[string]any{"kubernetes.io": map[string]any{
			"namespace": "default", "serviceaccount": map[string]any{"name": "aws-cli", "uid": "s1"}, "pod": map[string]any{"name": "web-0"},
		}}), "not bound to a pod"},
		{"no service account", signed(private("serviceaccount")), "no kubernetes.io claim"},
		{"no namespace", signed(private("namespace")), "no kubernetes.io claim"},
		{"no private claims", signed(map[string]any{"kubernetes.io": nil}), "no kubernetes.io claim"},
		{"private claims are text", signed(map[string]any{"kubernetes.io": "default"}), "claims"},
		{"subject of another namespace", signed(map[string]any{"sub": "system:serviceaccount:hoge:aws-cli"}), "subject"},
		{"subject of another service account", signed(map[string]any{"sub": "system:serviceaccount:default:admin"}), "subject"},
		{"subject with more after it", signed(map[string]any{"sub": "system:serviceaccount:default:aws-cli:x"}), "subject"},
		{"subject of a user", signed(map[string]any{"sub": "kubernetes-admin"}), "subject"},
		{"no subject", signed(map[string]any{"sub": nil}), "subject"},
		{"expired and for another audience", signed(map[string]any{"exp": now.Unix() - 1, "aud": "x"}), "audience"},
		{"expired and not bound to a pod", oidctest.Sign(jose.RS256, k.rsa, "rsa", with(map[string]any{"exp": now.Unix() - 1, "kubernetes.io": nil})), "no kubernetes.io claim"},
	}
	want := Identity{JTI: "f0e1", Namespace: "default", ServiceAccount: "aws-cli", ServiceAccountUID: "uid-of-aws-cli", PodName: "web-0", PodUID: "uid-of-web-0"}
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

func TestNewVerifierRefuses(t *testing.T) {
	k := newKeys()
	tests := []struct {
		name, issuer string
		jwks         []byte
		want         string
	}{
		{"no issuer", "", k.jwks, "issuer is empty"},
		{"not JSON", issuer, []byte("{"), "issuer " + issuer + ": read key set"},
		{"private key", issuer, oidctest.KeySet(jose.JSONWebKey{Key: k.rsa, KeyID: "a"}), "not a public"},
		{"only a key of another algorithm", issuer, oidctest.KeySet(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "a", Algorithm: "RS512"}), "no signing key"},
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
	k := newKeys()
	v, err := NewVerifier(issuer, k.jwks)
	if err != nil {
		f.Fatal(err)
	}
	good := oidctest.Sign(jose.RS256, k.rsa, "rsa", oidctest.Encode(pod.Claims(now, nil)))
	for _, seed := range []string{"", "a.b.c", good, strings.ToUpper(good), "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.e30.AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		// The fuzzer has no key, so only the token that it was given may be accepted.
		if _, err := v.Verify(token, now); err == nil && token != good {
			t.Errorf("accepted %q", token)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	k := newKeys()
	v, err := NewVerifier(issuer, k.jwks)
	if err != nil {
		b.Fatal(err)
	}
	for name, token := range map[string]string{
		"RS256": oidctest.Sign(jose.RS256, k.rsa, "rsa", oidctest.Encode(pod.Claims(now, nil))),
		"ES256": oidctest.Sign(jose.ES256, k.ec, "ec", oidctest.Encode(pod.Claims(now, nil))),
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
