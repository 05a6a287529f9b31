package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/podidentity/epi/clusters/agent/cache"
	"github.com/podidentity/epi/clusters/agent/credentials"
	"github.com/podidentity/epi/clusters/agent/validation"
)

// CredentialsPath is the path of pods' requests for credentials.
const CredentialsPath = "/v1/credentials"

// store has the JSON documents of credentials for tokens.
type store interface {
	// Cached returns at once what may be served for a token.
	Cached(token string, from netip.Addr) ([]byte, bool)
	// Get may call EKS Auth. The error is cache.ErrBusy if too many requests wait already.
	Get(ctx context.Context, token validation.Token, from netip.Addr) ([]byte, error)
}

// handler answers pods. All listeners share it.
type handler struct {
	cache     store
	responses responses
	log       *slog.Logger
}

func newHandler(s store, r responses, log *slog.Logger) *handler {
	return &handler{cache: s, responses: r, log: log}
}

// ServeHTTP answers every method in the same way, as upstream does. Every other path is 404, which the agent's own probes
// rely on.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != CredentialsPath {
		http.NotFound(w, r)
		return
	}
	document, subject, err := h.credentials(r)
	if errors.Is(err, cache.ErrBusy) { // no line in the log for each, because there are floods of them
		h.responses.count(http.StatusTooManyRequests)
		http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
		return
	}
	if err != nil {
		h.refuse(w, r, subject, err)
		return
	}
	h.responses.count(http.StatusOK)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document) // the pod may have closed the connection
	if h.log.Enabled(r.Context(), slog.LevelDebug) {
		h.log.DebugContext(r.Context(), "Served credentials", "source", r.RemoteAddr)
	}
}

// credentials returns the answer's document. It returns the subject, for logs, only if the cache had no answer.
func (h *handler) credentials(r *http.Request) (document []byte, subject string, err error) {
	if err := validation.Host(r.Host); err != nil {
		return nil, "", err
	}
	raw := r.Header.Get("Authorization")
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // an invalid address stands for an unknown one
	from := peer.Addr().Unmap()
	// A token that is in the cache was parsed on its first request. Only what changes with time is checked.
	if document, ok := h.cache.Cached(raw, from); ok {
		return document, "", nil
	}
	token, err := validation.ParseToken(raw)
	if err != nil {
		return nil, "", err
	}
	document, err = h.cache.Get(r.Context(), token, from)
	return document, token.Subject, err
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, subject string, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Cause(r.Context())) {
		h.log.DebugContext(r.Context(), "Client went away", "source", r.RemoteAddr, "subject", subject)
		return
	}
	status, text := http.StatusInternalServerError, err.Error()
	var rejection *validation.Rejection
	var failure *credentials.Error
	switch {
	case errors.As(err, &rejection):
		status, text = rejection.Status, rejection.Message
	case errors.As(err, &failure):
		status, text = failure.Status, failure.Body
	}
	h.responses.count(status)
	// The error's own text, not the answer's, which may repeat the token.
	h.log.WarnContext(r.Context(), "Refused credentials", "status", status, "source", r.RemoteAddr, "subject", subject, "error", err)
	http.Error(w, text, status)
}
