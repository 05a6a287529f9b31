package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/util/cert"

	"github.com/podidentity/epi/clusters/webhook/injection"
)

func freePort(t *testing.T) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs a webhook until the test ends and returns a client that trusts it.
func start(t *testing.T, config string) (Options, *http.Client) {
	t.Helper()
	folder := t.TempDir()
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		ConfigFile: filepath.Join(folder, "config.json"), CertFile: filepath.Join(folder, "tls.crt"), KeyFile: filepath.Join(folder, "tls.key"),
		MinTLSVersion: tls.VersionTLS13, Port: freePort(t), MetricsPort: freePort(t), Injection: injection.DefaultSettings(),
	}
	write(t, options.ConfigFile, config)
	write(t, options.CertFile, string(certificate))
	write(t, options.KeyFile, string(key))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, options, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	return options, client
}

// eventually polls until the answer has a status and holds a text.
func eventually(t *testing.T, client *http.Client, url string, status int, text string) string {
	t.Helper()
	var last string
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		response, err := client.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if last = fmt.Sprint(response.StatusCode, " ", string(body)); response.StatusCode == status && strings.Contains(string(body), text) {
			return string(body)
		}
	}
	t.Fatalf("%s: want %d %s, last was %s", url, status, text, last)
	return ""
}

const review = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","namespace":"ns","object":{"metadata":{},"spec":{"serviceAccountName":"sa","containers":[{"name":"a"}]}}}}`

// OPS-03, and a new identity within 2 s.
func TestRun(t *testing.T) {
	options, client := start(t, "")
	base, metrics := fmt.Sprintf("https://127.0.0.1:%d", options.Port), fmt.Sprintf("http://127.0.0.1:%d/metrics", options.MetricsPort)
	if body := eventually(t, client, base+"/healthz", 200, ""); body != "ok" {
		t.Errorf("/healthz says %q", body)
	}
	eventually(t, client, base+"/readyz", 200, "ok")
	eventually(t, client, metrics, 200, "pod_identity_webhook_used 0")

	mutate := func() string {
		response, err := client.Post(base+"/mutate", "application/json", bytes.NewReader([]byte(review)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, _ := io.ReadAll(response.Body)
		return string(body)
	}
	if got := mutate(); strings.Contains(got, "patch") || !strings.Contains(got, `"allowed":true`) {
		t.Errorf("before the association: %s", got)
	}
	write(t, options.ConfigFile, `{"identities":[{"namespace":"ns","serviceAccount":"sa"}]}`)
	var got string
	begin := time.Now()
	for !strings.Contains(got, `"patch"`) {
		if time.Since(begin) > 2*time.Second {
			t.Fatalf("2 s after the association: %s", got)
		}
		got = mutate()
	}
	text := eventually(t, client, metrics, 200, "pod_identity_webhook_used 1")
	for _, want := range []string{
		`http_request_count{code="200",path="/mutate",verb="POST"}`, `http_request_latencies_bucket{path="/mutate",verb="POST"`,
		`http_request_duration_microseconds_sum{path="/mutate",verb="POST"}`, `pod_identity_webhook_pod_count{method="container_credentials"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestNotReadyWithAMalformedFile(t *testing.T) {
	options, client := start(t, "{")
	base := fmt.Sprintf("https://127.0.0.1:%d", options.Port)
	eventually(t, client, base+"/readyz", 503, "config was not read yet")
	eventually(t, client, base+"/healthz", 200, "ok")
}

func TestOldTLSIsRefused(t *testing.T) {
	options, client := start(t, "")
	base := fmt.Sprintf("https://127.0.0.1:%d/healthz", options.Port)
	eventually(t, client, base, 200, "ok")
	old := client.Transport.(*http.Transport).Clone()
	old.TLSClientConfig.MaxVersion = tls.VersionTLS12
	if response, err := (&http.Client{Transport: old}).Get(base); err == nil {
		t.Errorf("got %s over TLS 1.2", response.Status)
	}
}
