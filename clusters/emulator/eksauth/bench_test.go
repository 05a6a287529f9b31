package eksauth

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

// BenchmarkAssumeRoleForPodIdentity measures the operation with sessions that cost nothing. The tokens differ, and are
// signed as by kubeadm's API servers. The difference between "request" and "token alone" is the cost of this package and
// restjson; the goal is 20 µs.
func BenchmarkAssumeRoleForPodIdentity(b *testing.B) {
	s := signer{oidctest.Issuer{Key: oidctest.RSA()}}
	var tokens []string
	for pod := range 64 {
		tokens = append(tokens, s.token(map[string]any{"jti": fmt.Sprint(pod)}))
	}
	w := newWorld(b, s)
	b.Run("request", func(b *testing.B) {
		service := w.service()
		template := httptest.NewRequest(http.MethodPost, "/clusters/blue/assume-role-for-pod-identity", nil)
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			body := `{"token":"` + tokens[n%len(tokens)] + `"}`
			r := *template
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			answer := discard{header: http.Header{}}
			service.ServeHTTP(&answer, &r)
			if answer.status != http.StatusOK {
				b.Fatal(answer.status)
			}
		}
	})
	b.Run("token alone", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, err := w.verifier.Verify(tokens[n%len(tokens)], now); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// discard is an http.ResponseWriter that keeps only the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
