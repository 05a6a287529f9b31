package serviceaccounts

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
)

const metadata = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"namespace":"ns","name":%q,"resourceVersion":"7","annotations":{"role":"1"}}}`

// server is an API server whose list has "listed", and whose watch then reports "watched".
func server(t *testing.T) *rest.Config {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if accept := r.Header.Get("Accept"); !strings.Contains(accept, "as=PartialObjectMetadata") {
			t.Errorf("%s accepts %q, so whole accounts would be sent", r.URL, accept)
		}
		w.Header().Set("Content-Type", "application/json")
		query := r.URL.Query()
		switch {
		case r.URL.Path == "/api/v1/namespaces/ns/serviceaccounts/asked":
			_, _ = fmt.Fprintf(w, metadata, "asked")
		case r.URL.Path != "/api/v1/serviceaccounts":
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"no such account"}`)
		case query.Get("sendInitialEvents") == "true": // before Kubernetes 1.34
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
		case query.Get("watch") == "true":
			_, _ = fmt.Fprintf(w, `{"type":"ADDED","object":`+metadata+"}\n", "watched")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			_, _ = fmt.Fprintf(w, `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"6"},"items":[`+metadata+`]}`, "listed")
		}
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return &rest.Config{Host: s.URL}
}

func TestClientListsWatchesAndGets(t *testing.T) {
	client, err := NewClient(server(t))
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := New(client, time.Second, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go accounts.Run(t.Context())
	if !accounts.WaitSynced(t.Context(), 10*time.Second) {
		t.Fatal("not synced within 10 s")
	}
	for _, name := range []string{"listed", "watched", "asked"} {
		eventually(t, accounts, name, "1")
	}
	if got, err := client.Get(t.Context(), "ns", "never"); err == nil || !strings.Contains(err.Error(), "no such account") {
		t.Errorf("got %v, %v", got, err)
	}
}
