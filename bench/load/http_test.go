package load

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func mustHTTP(t testing.TB, options HTTPOptions) *HTTP {
	t.Helper()
	target, err := NewHTTP(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	return target
}

func TestEachRequestCarriesItsToken(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Header.Get("Authorization")+" "+r.Host+" "+r.Method+" "+r.URL.Path]++
	}))
	defer server.Close()
	target := mustHTTP(t, HTTPOptions{
		URL: server.URL + "/v1/credentials", Tokens: []string{"a", "b"}, Header: map[string]string{"Host": "169.254.170.23"},
	})
	for n := range uint64(6) {
		if kind := target.Do(t.Context(), n); kind != "" {
			t.Fatal(kind)
		}
	}
	for _, token := range []string{"a", "b"} {
		if got := seen[token+" 169.254.170.23 GET /v1/credentials"]; got != 3 {
			t.Errorf("token %s came %d times, want 3: %v", token, got, seen)
		}
	}
}

func TestKindsOfErrors(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/throttled":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/hangs":
			<-release
		case "/cut":
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		default:
			_, _ = io.WriteString(w, "wrong")
		}
	}))
	defer server.Close()
	defer close(release)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for path, want := range map[string]string{"/throttled": "429", "/hangs": "timeout", "/cut": "reset", "/": "no credentials"} {
		target := mustHTTP(t, HTTPOptions{URL: server.URL + path, Timeout: 100 * time.Millisecond, Expect: Credentials})
		if got := target.Do(t.Context(), 0); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := mustHTTP(t, HTTPOptions{URL: "http://" + closed.Addr().String()}).Do(t.Context(), 0); got != "refused" {
		t.Errorf("nobody listens: %q", got)
	}
}

func TestConnectionsAreKeptOrNewAsAsked(t *testing.T) {
	for _, anew := range []bool{false, true} {
		var opened atomic.Int64
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		target := mustHTTP(t, HTTPOptions{URL: server.URL, NewConnections: anew})
		for n := range uint64(5) {
			if kind := target.Do(t.Context(), n); kind != "" {
				t.Error(kind)
			}
		}
		if want := map[bool]int64{false: 1, true: 5}[anew]; opened.Load() != want {
			t.Errorf("new connections %t: %d were opened, want %d", anew, opened.Load(), want)
		}
		server.Close()
	}
}

func TestTargetsThatAreNoneAreRefused(t *testing.T) {
	for _, at := range []string{"", "127.0.0.1:80", "ftp://host/", "http://"} {
		if _, err := NewHTTP(HTTPOptions{URL: at}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", at)) {
			t.Errorf("%q: error %v", at, err)
		}
	}
}
