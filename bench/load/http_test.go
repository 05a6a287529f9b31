package load

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
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
		t.Errorf("there is no listener: %q", got)
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

func TestBodiesGoWithTheirTokens(t *testing.T) {
	seen := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seen <- fmt.Sprintf("%s %s %s %s", r.Method, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), body)
	}))
	defer server.Close()
	for want, options := range map[string]HTTPOptions{
		"POST application/json b body of b": {Tokens: []string{"a", "b"}, Bodies: []string{"body of a", "body of b"}, Header: map[string]string{"Content-Type": "application/json"}},
		"POST   second":                     {Bodies: []string{"first", "second"}},
		"PUT  b body of all":                {Method: "PUT", Tokens: []string{"a", "b"}, Body: "body of all"},
	} {
		options.URL = server.URL
		if kind := mustHTTP(t, options).Do(t.Context(), 1); kind != "" {
			t.Fatal(kind)
		}
		if got := <-seen; got != want {
			t.Errorf("the server saw %q, want %q", got, want)
		}
	}
}

func TestHTTPSChecksCertificatesByDefault(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the refused handshake
	defer server.Close()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for want, options := range map[string][]HTTPOptions{
		"":            {{CA: authority}, {InsecureSkipVerify: true}, {CA: authority, NewConnections: true}},
		"certificate": {{}},
	} {
		for _, o := range options {
			o.URL = server.URL
			target := mustHTTP(t, o)
			for n := range uint64(2) {
				if got := target.Do(t.Context(), n); got != want {
					t.Errorf("CA given %t, insecure %t: %q, want %q", o.CA != "", o.InsecureSkipVerify, got, want)
				}
			}
		}
	}
}

// When a load ends, its requests are ended, and the next load is not affected.
func TestTheEndOfAContextCutsOff(t *testing.T) {
	began := make(chan struct{})
	hang := true
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if hang {
			close(began)
			<-release
		}
	}))
	defer server.Close()
	target := mustHTTP(t, HTTPOptions{URL: server.URL, Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if kind := target.Do(ctx, 0); kind == "" {
		t.Error("a request that was cut off succeeded")
	}
	if kind := target.Do(ctx, 1); kind != Unfinished {
		t.Errorf("after the end: %q", kind)
	}
	close(release)
	hang = false
	for n := range uint64(3) {
		ctx, cancel := context.WithCancel(t.Context())
		if kind := target.Do(ctx, n); kind != "" {
			t.Errorf("in a new load: %q", kind)
		}
		cancel()
	}
}

// If a server closes a kept connection between two requests, no request fails.
func TestAKeptConnectionThatWasClosedIsMadeAnew(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	target := mustHTTP(t, HTTPOptions{URL: server.URL})
	for n := range uint64(3) {
		if kind := target.Do(t.Context(), n); kind != "" {
			t.Fatal(kind)
		}
		server.CloseClientConnections()
	}
}
