package kind

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
)

// TestAClientEndsWithItsContext: this includes its first request to an API server that hangs, for which it takes no
// context.
func TestAClientEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	config := &rest.Config{Host: server.URL}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return until{ctx, next} })
	client, err := resources.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- client.Get(context.WithoutCancel(ctx), "name", "", &corev1.Node{}) }()
	<-asked
	interrupt()
	if err := <-ended; err == nil {
		t.Error("a server that hangs has answered")
	}
}

func TestUntilLeavesAnswersWhole(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "whole") }))
	defer server.Close()
	ctx, end := context.WithCancel(t.Context())
	client := &http.Client{Transport: until{ctx, http.DefaultTransport}}
	get := func() (string, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			return "", err
		}
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(response.Body)
		return string(text), errors.Join(err, response.Body.Close())
	}
	if text, err := get(); err != nil || text != "whole" {
		t.Errorf("%q, %v", text, err)
	}
	end()
	if text, err := get(); err == nil {
		t.Errorf("after its end: %q", text)
	}
}
