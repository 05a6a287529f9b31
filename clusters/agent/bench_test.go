package agent

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// served is the agent's handler, without a server.
func served(b *testing.B) *handler {
	b.Helper()
	mux := newAgent(b, &eksAuth{}, discard{})
	h, _ := mux.(*http.ServeMux).Handler(httptest.NewRequest(http.MethodGet, "/v1/credentials", nil))
	return h.(*handler)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// sink is a ResponseWriter that costs nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

func BenchmarkWarmRequest(b *testing.B) {
	h := served(b)
	h.log = slog.New(slog.DiscardHandler)
	r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
	r.Host = "169.254.170.23"
	r.Header.Set("Authorization", podToken(b, "reader"))
	w := &sink{header: http.Header{}}
	h.ServeHTTP(w, r)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
	if w.status != 0 {
		b.Fatalf("status %d", w.status)
	}
}

// A cold request calls an EKS Auth on loopback. Its cost is mostly the SDK's, with the signature.
func BenchmarkColdRequest(b *testing.B) {
	h := served(b)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		n++
		r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
		r.Host = "169.254.170.23"
		r.Header.Set("Authorization", podToken(b, fmt.Sprint("reader-", n)))
		w := &sink{header: http.Header{}}
		b.StartTimer()
		if h.ServeHTTP(w, r); w.status != 0 {
			b.Fatalf("status %d", w.status)
		}
	}
}
