// Package probe checks that an agent answers on every address that it serves pods on.
package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// probeTimeout is for all addresses together.
const probeTimeout = 10 * time.Second

type handler struct {
	addresses []string
	client    *http.Client
	timeout   time.Duration
	log       *slog.Logger
}

// New answers 200 if every address (host:port) answers a request for / with 404, as the agent does for all paths except
// one. It answers 408 if that takes more than 10 s, and otherwise 500.
func New(addresses []string, log *slog.Logger) http.Handler { return newHandler(addresses, log) }

func newHandler(addresses []string, log *slog.Logger) *handler {
	return &handler{
		addresses: addresses,
		// No proxy is used, because a proxy cannot reach the node's own addresses.
		client:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		timeout: probeTimeout,
		log:     log,
	}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.timeout)
	defer cancel()
	for _, address := range h.addresses {
		if err := h.probe(ctx, address); err != nil {
			h.log.WarnContext(ctx, "Probe failed", "address", address, "error", err)
			if errors.Is(err, context.DeadlineExceeded) {
				w.WriteHeader(http.StatusRequestTimeout)
				return
			}
			http.Error(w, "Internal Server Error occurred", http.StatusInternalServerError)
			return
		}
	}
}

func (h *handler) probe(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err
	}
	response, err := h.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // nothing is left to be lost
	if response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("status %d instead of %d", response.StatusCode, http.StatusNotFound)
	}
	return nil
}
