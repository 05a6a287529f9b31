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
	// RegisterCluster makes a cluster known or changes it; an error is the caller's fault.
	RegisterCluster(name string, cluster Cluster) error
	// UnregisterCluster forgets a cluster and what is in it, if it is known.
	UnregisterCluster(name string) error
	// Identities waits, if after is the current revision, for another one or until ctx ends.
	Identities(ctx context.Context, cluster, after string) (Identities, error)
}

// HopLimiter is the listener of the instance metadata service.
type HopLimiter interface {
	HopLimit() int
	// SetHopLimit refuses what is no hop limit.
	SetHopLimit(hopLimit int) error
}

// V1Switch turns IMDSv1 on and off: whether instance metadata is served without a session token.
type V1Switch interface {
	V1Enabled() bool
	SetV1Enabled(enabled bool) error
}

// ErrStale is what Makers returns for a report about something that is not there any more.
var ErrStale = errors.New("stale report")

// Makers is for those who make what EKS is asked for.
type Makers interface {
	// Wanted waits, if after is the current revision, for another one or until ctx ends.
	Wanted(ctx context.Context, after string) Wanted
	// Observe and the others take reports; an error is the caller's fault.
	Observe(cluster string, report Observed) error
	ObserveNodegroup(cluster, name string, report ObservedPart) error
	ObserveAddon(cluster, name string, report ObservedPart) error
}

// Quotas are those that can be set.
type Quotas interface {
	AssociationLimit() int
	// SetAssociationLimit refuses what is no limit.
	SetAssociationLimit(limit int) error
}

// Journal keeps the calls; *journal.Ring does.
type Journal interface {
	// Wait returns the kept calls that query is about, oldest first, and the number of the newest of
	// all. When there is none it waits for one or until ctx ends.
	Wait(ctx context.Context, query Query) (calls []Call, last uint64)
	Counts() []Count
	Reset()
}

// Resetter brings services back to their initial state.
type Resetter interface {
	Reset(ctx context.Context) error
}

// Options of the server.
type Options struct {
	// Token opens everything; SyncToken only the identities. Both are needed, and must differ.
	Token, SyncToken string
	Clusters         Clusters
	// Makers is nil if the emulator's EKS is asked for nothing.
	Makers Makers
	// TokenReviews answers the TokenReviews of a cluster's API server; nil if there is nobody to
	// authenticate.
	TokenReviews func(cluster string) http.Handler
	Journal      Journal
	// Faults is nil if the emulator sets none.
	Faults *faults.Set
	// IMDS is nil if the emulator serves no instance metadata; IMDSv1 then, or if it is fixed.
	IMDS   HopLimiter
	IMDSv1 V1Switch
	// Quotas is nil if they are fixed.
	Quotas Quotas
	// Resetter is nil if the emulator cannot be reset.
	Resetter Resetter
	// Known is called with the context of each request that bears a token that opens what it asks for; may
	// be nil.
	Known func(context.Context)
}

type server struct {
	Options
	// Digests of the tokens: comparing digests takes the same time whatever the length is.
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
	// The token to sync opens one thing; all the rest is the harness's.
	mux.Handle("/v1/clusters/{name}/identities", methods{http.MethodGet: s.guard(s.identities, s.token, s.syncToken)})
	// An API server authenticates with the token to sync: what it learns it has been shown.
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
		method = http.MethodGet // the server leaves the body out
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

// guard lets through who bears one of the tokens: 401 for none or an unknown one, 403 for one that
// may not do this.
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

// secretOf is the token that a request bears: as such, or as the password of the Basic scheme, for an API server,
// whose client sends no bearer token but over TLS and takes a password in a URL.
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
	// First, so that no request is held up over the reset.
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
	// All of v's types encode; only the connection can fail, and then there is no reader.
	_ = json.NewEncoder(w).Encode(v)
}
