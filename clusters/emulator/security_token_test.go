package emulator_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

const podAudience, webAudience = "pods.eks.amazonaws.com", "sts.amazonaws.com"

// issuerKey signs the tokens of all federations. No issuer has forgedKey.
var issuerKey, forgedKey = oidctest.RSA(), oidctest.RSA()

// federation is a cluster with an RSA key, an issuer of its own, a service account "app" with an association, and a role
// that trusts the issuer.
type federation struct {
	cluster, issuer, webRole string
	key                      *rsa.PrivateKey
}

func (x *target) federation() *federation {
	x.Helper()
	f := &federation{x.Name, "https://" + x.Name + ".example.com", "", issuerKey}
	keys := oidctest.KeySet(jose.JSONWebKey{Key: f.key.Public(), KeyID: "a", Algorithm: "RS256", Use: "sig"})
	x.must(x.Control.RegisterCluster(x.Context(), f.cluster, control.Cluster{Issuer: f.issuer, JWKS: keys, Version: "v1.36.3"}))
	x.Associate(f.cluster, "app", x.Role(x.Name+"-pod", emulatortest.TrustPods, ""), nil)
	x.provider(f.issuer)
	host := strings.TrimPrefix(f.issuer, "https://")
	f.webRole = x.Role(x.Name+"-web", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
		"Principal":{"Federated":"arn:aws:iam::`+emulatortest.Account+`:oidc-provider/`+host+`"},
		"Condition":{"StringEquals":{"`+host+`:sub":"system:serviceaccount:default:app"}}}}`, "")
	return f
}

// provider creates an OpenID Connect provider.
func (x *target) provider(issuer string) {
	x.Helper()
	_, err := x.Admin().IAM.CreateOpenIDConnectProvider(x.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &issuer, ClientIDList: []string{webAudience}})
	x.must(err)
}

// podClaims are those of a pod's token, with changes; nil removes a claim.
func (f *federation) podClaims(x *target, changes map[string]any) map[string]any {
	pod := oidctest.Pod{Issuer: f.issuer, Audience: podAudience, Namespace: "default", ServiceAccount: "app", Name: "web-0"}
	return pod.Claims(x.Now(), changes)
}

// webClaims are those of a token for AssumeRoleWithWebIdentity.
func (f *federation) webClaims(x *target, changes map[string]any) map[string]any {
	all := map[string]any{"aud": []string{webAudience}}
	maps.Copy(all, changes)
	return f.podClaims(x, all)
}

// sign makes a token with RS256 and additional header parameters, which replace its own.
func (f *federation) sign(x *target, claims, header map[string]any, key *rsa.PrivateKey) string {
	x.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", "a")
	for name, value := range header {
		options = options.WithHeader(jose.HeaderKey(name), value)
	}
	return oidctest.Compact(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options, claims)
}

// unsigned makes a token whose header names an algorithm without a signature.
func (x *target) unsigned(algorithm string, claims map[string]any, signature string) string {
	x.Helper()
	payload, err := json.Marshal(claims)
	x.must(err)
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"`+algorithm+`","kid":"a"}`)) + "." + encode(payload) + "." + signature
}

// pod exchanges a token for credentials, as a node does.
func (x *target) pod(token, cluster string) {
	x.Helper()
	x.hide(token)
	node := x.Node()
	x.wire.set(refusal{}, "")
	_, _ = node.EKSAuth.AssumeRoleForPodIdentity(x.Context(), &eksauth.AssumeRoleForPodIdentityInput{ClusterName: &cluster, Token: &token}) // the answer is read from the wire
}

// web asks for a session of a federation's role, without a signature.
func (x *target) web(token string, f *federation) {
	x.Helper()
	x.hide(token)
	anonymous := x.Anonymous()
	x.wire.set(refusal{}, "")
	_, _ = anonymous.STS.AssumeRoleWithWebIdentity(x.Context(), &sts.AssumeRoleWithWebIdentityInput{ // the answer is read from the wire
		RoleArn: &f.webRole, RoleSessionName: aws.String("session"), WebIdentityToken: &token,
	})
}

// forgeries are tokens that no key of the issuer signed in this form.
func forgeries() map[string]func(*target, *federation, map[string]any) string {
	hmac := func(name string, secret func(*rsa.PublicKey) []byte) func(*target, *federation, map[string]any) string {
		return func(x *target, f *federation, claims map[string]any) string {
			return oidctest.Compact(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(name), Key: secret(&f.key.PublicKey)}, (&jose.SignerOptions{}).WithHeader("kid", "a"), claims)
		}
	}
	der := func(key *rsa.PublicKey) []byte {
		text, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			panic(err)
		}
		return text
	}
	asPEM := func(key *rsa.PublicKey) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der(key)})
	}
	asJWK := func(key *rsa.PublicKey) []byte {
		text, err := (jose.JSONWebKey{Key: key, KeyID: "a", Algorithm: "RS256", Use: "sig"}).MarshalJSON()
		if err != nil {
			panic(err)
		}
		return text
	}
	return map[string]func(*target, *federation, map[string]any) string{
		"alg none":                         func(x *target, _ *federation, c map[string]any) string { return x.unsigned("none", c, "") },
		"alg None":                         func(x *target, _ *federation, c map[string]any) string { return x.unsigned("None", c, "AA") },
		"an empty alg":                     func(x *target, _ *federation, c map[string]any) string { return x.unsigned("", c, "AA") },
		"RS256 without a signature":        func(x *target, _ *federation, c map[string]any) string { return x.unsigned("RS256", c, "") },
		"HS256 with the public key as PEM": hmac("HS256", asPEM),
		"HS256 with the public key as DER": hmac("HS256", der),
		"HS256 with the public key as JWK": hmac("HS256", asJWK),
		"HS512 with the public key as PEM": hmac("HS512", asPEM),
		"PS256 by the issuer's key": func(x *target, f *federation, c map[string]any) string {
			return oidctest.Compact(jose.SigningKey{Algorithm: jose.PS256, Key: f.key}, (&jose.SignerOptions{}).WithHeader("kid", "a"), c)
		},
		"another key under the issuer's ID": func(x *target, f *federation, c map[string]any) string { return f.sign(x, c, nil, forgedKey) },
		"a key ID that the issuer does not have": func(x *target, f *federation, c map[string]any) string {
			return f.sign(x, c, map[string]any{"kid": "b"}, f.key)
		},
		"no key ID": func(x *target, f *federation, c map[string]any) string {
			return oidctest.Compact(jose.SigningKey{Algorithm: jose.RS256, Key: f.key}, nil, c)
		},
		"a key that the token brings along": func(x *target, _ *federation, c map[string]any) string {
			return oidctest.Compact(jose.SigningKey{Algorithm: jose.RS256, Key: forgedKey}, (&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", "a"), c)
		},
		"claims that were changed": func(x *target, f *federation, c map[string]any) string {
			signed := strings.Split(f.sign(x, c, nil, f.key), ".")
			payload, err := base64.RawURLEncoding.DecodeString(signed[1])
			x.must(err)
			return signed[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "uid-of-web-0", "uid-of-web-1", 1))) + "." + signed[2]
		},
	}
}

// podTokenAttacks exchange tokens of another pod or cluster, or at the wrong time.
func podTokenAttacks() []attack {
	invalid := refusal{400, "InvalidTokenException"}
	row := func(name string, want refusal, changes func(*target, *federation) map[string]any) attack {
		return attack{"eks-auth: a token with " + name, func(x *target) {
			f := x.federation()
			x.pod(f.sign(x, f.podClaims(x, changes(x, f)), nil, f.key), f.cluster)
		}, want}
	}
	claims := func(name string, value any) func(*target, *federation) map[string]any {
		return func(*target, *federation) map[string]any { return map[string]any{name: value} }
	}
	at := func(name string, from time.Duration) func(*target, *federation) map[string]any {
		return func(x *target, _ *federation) map[string]any { return map[string]any{name: x.Now().Add(from).Unix()} }
	}
	bound := func(pod any) any {
		return map[string]any{"namespace": "default", "serviceaccount": map[string]string{"name": "app", "uid": "uid-of-sa"}, "pod": pod}
	}
	rows := []attack{
		row("another issuer", invalid, claims("iss", "https://elsewhere.example.com")),
		row("no issuer", invalid, claims("iss", nil)),
		row("the audience of IRSA", invalid, claims("aud", []string{webAudience})),
		row("no audience", invalid, claims("aud", nil)),
		row("no expiry", invalid, claims("exp", nil)),
		row("an expiry that is over", refusal{400, "ExpiredTokenException"}, at("exp", -time.Second)),
		row("a start ten minutes ahead", invalid, at("nbf", 10*time.Minute)),
		row("no pod", invalid, claims("kubernetes.io", bound(nil))),
		row("a pod without a UID", invalid, claims("kubernetes.io", bound(map[string]string{"name": "web-0"}))),
		row("nothing of Kubernetes", invalid, claims("kubernetes.io", nil)),
		row("another subject than its service account", invalid, claims("sub", "system:serviceaccount:kube-system:app")),
		row("another service account", refusal{404, "ResourceNotFoundException"}, func(*target, *federation) map[string]any {
			return map[string]any{"sub": "system:serviceaccount:default:other", "kubernetes.io": map[string]any{
				"namespace": "default", "serviceaccount": map[string]string{"name": "other", "uid": "uid"}, "pod": map[string]string{"name": "web-0", "uid": "uid"},
			}}
		}),
		{"eks-auth: a token of another cluster", func(x *target) {
			f := x.federation()
			x.Fixture = x.Server.Fixture(x.T, x.Name+"-b") // with another issuer and key
			other := x.Cluster()
			x.Associate(other, "app", x.Role(x.Name, emulatortest.TrustPods, ""), nil)
			x.pod(x.Token("default", "app", nil), f.cluster)
		}, invalid},
		{"eks-auth: a token after its expiry, which was good before", func(x *target) {
			f := x.federation()
			token := f.sign(x, f.podClaims(x, map[string]any{"exp": x.Now().Add(time.Minute).Unix()}), nil, f.key)
			x.pod(token, f.cluster)
			if got, body := x.wire.last(); got.status != 200 {
				x.Fatalf("the token is refused as it is: %v %s", got, body)
			}
			x.SetClock(61 * time.Second)
			x.pod(token, f.cluster)
		}, refusal{400, "ExpiredTokenException"}},
		{"eks-auth: a token of 20 KiB", func(x *target) {
			f := x.federation()
			x.pod(f.sign(x, f.podClaims(x, map[string]any{"more": strings.Repeat("x", 20<<10)}), nil, f.key), f.cluster)
		}, invalid},
	}
	for name, forge := range forgeries() {
		rows = append(rows, attack{"eks-auth: a token with " + name, func(x *target) {
			f := x.federation()
			x.pod(forge(x, f, f.podClaims(x, nil)), f.cluster)
		}, invalid})
	}
	return rows
}

// webTokenAttacks do the same with AssumeRoleWithWebIdentity.
func webTokenAttacks() []attack {
	invalid := refusal{400, "InvalidIdentityToken"}
	row := func(name string, want refusal, changes func(*target) map[string]any) attack {
		return attack{"sts: a token with " + name, func(x *target) {
			f := x.federation()
			x.web(f.sign(x, f.webClaims(x, nil), nil, f.key), f)
			if got, body := x.wire.last(); got.status != 200 {
				x.Fatalf("the token is refused as it is: %v %s", got, body)
			}
			x.web(f.sign(x, f.webClaims(x, changes(x)), nil, f.key), f)
		}, want}
	}
	claims := func(name string, value any) func(*target) map[string]any {
		return func(*target) map[string]any { return map[string]any{name: value} }
	}
	rows := []attack{
		row("another issuer", invalid, claims("iss", "https://elsewhere.example.com")),
		row("the issuer in another case", invalid, func(x *target) map[string]any {
			return map[string]any{"iss": "https://" + strings.ToUpper(x.Name) + ".example.com"}
		}),
		row("the audience of Pod Identity", invalid, claims("aud", []string{podAudience})),
		row("no audience", invalid, claims("aud", nil)),
		row("no subject", invalid, claims("sub", nil)),
		row("another subject", refusal{403, "AccessDenied"}, claims("sub", "system:serviceaccount:default:other")),
		row("session tags that the role does not allow", refusal{403, "AccessDenied"}, claims("https://aws.amazon.com/tags", map[string]any{
			"principal_tags": map[string]any{"kubernetes-namespace": []string{"kube-system"}},
		})),
		row("an expiry that is over", refusal{400, "ExpiredTokenException"}, func(x *target) map[string]any {
			return map[string]any{"exp": x.Now().Add(-time.Hour).Unix()}
		}),
	}
	for name, forge := range forgeries() {
		rows = append(rows, attack{"sts: a token with " + name, func(x *target) {
			f := x.federation()
			x.web(forge(x, f, f.webClaims(x, nil)), f)
		}, invalid})
	}
	return rows
}
