package emulator_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// presigned returns a URL for STS, which is changed before it is signed.
func presigned(t *testing.T, f *emulatortest.Fixture, who *emulatortest.Clients, at time.Time, change func(*http.Request, url.Values)) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://sts.us-west-2.amazonaws.com/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Expires": {"60"}}
	r.Header.Set("x-k8s-aws-id", f.Name)
	if change != nil {
		change(r, query)
	}
	r.URL.RawQuery = query.Encode()
	credentials, err := who.Config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), credentials, r, empty, "sts", "us-west-2", at)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

type reviewed struct {
	Status struct {
		Authenticated bool
		Error         string
		User          struct {
			Username string
			Groups   []string
		}
	}
}

// review asks as the API server of a cluster does.
func review(t *testing.T, handler http.Handler, cluster, token string) reviewed {
	t.Helper()
	body, err := json.Marshal(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]string{"token": token}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/clusters/"+cluster+"/tokenreviews", bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer token-to-sync")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var out reviewed
	if err := json.Unmarshal(w.Body.Bytes(), &out); w.Code != http.StatusOK || err != nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return out
}

func token(url string) string {
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(url))
}

// TestTokens: valid tokens, and similar ones that are not valid
// (https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go).
func TestTokens(t *testing.T) {
	f := emulatortest.Start(t).Fixture(t, "tokens")
	f.Cluster()
	handler, err := f.Emulator.ControlHandler(nil)
	if err != nil {
		t.Fatal(err)
	}
	admin := f.Admin()
	principal := "arn:aws:iam::123456789012:user/epi-admin"
	if _, err := admin.EKS.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: &f.Name, PrincipalArn: &principal, KubernetesGroups: []string{"readers"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.EKS.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{
		ClusterName: &f.Name, PrincipalArn: &principal, PolicyArn: aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"),
		AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster},
	}); err != nil {
		t.Fatal(err)
	}
	now := f.Now()
	with := func(change func(*http.Request, url.Values)) string { return presigned(t, f, admin, now, change) }
	edited := func(old, new string) string {
		signed := with(nil)
		if !strings.Contains(signed, old) {
			t.Fatalf("no %s in %s", old, signed)
		}
		return token(strings.Replace(signed, old, new, 1))
	}
	good := token(with(nil))
	for _, test := range []struct {
		name, cluster, token, says string
	}{
		{"good", f.Name, good, ""},
		{"signed 14 minutes ago for 60 seconds", f.Name, token(presigned(t, f, admin, now.Add(-14*time.Minute), nil)), ""},
		{"the region's address", f.Name, token(with(func(r *http.Request, _ url.Values) {
			r.URL.Scheme, r.URL.Host, r.Host = "http", "127.0.0.1:4566", "127.0.0.1:4566"
		})), ""},
		{"a container's name", f.Name, token(with(func(r *http.Request, _ url.Values) {
			r.URL.Scheme, r.URL.Host, r.Host = "http", "epi-aws:4566", "epi-aws:4566"
		})), ""},
		{"another cluster", "other", good, "signature"},
		{"signed for another cluster", f.Name, token(with(func(r *http.Request, _ url.Values) { r.Header.Set("x-k8s-aws-id", "other") })), "signature"},
		{"the cluster not signed", f.Name, token(with(func(r *http.Request, _ url.Values) { r.Header.Del("x-k8s-aws-id") })), "not signed"},
		{"a header more", f.Name, token(with(func(r *http.Request, _ url.Values) { r.Header.Set("x-other", "1") })), "a header is signed"},
		{"another action", f.Name, token(with(func(_ *http.Request, q url.Values) { q.Set("Action", "GetSessionToken") })), "action"},
		{"two actions", f.Name, token(with(func(_ *http.Request, q url.Values) { q.Add("Action", "GetSessionToken") })), "twice"},
		{"two actions in other case", f.Name, token(with(func(_ *http.Request, q url.Values) { q.Set("action", "GetCallerIdentity") })), "twice"},
		{"a parameter more", f.Name, token(with(func(_ *http.Request, q url.Values) { q.Set("DurationSeconds", "900") })), "parameter that no token has"},
		{"signed as a POST", f.Name, token(with(func(r *http.Request, _ url.Values) { r.Method = http.MethodPost })), "signature"},
		{"another path", f.Name, token(with(func(r *http.Request, _ url.Values) { r.URL.Path = "/x" })), "path"},
		{"a path put in", f.Name, edited("amazonaws.com/?", "amazonaws.com/x?"), "path"},
		{"another host", f.Name, token(with(func(r *http.Request, _ url.Values) { r.URL.Host, r.Host = "sts.evil.example", "sts.evil.example" })), "host"},
		{"a host like STS", f.Name, token(with(func(r *http.Request, _ url.Values) {
			r.URL.Host, r.Host = "sts.amazonaws.com.evil.example", "sts.amazonaws.com.evil.example"
		})), "host"},
		{"a host put in", f.Name, edited("sts.us-west-2.", "sts."), "signature"},
		{"a user put in", f.Name, edited("https://", "https://me@"), "more than host"},
		{"http to AWS", f.Name, edited("https://", "http://"), "https"},
		{"expired", f.Name, token(presigned(t, f, admin, now.Add(-15*time.Minute-time.Second), nil)), "expired"},
		{"from the future", f.Name, token(presigned(t, f, admin, now.Add(16*time.Minute), nil)), "future"},
		{"a date put in", f.Name, edited("X-Amz-Date=2", "X-Amz-Date=1"), "expired"},
		{"a life of an hour", f.Name, token(with(func(_ *http.Request, q url.Values) { q.Set("X-Amz-Expires", "3600") })), "X-Amz-Expires"},
		{"no life", f.Name, token(with(func(_ *http.Request, q url.Values) { q.Del("X-Amz-Expires") })), "X-Amz-Expires"},
		{"another secret", f.Name, token(presigned(t, f, f.Forged(), now, nil)), "signature"},
		{"nobody's key", f.Name, token(presigned(t, f, f.As("AKIAUNKNOWN000000000", "x", ""), now, nil)), "signature"},
		{"somebody without an entry", f.Name, token(presigned(t, f, f.Unprivileged(), now, nil)), "no access entry"},
		{"another version of tokens", f.Name, "k8s-aws-v2." + strings.TrimPrefix(good, "k8s-aws-v1."), "begin with"},
		{"padded", f.Name, good + "=", "Base64"},
		{"no URL", f.Name, token("http://[::1"), "no URL"},
		{"nothing", f.Name, "", "begin with"},
		{"a long one", f.Name, good + strings.Repeat("A", 17<<10), "too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := review(t, handler, test.cluster, test.token)
			switch {
			case test.says == "" && (!got.Status.Authenticated || got.Status.User.Username != principal || !slices.Equal(got.Status.User.Groups, []string{"readers", "system:masters"})):
				t.Errorf("got %+v", got)
			case test.says != "" && (got.Status.Authenticated || !strings.Contains(got.Status.Error, test.says)):
				t.Errorf("got %+v, want %s", got, test.says)
			}
		})
	}
}
