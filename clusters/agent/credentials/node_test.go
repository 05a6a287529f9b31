package credentials

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// metadata is the part of the instance metadata service, version 2, that the SDK uses.
func metadata(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
			_, _ = fmt.Fprint(w, "session")
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "session":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.TrimSuffix(r.URL.Path, "/") == "/latest/meta-data/iam/security-credentials":
			_, _ = fmt.Fprint(w, "epi-node")
		case r.URL.Path == "/latest/meta-data/iam/security-credentials/epi-node":
			_, _ = fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"ASIANODE","SecretAccessKey":"s","Token":"t","Expiration":%q}`,
				time.Now().Add(6*time.Hour).Format(time.RFC3339))
		case r.URL.Path == "/latest/dynamic/instance-identity/document":
			_, _ = fmt.Fprint(w, `{"region":"eu-north-1"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_EKS_AUTH", "AWS_ENDPOINT_URL"} {
		t.Setenv(name, "")
	}
}

func TestNodeConfigIsTheNodesRole(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata(t).URL)
	// Settings that would change the result of the default chain. The agent must not use a pod's credentials, nor call
	// itself.
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/v1/credentials")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent")
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/other")
	cfg, err := NodeConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Region != "eu-north-1" {
		t.Errorf("region %q, want the instance's", cfg.Region)
	}
	got, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "ASIANODE" {
		t.Errorf("got %s, %v, want the node's key", got.AccessKeyID, err)
	}
}

func TestNodeConfigPrefersTheEnvironment(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
	cfg, err := NodeConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "AKIDEXAMPLE" || cfg.Region != "us-west-2" {
		t.Errorf("got %s in %s, %v", got.AccessKeyID, cfg.Region, err)
	}
}

// AWS_ENDPOINT_URL_EKS_AUTH is the SDK's own variable for another endpoint. --endpoint takes precedence over it.
func TestEndpoint(t *testing.T) {
	clearEnvironment(t)
	var byVariable, byFlag atomic.Int32
	server := func(calls *atomic.Int32) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			refuse(w, 400, "InvalidTokenException", "no")
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	t.Setenv("AWS_ENDPOINT_URL_EKS_AUTH", server(&byVariable))
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	cfg, err := NodeConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []string{"", server(&byFlag)} {
		if _, err := NewClient(cfg, "epi", endpoint).Fetch(t.Context(), token); err == nil {
			t.Fatal("want an error")
		}
	}
	if byVariable.Load() != 1 || byFlag.Load() != 1 {
		t.Errorf("calls: %d by variable, %d by flag, want 1 each", byVariable.Load(), byFlag.Load())
	}
}
