package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/podidentity/epi/framework/probe"
)

// closedAddress is a loopback address that refuses connections.
func closedAddress(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return server.URL
}

// workload sets the environment of a pod: no credentials, and AWS at handler.
func workload(t *testing.T, handler http.Handler) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", closedAddress(t))
}

func doProbe[T any](t *testing.T, args ...string) T {
	t.Helper()
	var out, errOut bytes.Buffer
	if code := run(t.Context(), append([]string{"do"}, args...), &out, &errOut); code != 0 {
		t.Fatalf("do %q: exit code %d: %s", args, code, errOut.String())
	}
	var result T
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatalf("do %q printed %q: %v", args, out.String(), err)
	}
	return result
}

func withKeys(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
}

func TestIdentityWithoutAnySource(t *testing.T) {
	workload(t, http.NotFoundHandler())
	got := doProbe[probe.Identity](t, "identity")
	if got.Failure == nil || got.Failure.Class != probe.NoCredentials {
		t.Errorf("got %+v, want the class %s", got, probe.NoCredentials)
	}
}

func TestIdentityDistinguishesABrokenSourceFromNone(t *testing.T) {
	workload(t, http.NotFoundHandler())
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", closedAddress(t)+"/v1/credentials")
	got := doProbe[probe.Identity](t, "identity")
	if got.Failure == nil || got.Failure.Class != probe.CredentialsFailed {
		t.Errorf("got %+v, want the class %s", got, probe.CredentialsFailed)
	}
}

func TestIdentityThroughTheAgent(t *testing.T) {
	const token = "the-projected-token"
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != token {
			http.Error(w, "Service account token cannot be empty", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"verysecret","Token":"session","Expiration":"2999-01-01T00:00:00Z"}`)
	}))
	defer agent.Close()
	workload(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123456789012:assumed-role/reader/eks-epi-pod-1</Arn><UserId>AROA:eks-epi-pod-1</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL+"/v1/credentials")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
	got := doProbe[probe.Identity](t, "identity")
	want := probe.Identity{
		Source: "CredentialsEndpointProvider", AccessKeyID: "ASIA…MPLE",
		ARN: "arn:aws:sts::123456789012:assumed-role/reader/eks-epi-pod-1", Account: "123456789012", UserID: "AROA:eks-epi-pod-1",
	}
	if got.Failure != nil || got != want {
		t.Errorf("got %+v (failure %v), want %+v", got, got.Failure, want)
	}
}

// The seed's third observation: the text of `aws s3 cp` for another namespace's prefix.
func TestCopyReportsTheRefusedHeadObject(t *testing.T) {
	workload(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	withKeys(t)
	got := doProbe[probe.Object](t, "s3-cp", "bucket", "epi/other/test.txt")
	if f := got.Failure; f == nil || f.Operation != "HeadObject" || f.Status != 403 || f.Class != probe.APIError {
		t.Errorf("got %+v, want HeadObject to be refused with 403", got.Failure)
	}
	var out, errOut bytes.Buffer
	code := run(t.Context(), []string{"s3", "cp", "s3://bucket/epi/other/test.txt", "-"}, &out, &errOut)
	if want := "fatal error: An error occurred (403) when calling the HeadObject operation: Forbidden\n"; code != awsCLIError || errOut.String() != want {
		t.Errorf("exit code %d, message %q; want %d and %q", code, errOut.String(), awsCLIError, want)
	}
}

func TestCopyDownloads(t *testing.T) {
	contents := "what the object holds\n"
	var asked []string
	workload(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Length", fmt.Sprint(len(contents)))
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, contents)
		}
	}))
	withKeys(t)
	got := doProbe[probe.Object](t, "--body", "s3-cp", "bucket", "epi/default/test.txt")
	if got.Failure != nil || string(got.Body) != contents || got.Size != int64(len(contents)) || len(got.SHA256) != 64 {
		t.Errorf("got %+v (failure %v)", got, got.Failure)
	}
	if want := "[HEAD /bucket/epi/default/test.txt GET /bucket/epi/default/test.txt]"; fmt.Sprint(asked) != want {
		t.Errorf("asked %v, want %s", asked, want)
	}
}

func TestSeedWordsWithoutCredentials(t *testing.T) {
	workload(t, http.NotFoundHandler())
	var out, errOut bytes.Buffer
	code := run(t.Context(), []string{"s3", "cp", "s3://bucket/key", "-"}, &out, &errOut)
	if code != awsCLIError || !strings.HasPrefix(errOut.String(), "Unable to locate credentials.") {
		t.Errorf("exit code %d, message %q", code, errOut.String())
	}
}

func TestTokenReportsClaimsAndNotTheToken(t *testing.T) {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": []string{"pods.eks.amazonaws.com"}, "sub": "system:serviceaccount:ns:reader", "exp": 2000000000, "iat": 1999913600,
		"kubernetes.io": map[string]any{
			"namespace": "ns", "serviceaccount": map[string]string{"name": "reader", "uid": "u1"}, "pod": map[string]string{"name": "p", "uid": "u2"},
		},
	}).SignedString([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(signed), 0o640); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"do", "token", file}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	for _, part := range strings.Split(signed, ".") {
		if strings.Contains(out.String(), part) {
			t.Error("a part of the token was printed")
		}
	}
	var got probe.Token
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	c := got.Claims
	if got.Failure != nil || got.Mode != "-rw-r-----" || c.Subject != "system:serviceaccount:ns:reader" || c.Audience[0] != "pods.eks.amazonaws.com" ||
		c.Pod != (probe.Reference{Name: "p", UID: "u2"}) || c.Expires.Sub(c.IssuedAt).Hours() != 24 {
		t.Errorf("got %+v", got)
	}
}

func TestTokenThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + ".missing"} {
		if got := doProbe[probe.Token](t, "token", path); got.Failure == nil {
			t.Errorf("%s: got %+v, want a failure", path, got)
		}
	}
}

func TestMetadata(t *testing.T) {
	answering := http.NewServeMux()
	answering.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") == "" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, "session")
	})
	answering.HandleFunc("GET /latest/meta-data/iam/security-credentials/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Aws-Ec2-Metadata-Token") == "session" {
			_, _ = io.WriteString(w, "epi-node\n")
		}
	})
	server := httptest.NewServer(answering)
	defer server.Close()
	ended := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ended }))
	defer silent.Close()
	defer close(ended)

	for name, row := range map[string]struct {
		endpoint string
		want     probe.MetadataOutcome
		role     string
	}{
		"answers": {server.URL, probe.MetadataAnswered, "epi-node"},
		"silent":  {silent.URL, probe.MetadataTimeout, ""},
		"refuses": {closedAddress(t), probe.MetadataRefused, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", row.endpoint)
			got := doProbe[probe.Metadata](t, "--timeout", "300ms", "imds")
			if got.Outcome != row.want || got.Role != row.role {
				t.Errorf("got %+v, want %s and role %q", got, row.want, row.role)
			}
		})
	}
}

func TestHTTPRedactsCredentials(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"verysecret","Token":"t","AccountId":%q}`, r.Host)
	}))
	defer server.Close()
	got := doProbe[probe.Response](t, "--header", "Host: example.com", "http", "GET", server.URL)
	if got.Status != 200 || got.Header["Content-Type"] != "application/json" {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(got.Body, "verysecret") || strings.Contains(got.Body, "ASIA") || !strings.Contains(got.Body, "example.com") {
		t.Errorf("body %s", got.Body)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{}, {"dance"}, {"do"}, {"do", "dance"}, {"do", "s3-get", "bucket"}, {"do", "--header", "nonsense", "env"}, {"s3", "mv"}} {
		var out, errOut bytes.Buffer
		if code := run(t.Context(), args, &out, &errOut); code != exitUsage || errOut.Len() == 0 {
			t.Errorf("%q: exit code %d, message %q", args, code, errOut.String())
		}
	}
}

func TestVariablesHideSecrets(t *testing.T) {
	workload(t, http.NotFoundHandler())
	withKeys(t)
	got := doProbe[probe.Variables](t, "env")
	if got["AWS_REGION"] != "us-west-2" || got["AWS_SECRET_ACCESS_KEY"] != probe.Redacted {
		t.Errorf("got %v", got)
	}
}
