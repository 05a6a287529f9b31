package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// freePort returns a port that is free now. The agent uses it at once.
func freePort(t *testing.T) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

func setNode(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
}

// eventually polls until the URL answers with a status.
func eventually(t *testing.T, url string, status int) string {
	t.Helper()
	var last string
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		response, err := http.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if last = response.Status; response.StatusCode == status {
			return string(body)
		}
	}
	t.Fatalf("%s: want %d, last was %s", url, status, last)
	return ""
}

func TestRunServesAndDrains(t *testing.T) {
	setNode(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	upstream := &eksAuth{}
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		upstream.ServeHTTP(w, r)
	}))
	defer slow.Close()
	options := Options{
		Cluster: "epi", Endpoint: slow.URL, Hosts: []string{"127.0.0.1"}, Port: freePort(t), ProbePort: freePort(t),
		MetricsAddress: "127.0.0.1", MetricsPort: freePort(t), CacheSize: 10, Retention: time.Hour, RenewalsPerSecond: 1,
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, options, slog.New(slog.DiscardHandler)) }()
	for _, path := range []string{"healthz", "readyz"} {
		eventually(t, fmt.Sprintf("http://127.0.0.1:%d/%s", options.ProbePort, path), 200)
	}
	if metrics := eventually(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", options.MetricsPort), 200); !strings.Contains(metrics, "pod_identity_http_response") {
		t.Errorf("metrics are\n%s", metrics)
	}

	answered := make(chan int, 1)
	go func() {
		r, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/v1/credentials", options.Port), nil)
		r.Host = "169.254.170.23"
		r.Header.Set("Authorization", podToken(t, "reader"))
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		_ = response.Body.Close()
		answered <- response.StatusCode
	}()
	<-arrived
	cancel() // the request in progress still gets its answer
	close(release)
	if status := <-answered; status != 200 {
		t.Errorf("request under way at the end got %d", status)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
}

// NET-02: a host from the options must exist. The default IPv6 address may be missing.
func TestHosts(t *testing.T) {
	setNode(t)
	options := Options{Cluster: "epi", Hosts: []string{"192.0.2.1"}, Port: freePort(t)}
	if err := Run(t.Context(), options, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "epi-agent initialize") {
		t.Errorf("got %v, want an error with the remedy", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	var s servers
	defer s.close()
	serving, err := s.listenForPods(t.Context(), Options{Hosts: []string{"[::1]"}, Port: freePort(t)}, http.NotFoundHandler, slog.New(slog.DiscardHandler))
	if err != nil && strings.Contains(err.Error(), "cannot assign") {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	if err != nil || len(serving) != 1 || !strings.HasPrefix(serving[0], "[::1]:") {
		t.Errorf("a host in brackets: %v, %v", serving, err)
	}
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	setNode(t)
	for want, options := range map[string]Options{
		"--cluster-name": {},
		"cannot keep":    {Cluster: "epi", CacheSize: 2000, Retention: time.Minute, RenewalsPerSecond: 3},
	} {
		if err := Run(t.Context(), options, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one about %s", err, want)
		}
	}
}
