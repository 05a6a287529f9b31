package reports

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
)

// Examples of AWS's own documentation, except where they would be real.
const (
	exampleSecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleHash      = "7a1f0c9be3d24856a7b8c9d0e1f20314253647589a0b1c2d3e4f5061728394a5"
)

func exampleJWT() string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"RS256","kid":"f00"}`) + "." + part(`{"aud":["pods.eks.amazonaws.com"],"sub":"system:serviceaccount:a:b"}`) + "." + part(strings.Repeat("sig!", 64))
}

func exampleSessionToken() string {
	return "IQoJb3JpZ2luX2Vj" + strings.Repeat("EHkaCXVzLWVhc3QtMSJHMEUCIQDb+/", 20) + "=="
}

func TestRedact(t *testing.T) {
	token := exampleJWT()
	for name, row := range map[string]struct{ in, want string }{
		"token":                  {"got " + token + " from the file", "got [redacted JWT] from the file"},
		"token in a header":      {"Authorization: Bearer " + token + "\n", "Authorization: Bearer [redacted JWT]\n"},
		"token with white space": {base64.RawURLEncoding.EncodeToString([]byte("{\n \"alg\": \"none\"}")) + ".e30.", "[redacted JWT]"},
		"token cut off":          {token[:80] + "…", "[redacted JWT]…"},
		"encrypted token":        {"eyJhbGciOi.a.b.c.d!", "[redacted JWT]!"},
		"opaque bearer token":    {"authorization: bearer 0123456789abcdef-_", "authorization: bearer [redacted token]"},
		"secret key alone":       {"key " + exampleSecretKey + ".", "key [redacted key]."},
		"secret key in JSON":     {`{"SecretAccessKey":"` + exampleSecretKey + `","AccountId":"123456789012"}`, `{"SecretAccessKey":"[redacted token]","AccountId":"123456789012"}`},
		"JSON in a Go string":    {`"{\"SecretAccessKey\":\"abcdefghij\",\"Token\":\"abcdefghijklmnopqrst\"}"`, `"{\"SecretAccessKey\":\"[redacted token]\",\"Token\":\"[redacted token]\"}"`},
		"environment":            {"AWS_SECRET_ACCESS_KEY=short+key AWS_SESSION_TOKEN=short_token AWS_REGION=us-west-2", "AWS_SECRET_ACCESS_KEY=[redacted token] AWS_SESSION_TOKEN=[redacted token] AWS_REGION=us-west-2"},
		"control token":          {"EPI_EMULATOR_CONTROL_TOKEN=0123456789", "EPI_EMULATOR_CONTROL_TOKEN=[redacted token]"},
		"Go struct":              {`Credentials{SecretAccessKey: "abcdefghij", SessionToken: "klmnopqrst"}`, `Credentials{SecretAccessKey: "[redacted token]", SessionToken: "[redacted token]"}`},
		"session token alone":    {exampleSessionToken(), "[redacted token]"},
		"session token in query": {"?X-Amz-Security-Token=abcdefgh%2Fij&x=1", "?X-Amz-Security-Token=[redacted token]&x=1"},
		"signature":              {"SignedHeaders=host, Signature=" + exampleHash, "SignedHeaders=host, Signature=[redacted token]"},
		"access key ID":          {"Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-west-2", "Credential=ASIA…MPLE/20261123/us-west-2"},
		"private key":            {"a\n-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nb", "a\n[redacted key]\nb"},
		"private key cut off":    {"-----BEGIN PRIVATE KEY-----\nMHc", "[redacted key]"},
	} {
		if got := Redact(row.in); got != row.want {
			t.Errorf("%s: want %q, got %q", name, row.want, got)
		}
	}
}

// Texts that help to understand a failure stay.
func TestRedactKeeps(t *testing.T) {
	for _, text := range []string{
		"",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/credentials",
		"image epi-agent@sha256:" + exampleHash,
		"commit 30ed0da41c6612d4c8d9f3a1b2c3d4e5f6a7b8c9",
		"arn:aws:sts::123456789012:assumed-role/epi-node/eks-epi-app-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
		"arn:aws:eks:us-west-2:123456789012:podidentityassociation/epi/a-abcdefghijklmnop1",
		"400: Service account token cannot be empty",
		"Bearer <jwt> is refused: Service account token cannot be parsed",
		"suites/authorization/session_tags_let_a_pod_read_its_own_prefix.go:71",
		"X-aws-ec2-metadata-token-ttl-seconds: 21600",
		"eyes.google.com and eyJ alone",
		"token: expired 5s ago",
	} {
		if got := Redact(text); got != text {
			t.Errorf("changed %q to %q", text, got)
		}
	}
}

// jwtShaped is independent of the redactor's own patterns.
var jwtShaped = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)

func FuzzRedact(f *testing.F) {
	token := exampleJWT()
	for _, seed := range []string{token, "Bearer " + token, token + "." + token, "eyJ.eyJ.a.b", "eyJeyJa.b.c", "=eyJa.b.c\x00", exampleSecretKey,
		exampleSessionToken(), "_token=" + token, `"token":"` + token + `"`, "ASIAIOSFODNN7EXAMPLE", hostileText} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, text := range []string{s, s + token, token + s, s[:len(s)/2] + token + s[len(s)/2:]} {
			redacted := Redact(text)
			if found := jwtShaped.FindString(redacted); found != "" {
				t.Errorf("%q survives in %q", found, redacted)
			}
			if again := Redact(redacted); again != redacted {
				t.Errorf("not idempotent: %q, then %q", redacted, again)
			}
		}
	})
}
