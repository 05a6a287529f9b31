package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/faults"
)

// ErrNoCluster is what Clusters returns for a cluster that was not registered.
var ErrNoCluster = errors.New("no such cluster")

// Clusters are the emulator's clusters.
type Clusters interface {
	// RegisterCluster makes a cluster known or changes it. An error is the caller's fault.
	RegisterCluster(name string, cluster Cluster) error
	// UnregisterCluster forgets a cluster and what is in it, if it is known.
	UnregisterCluster(name string) error
	// Identities returns the current identities. If after is the current revision, it first waits for another one or until
	// ctx ends.
	Identities(ctx context.Context, cluster, after string) (Identities, error)
}

// HopLimiter is the listener of the instance metadata service.
type HopLimiter interface {
	HopLimit() int
	// SetHopLimit refuses a number that is no hop limit.
	SetHopLimit(hopLimit int) error
}

// V1Switch turns IMDSv1 on and off, which serves instance metadata without a session token.
type V1Switch interface {
	V1Enabled() bool
	SetV1Enabled(enabled bool) error
}

// ErrStale is what Makers returns for a report about something that no longer exists.
var ErrStale = errors.New("stale report")

// Makers is for programs that create what EKS is asked for.
type Makers interface {
	// Wanted returns the wanted state. If after is the current revision, it first waits for another one or until ctx ends.
	Wanted(ctx context.Context, after string) Wanted
	// Observe and the others accept reports. An error is the caller's fault.
	Observe(cluster string, report Observed) error
	ObserveNodegroup(cluster, name string, report ObservedPart) error
	ObserveAddon(cluster, name string, report ObservedPart) error
}

// Quotas are those that can be set.
type Quotas interface {
	AssociationLimit() int
	// SetAssociationLimit refuses a number that is no limit.
	SetAssociationLimit(limit int) error
}

// Journal keeps the calls; *journal.Ring does.
type Journal interface {
	// Wait returns the kept calls that match query, oldest first, and the number of the newest call of all. If none
	// matches, it waits for one or until ctx ends.
	Wait(ctx context.Context, query Query) (calls []Call, last uint64)
	Counts() []Count
	Reset()
}

// Resetter restores services to their initial state.
type Resetter interface {
	Reset(ctx context.Context) error
}

// Options of the server.
type Options struct {
	// Token authorises everything, and SyncToken only the identities. Both are needed, and must differ.
	Token, SyncToken string
	Clusters         Clusters
	// Makers is nil if the emulator's EKS has no clusters to create.
	Makers Makers
	// TokenReviews answers the TokenReviews of a cluster's API server; nil if the emulator authenticates no users.
	TokenReviews func(cluster string) http.Handler
	Journal      Journal
	// Faults is nil if the emulator has none.
	Faults *faults.Set
	// IMDS is nil if the emulator serves no instance metadata. IMDSv1 is nil then too, or if it cannot be changed.
	IMDS   HopLimiter
	IMDSv1 V1Switch
	// Quotas is nil if they cannot be changed.
	Quotas Quotas
	// Resetter is nil if the emulator cannot be reset.
	Resetter Resetter
	// Known is called with the context of each request whose token authorises it. It may be nil.
	Known func(context.Context)
}

type server struct {
	Options
	// These are digests of the tokens: comparing digests takes the same time for any length.
	token, syncToken [sha256.Size]byte
}

// NewHandler serves the API.
func NewHandler(options Options) (http.Handler, error) {
	if options.Token == "" || options.SyncToken == "" || options.Token == options.SyncToken {
		return nil, errors.New("make control API: needs two tokens that differ, one for the harness and one to sync")
	}
	s := &server{Options: options, token: sha256.Sum256([]byte(options.Token)), syncToken: sha256.Sum256([]byte(options.SyncToken))}
	mux := http.NewServeMux()
	mux.Handle("/healthz", methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	}})
	// The synchronisation token authorises one path only. All other paths need the harness's token.
	mux.Handle("/v1/clusters/{name}/identities", methods{http.MethodGet: s.guard(s.identities, s.token, s.syncToken)})
	// An API server authenticates with the synchronisation token: it learns only what it has shown itself.
	mux.Handle("/v1/clusters/{name}/tokenreviews", methods{http.MethodPost: s.guard(s.tokenReview, s.token, s.syncToken)})
	for path, byMethod := range map[string]methods{
		"/v1/clusters/{name}": {http.MethodPut: s.registerCluster, http.MethodDelete: s.unregisterCluster},
		"/v1/wanted":          {http.MethodGet: s.wanted},

		"/v1/observed/{cluster}":                   {http.MethodPut: s.observe},
		"/v1/observed/{cluster}/nodegroups/{name}": {http.MethodPut: s.observePart(Makers.ObserveNodegroup)},
		"/v1/observed/{cluster}/addons/{name}":     {http.MethodPut: s.observePart(Makers.ObserveAddon)},

		"/v1/imds":        {http.MethodGet: s.getMetadata, http.MethodPut: s.putMetadata},
		"/v1/quotas":      {http.MethodGet: s.getQuotas, http.MethodPut: s.putQuotas},
		"/v1/calls":       {http.MethodGet: s.calls, http.MethodDelete: s.clearCalls},
		"/v1/counts":      {http.MethodGet: s.counts},
		"/v1/faults":      {http.MethodGet: s.faults, http.MethodPost: s.addFault, http.MethodDelete: s.clearFaults},
		"/v1/faults/{id}": {http.MethodDelete: s.removeFault},
		"/v1/reset":       {http.MethodPost: s.reset},
	} {
		for method, handler := range byMethod {
			byMethod[method] = s.guard(handler, s.token)
		}
		mux.Handle(path, byMethod)
	}
	mux.HandleFunc("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The multiplexer would redirect an unclean path.
		if path.Clean(r.URL.Path) != r.URL.Path {
			notFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusNotFound, errors.New("the control API has no such path"))
}

// methods are the handlers of a path.
type methods map[string]http.HandlerFunc

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // the server drops the body
	}
	handler, ok := m[method]
	if !ok {
		allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		w.Header().Set("Allow", allowed)
		refuse(w, http.StatusMethodNotAllowed, fmt.Errorf("the path takes %s only", allowed))
		return
	}
	handler(w, r)
}

// guard accepts requests with one of the tokens. It answers 401 to a missing or unknown token, and 403 to a token without
// this permission.
func (s *server) guard(next http.HandlerFunc, accepted ...[sha256.Size]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given := sha256.Sum256([]byte(secretOf(r)))
		known := subtle.ConstantTimeCompare(given[:], s.token[:]) | subtle.ConstantTimeCompare(given[:], s.syncToken[:])
		allowed := 0
		for _, token := range accepted {
			allowed |= subtle.ConstantTimeCompare(given[:], token[:])
		}
		switch {
		case known == 0:
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, errors.New("a bearer token of the control API is needed"))
		case allowed == 0:
			refuse(w, http.StatusForbidden, errors.New("this token may only watch identities and review tokens"))
		default:
			if s.Known != nil {
				s.Known(r.Context())
			}
			next(w, r)
		}
	}
}

// secretOf returns the token of a request: a bearer token, or the password of the Basic scheme. An API server needs the
// latter, because its client sends a bearer token over TLS only and accepts a password in a URL.
func secretOf(r *http.Request) string {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return bearer
	}
	_, password, _ := r.BasicAuth()
	return password
}

func (s *server) registerCluster(w http.ResponseWriter, r *http.Request) {
	var cluster Cluster
	if !read(w, r, &cluster) {
		return
	}
	if err := s.Clusters.RegisterCluster(r.PathValue("name"), cluster); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) unregisterCluster(w http.ResponseWriter, r *http.Request) {
	if err := s.Clusters.UnregisterCluster(r.PathValue("name")); err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) identities(w http.ResponseWriter, r *http.Request) {
	p, ok := readParameters(w, r, "after", "wait")
	if !ok {
		return
	}
	wait, err := p.wait()
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	identities, err := s.Clusters.Identities(ctx, r.PathValue("name"), p.Get("after"))
	switch {
	case errors.Is(err, ErrNoCluster):
		refuse(w, http.StatusNotFound, err)
	case err != nil:
		refuse(w, http.StatusInternalServerError, err)
	default:
		reply(w, http.StatusOK, identities)
	}
}

func (s *server) tokenReview(w http.ResponseWriter, r *http.Request) {
	if s.TokenReviews == nil {
		refuse(w, http.StatusNotFound, errors.New("the emulator authenticates nobody for clusters"))
		return
	}
	s.TokenReviews(r.PathValue("name")).ServeHTTP(w, r)
}

func (s *server) reset(w http.ResponseWriter, r *http.Request) {
	if s.Resetter == nil {
		refuse(w, http.StatusNotFound, errors.New("the emulator cannot be reset"))
		return
	}
	// Faults are cleared first, so that no request is delayed during the reset.
	if s.Faults != nil {
		s.Faults.Clear()
	}
	if err := s.Resetter.Reset(r.Context()); err != nil {
		refuse(w, http.StatusInternalServerError, fmt.Errorf("reset: %w", err))
		return
	}
	s.Journal.Reset()
	w.WriteHeader(http.StatusNoContent)
}

func refuse(w http.ResponseWriter, status int, err error) { reply(w, status, problem{err.Error()}) }

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Every type of v can be encoded. Only the connection can fail, and then there is no reader.
	_ = json.NewEncoder(w).Encode(v)
}
