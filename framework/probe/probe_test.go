package probe

import (
	"strings"
	"testing"
)

func TestRedactHidesCredentials(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		// Shape of the agent's answer: AWS SDKs reference, container credential provider.
		"the agent's answer": {
			`{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"s3cr3t","Token":"t0ken","AccountId":"123456789012"}`,
			`{"AccessKeyId":"[redacted]","AccountId":"123456789012","SecretAccessKey":"[redacted]","Token":"[redacted]"}`,
		},
		"credentials inside":      {`{"credentials":[{"sessionToken":"x"}]}`, `{"credentials":[{"sessionToken":"[redacted]"}]}`},
		"a token in plain text":   {"bad token eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln here", "bad token [redacted] here"},
		"an unsigned token":       {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "[redacted]"},
		"text without any secret": {"Service account token cannot be empty", "Service account token cannot be empty"},
	} {
		if got := Redact(row.text); got != row.want {
			t.Errorf("%s: got %s, want %s", name, got, row.want)
		}
	}
}

func TestShortenKeepsNoWholeKey(t *testing.T) {
	for key, want := range map[string]string{"ASIAIOSFODNN7EXAMPLE": "ASIA…MPLE", "short": Redacted} {
		if got := Shorten(key); got != want {
			t.Errorf("Shorten(%q) = %q, want %q", key, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("prefix", "suffix")
	f.Add(`{"a":"`, `"}`)
	f.Add(`{"Token":"`, `"}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2lnbmF0dXJl"
		if got := Redact(before + secret + after); strings.Contains(got, "eyJzdWIiOiJzZWNyZXQifQ") {
			t.Errorf("the token's claims are still in %q", got)
		}
	})
}

func TestFailureInOneLine(t *testing.T) {
	for want, failure := range map[string]Failure{
		"HeadObject answered 403 Forbidden":                  {Class: APIError, Operation: "HeadObject", Status: 403, Code: "Forbidden", Message: "Forbidden"},
		"GetObject answered 403 AccessDenied: Access Denied": {Class: APIError, Operation: "GetObject", Status: 403, Code: "AccessDenied", Message: "Access Denied"},
		"no credentials: no source":                          {Class: NoCredentials, Message: "no source"},
		"GetObject got no answer: refused":                   {Class: NetworkError, Operation: "GetObject", Message: "refused"},
	} {
		if got := failure.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
