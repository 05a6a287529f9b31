package probe

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func answering(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// OPS-01: 200 only if every bind host answers 404 on /.
func TestProbe(t *testing.T) {
	well := answering(t, http.NotFound)
	wrong := answering(t, func(http.ResponseWriter, *http.Request) {})
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, row := range map[string]struct {
		addresses []string
		want      int
	}{
		"one":             {[]string{well}, 200},
		"both":            {[]string{well, well}, 200},
		"second is wrong": {[]string{well, wrong}, 500},
		"first is gone":   {[]string{strings.TrimPrefix(gone.URL, "http://"), well}, 500},
		"no such address": {[]string{"no address"}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			New(row.addresses, slog.New(slog.DiscardHandler)).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if recorder.Code != row.want {
				t.Errorf("status %d, want %d", recorder.Code, row.want)
			}
		})
	}
}

// OPS-01: 408 when the time for all addresses together is over.
func TestProbeOfASilentAgent(t *testing.T) {
	release := make(chan struct{})
	silent := answering(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	h := newHandler([]string{silent}, slog.New(slog.DiscardHandler))
	if h.timeout != 10*time.Second {
		t.Errorf("a probe takes up to %s", h.timeout)
	}
	h.timeout = 20 * time.Millisecond
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if recorder.Code != http.StatusRequestTimeout {
		t.Errorf("status %d", recorder.Code)
	}
}
