package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// key is an access key in the store.
type key struct {
	Credentials
	token string
}

type store map[string]key

func (s store) Credentials(_ context.Context, accessKeyID, sessionToken string) (Credentials, error) {
	found, ok := s[accessKeyID]
	switch {
	case !ok:
		return Credentials{}, ErrUnknownAccessKey
	case found.token != sessionToken:
		return Credentials{}, ErrInvalidToken
	}
	return found.Credentials, nil
}

var (
	now       = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	long      = aws.Credentials{AccessKeyID: "AKIALONG", SecretAccessKey: "long secret"}
	temporary = aws.Credentials{AccessKeyID: "ASIATEMP", SecretAccessKey: "short secret", SessionToken: "token/+="}
	expired   = aws.Credentials{AccessKeyID: "ASIAGONE", SecretAccessKey: "old secret", SessionToken: "gone"}
	known     = store{
		"AKIALONG": {Credentials{SecretAccessKey: "long secret"}, ""},
		"ASIATEMP": {Credentials{SecretAccessKey: "short secret", Expiration: now.Add(time.Hour)}, "token/+="},
		"ASIAGONE": {Credentials{SecretAccessKey: "old secret", Expiration: now}, "gone"},
		// The documentation's examples.
		"AKIAIOSFODNN7EXAMPLE": {Credentials{SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, ""},
		"AKIDEXAMPLE":          {Credentials{SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}, ""},
	}
)

func at(when time.Time) *Verifier {
	return NewVerifier(known, Options{Now: func() time.Time { return when }})
}

// sign returns a request as the SDK signs it and a server receives it.
func sign(t testing.TB, credentials aws.Credentials, service, method, target, body string, when time.Time, adjust ...func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(body))
	payload := hex.EncodeToString(hash[:])
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
	for _, adjust := range adjust {
		adjust(r)
	}
	if header := r.Header.Get("X-Amz-Content-Sha256"); header != "" {
		payload = header
	}
	err = v4.NewSigner().SignHTTP(t.Context(), credentials, r, payload, service, "us-west-2", when, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = service == "s3"
	})
	if err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

// received sends the request through its wire form.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	server.Header = r.Header
	server.Host = r.URL.Host
	return server
}

func wantKind(t *testing.T, err error, want Kind) {
	t.Helper()
	refusal, ok := errors.AsType[*Error](err)
	if want == "" && err != nil || want != "" && (!ok || refusal.Kind != want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if err != nil {
		for _, secret := range []string{"secret", "token/+="} {
			if strings.Contains(strings.ReplaceAll(err.Error(), "secret access key", ""), secret) {
				t.Errorf("the error reveals a secret: %v", err)
			}
		}
	}
}

func TestSDKSignatures(t *testing.T) {
	const body = "Action=GetCallerIdentity&Version=2011-06-15"
	tests := []struct {
		name, service, method, target, body string
		credentials                         aws.Credentials
	}{
		{"query protocol", "sts", "POST", "http://127.0.0.1:4566/", body, long},
		{"session", "sts", "POST", "http://127.0.0.1:4566/", body, temporary},
		{"path with an escaped ARN", "eks", "GET", "http://emu:4566/tags/arn%3Aaws%3Aeks%3Aus-west-2%3A1%3Acluster%2Fblue?a=b%20c&a=a&empty", "", long},
		{"object", "s3", "PUT", "http://emu/bucket/a%20b/%C3%A9%2B%28x%29%27%2A", "hello", temporary},
		{"object with dots", "s3", "GET", "http://emu/bucket/../a//b/./c", "", temporary},
		{"sub-resource and sorted query", "s3", "GET", "http://emu/bucket?list-type=2&prefix=a%2Fb%20c%2Bd&delimiter=%2F", "", temporary},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := sign(t, test.credentials, test.service, test.method, test.target, test.body, now.Add(-14*time.Minute))
			if _, service, ok := Scope(r); !ok || service != test.service {
				t.Errorf("scope = %q, %v", service, ok)
			}
			identity, err := at(now).Verify(r)
			if err != nil {
				t.Fatal(err)
			}
			if identity.AccessKeyID != test.credentials.AccessKeyID || identity.Service != test.service || identity.Region != "us-west-2" || identity.Presigned {
				t.Errorf("identity = %+v", identity)
			}
			if got, _ := io.ReadAll(r.Body); string(got) != test.body {
				t.Errorf("body = %q, want %q", got, test.body)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	hash := func(text string) string { h := sha256.Sum256([]byte(text)); return hex.EncodeToString(h[:]) }
	tests := []struct {
		name        string
		credentials aws.Credentials
		service     string
		signedAt    time.Time
		spoil       func(*http.Request)
		want        Kind
	}{
		{"nothing wrong", temporary, "s3", now, func(*http.Request) {}, ""},
		{"unsigned", temporary, "s3", now, func(r *http.Request) { r.Header.Del("Authorization") }, MissingAuthentication},
		{"another algorithm", temporary, "s3", now, func(r *http.Request) { r.Header.Set("Authorization", "AWS AKIA:sig") }, Version2},
		{"two authorizations", temporary, "s3", now, func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, Incomplete},
		{"header and query", temporary, "s3", now, func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }, Incomplete},
		{"without a date", temporary, "s3", now, func(r *http.Request) { r.Header.Del("X-Amz-Date") }, Incomplete},
		{"two dates", temporary, "s3", now, func(r *http.Request) { r.Header.Add("X-Amz-Date", "20260304T050607Z") }, Incomplete},
		{"date of another day", temporary, "s3", now, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260303T235959Z") }, SignatureMismatch},
		{"too old", temporary, "s3", now.Add(-15*time.Minute - time.Second), func(*http.Request) {}, Skewed},
		{"too early", temporary, "s3", now.Add(15*time.Minute + time.Second), func(*http.Request) {}, Skewed},
		{"unknown key", aws.Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "x"}, "s3", now, func(*http.Request) {}, UnknownAccessKey},
		{"wrong secret", aws.Credentials{AccessKeyID: "AKIALONG", SecretAccessKey: "x"}, "s3", now, func(*http.Request) {}, SignatureMismatch},
		{"session without its token", aws.Credentials{AccessKeyID: "ASIATEMP", SecretAccessKey: "short secret"}, "s3", now, func(*http.Request) {}, InvalidToken},
		{"another session's token", aws.Credentials{AccessKeyID: "ASIATEMP", SecretAccessKey: "short secret", SessionToken: "gone"}, "s3", now, func(*http.Request) {}, InvalidToken},
		{"a token with a user's key", aws.Credentials{AccessKeyID: "AKIALONG", SecretAccessKey: "long secret", SessionToken: "gone"}, "s3", now, func(*http.Request) {}, InvalidToken},
		{"expired", expired, "s3", now, func(*http.Request) {}, ExpiredToken},
		{"another method", temporary, "s3", now, func(r *http.Request) { r.Method = "DELETE" }, SignatureMismatch},
		{"another path", temporary, "s3", now, func(r *http.Request) { r.URL.Path = "/bucket/other" }, SignatureMismatch},
		{"another query", temporary, "s3", now, func(r *http.Request) { r.URL.RawQuery = "acl" }, SignatureMismatch},
		{"a query that parsers disagree on", temporary, "s3", now, func(r *http.Request) { r.URL.RawQuery = "a;b" }, Incomplete},
		{"another host", temporary, "s3", now, func(r *http.Request) { r.Host = "elsewhere" }, SignatureMismatch},
		{"another header", temporary, "s3", now, func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "2") }, SignatureMismatch},
		{"an unsigned header", temporary, "s3", now, func(r *http.Request) { r.Header.Set("X-Amz-Copy-Source", "secret/x") }, UnsignedHeaders},
		{"another region", temporary, "s3", now, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "us-west-2", "us-east-1", 1))
		}, SignatureMismatch},
		{"altered signature", temporary, "s3", now, func(r *http.Request) {
			header := r.Header.Get("Authorization")
			last := "0"
			if strings.HasSuffix(header, "0") {
				last = "1"
			}
			r.Header.Set("Authorization", header[:len(header)-1]+last)
		}, SignatureMismatch},
		{"short signature", temporary, "s3", now, func(r *http.Request) {
			r.Header.Set("Authorization", strings.TrimRight(r.Header.Get("Authorization"), "0123456789abcdef"))
		}, Incomplete},
		{"host not signed", temporary, "s3", now, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", "", 1))
		}, Incomplete},
		{"altered body", temporary, "s3", now, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("hellO")) }, BodyMismatch},
		{"altered body and hash", temporary, "s3", now, func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("hellO"))
			r.Header.Set("X-Amz-Content-Sha256", hash("hellO"))
		}, SignatureMismatch},
		{"altered body, service without a hash header", temporary, "sts", now, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("hellO")) }, SignatureMismatch},
		{"unsigned payload is S3's only", temporary, "sts", now, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, BodyMismatch},
		{"no hash", temporary, "s3", now, func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, Incomplete},
		{"too large", temporary, "sts", now, func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("a", 1<<20+1)))
			r.ContentLength = -1
		}, TooLarge},
		{"says it is too large", temporary, "s3", now, func(r *http.Request) { r.ContentLength = 1 << 40 }, TooLarge},
		{"says it is a little too large", temporary, "s3", now, func(r *http.Request) { r.ContentLength = 1<<20 + 1 }, TooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := sign(t, test.credentials, test.service, "PUT", "http://emu/bucket/key", "hello", test.signedAt, func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "1") })
			test.spoil(r)
			_, err := at(now).Verify(r)
			wantKind(t, err, test.want)
		})
	}
}

// TestMaxBody: a service's own limit counts for that service only.
func TestMaxBody(t *testing.T) {
	verifier := NewVerifier(known, Options{Now: func() time.Time { return now }, MaxBody: map[string]int64{"s3": 5}})
	for _, test := range []struct {
		service, body string
		want          Kind
	}{
		{"s3", "hello", ""}, {"s3", "hello!", TooLarge}, {"sts", "hello!", ""},
	} {
		_, err := verifier.Verify(sign(t, temporary, test.service, "PUT", "http://emu/bucket/key", test.body, now))
		if test.want == "" && err != nil {
			t.Errorf("%s %q: %v", test.service, test.body, err)
		} else if test.want != "" {
			wantKind(t, err, test.want)
		}
	}
}

func TestUnsignedPayload(t *testing.T) {
	r := sign(t, long, "s3", "PUT", "http://emu/bucket/key", "hello", now, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") })
	if _, err := at(now).Verify(r); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(r.Body); string(got) != "hello" {
		t.Errorf("body = %q", got)
	}
}

func TestPresigned(t *testing.T) {
	tests := []struct {
		name    string
		service string
		after   time.Duration
		spoil   func(url.Values)
		want    Kind
	}{
		{"fresh", "s3", 0, nil, ""},
		{"at its end", "s3", time.Hour, nil, ""},
		{"past its end", "s3", time.Hour + time.Second, nil, PresignedExpired},
		{"from the future", "s3", -16 * time.Minute, nil, Skewed},
		{"longer life", "s3", 0, func(q url.Values) { q.Set("X-Amz-Expires", "7200") }, SignatureMismatch},
		{"over a week", "s3", 0, func(q url.Values) { q.Set("X-Amz-Expires", "604801") }, Incomplete},
		{"negative life", "s3", 0, func(q url.Values) { q.Set("X-Amz-Expires", "-1") }, Incomplete},
		{"signature twice", "s3", 0, func(q url.Values) { q.Add("X-Amz-Signature", q.Get("X-Amz-Signature")) }, Incomplete},
		{"no signature", "s3", 0, func(q url.Values) { q.Del("X-Amz-Signature") }, Incomplete},
		{"another parameter", "s3", 0, func(q url.Values) { q.Set("acl", "") }, SignatureMismatch},
		{"token removed", "s3", 0, func(q url.Values) { q.Del("X-Amz-Security-Token") }, InvalidToken},
		{"another service", "sts", 0, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hash := unsignedPayload
			if test.service != "s3" {
				hash = emptyHash
			}
			r, err := http.NewRequest("GET", "http://emu/bucket/a%20b?X-Amz-Expires=3600", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), temporary, r, hash, test.service, "us-west-2", now, func(o *v4.SignerOptions) {
				o.DisableURIPathEscaping = test.service == "s3"
			})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewRequest("GET", signed, http.NoBody)
			if test.spoil != nil {
				query := server.URL.Query()
				test.spoil(query)
				server.URL.RawQuery = query.Encode()
			}
			identity, err := at(now.Add(test.after)).verifyWithoutExpiry(server)
			wantKind(t, err, test.want)
			if err == nil && !identity.Presigned {
				t.Error("not reported as presigned")
			}
		})
	}
}

// verifyWithoutExpiry verifies with credentials that do not expire with the URL, so that the URL's own lifetime counts.
func (v *Verifier) verifyWithoutExpiry(r *http.Request) (*Identity, error) {
	everlasting := store{"ASIATEMP": {Credentials{SecretAccessKey: "short secret"}, "token/+="}}
	return NewVerifier(everlasting, Options{Now: v.now}).Verify(r)
}

// sorted joins names in the order of SignedHeaders.
func sorted(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ";")
}

// TestPresignedLife: a service may have its own lifetime for presigned URLs, longer or shorter than X-Amz-Expires. STS has
// 15 minutes (https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go).
func TestPresignedLife(t *testing.T) {
	for _, test := range []struct {
		service, expires string
		after            time.Duration
		want             Kind
	}{
		{"sts", "60", 61 * time.Second, ""},
		{"sts", "60", 15 * time.Minute, ""},
		{"sts", "60", 15*time.Minute + time.Second, PresignedExpired},
		{"sts", "3600", 15 * time.Minute, ""},
		{"sts", "3600", 16 * time.Minute, PresignedExpired},
		{"s3", "60", 60 * time.Second, ""},
		{"s3", "60", 61 * time.Second, PresignedExpired},
		{"s3", "3600", 16 * time.Minute, ""},
	} {
		hash := unsignedPayload
		if test.service != "s3" {
			hash = emptyHash
		}
		r, err := http.NewRequest("GET", "http://emu/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires="+test.expires, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-K8s-Aws-Id", "epi")
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), temporary, r, hash, test.service, "us-west-2", now)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewRequest("GET", signed, http.NoBody)
		server.Header.Set("X-K8s-Aws-Id", "epi")
		verifier := NewVerifier(known, Options{Now: func() time.Time { return now.Add(test.after) }, PresignedLife: map[string]time.Duration{"sts": 15 * time.Minute}})
		_, err = verifier.Verify(server)
		var kind Kind
		if refused, ok := errors.AsType[*Error](err); ok {
			kind = refused.Kind
		}
		if kind != test.want {
			t.Errorf("%s with X-Amz-Expires=%s after %s: %v, want %q", test.service, test.expires, test.after, err, test.want)
		}
	}
}
