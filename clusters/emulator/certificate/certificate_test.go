package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/certificate"
)

func authority(t *testing.T) *certificate.Authority {
	t.Helper()
	a, err := certificate.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve answers over TLS with a certificate for hosts.
func serve(t *testing.T, a *certificate.Authority, hosts ...string) *httptest.Server {
	t.Helper()
	pair, err := a.Server(time.Now(), hosts...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// get sends a request over TLS, and trusts only the authority.
func get(t *testing.T, server *httptest.Server, trusted *certificate.Authority, name string) error {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(trusted.Certificate()) {
		t.Fatal("the authority's certificate is no PEM")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}}}
	defer client.CloseIdleConnections()
	response, err := client.Get(server.URL)
	if err == nil {
		_ = response.Body.Close() // the answer has no body
	}
	return err
}

func TestClientsTrustWhatTheAuthoritySigns(t *testing.T) {
	a := authority(t)
	text, err := a.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := certificate.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, kept, "localhost", "127.0.0.1", "emulator.example")
	for _, name := range []string{"", "localhost", "emulator.example"} {
		if err := get(t, server, a, name); err != nil {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if err := get(t, server, a, "other.example"); err == nil {
		t.Error("a name that is not in the certificate is trusted")
	}
	if err := get(t, server, authority(t), ""); err == nil {
		t.Error("another authority's certificate is trusted")
	}
	if strings.Contains(string(a.Certificate()), "PRIVATE") {
		t.Error("the private key is in what clients get")
	}
}

func TestAuthorityEnds(t *testing.T) {
	a := authority(t)
	for _, test := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {24 * time.Hour, true}, {9 * 365 * 24 * time.Hour, false}, {-2 * time.Hour, false}} {
		if got := a.Valid(time.Now().Add(test.after)); got != test.want {
			t.Errorf("valid after %s: %v", test.after, got)
		}
	}
}

func TestWrongInput(t *testing.T) {
	if _, err := authority(t).Server(time.Now()); err == nil {
		t.Error("a certificate for nobody")
	}
	pair, err := authority(t).Server(time.Now(), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if len(pair.Certificate) != 2 {
		t.Errorf("chain of %d", len(pair.Certificate))
	}
	for _, text := range []string{"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if _, err := certificate.Parse([]byte(text)); err == nil {
			t.Errorf("parsed %q", text)
		}
	}
}
