package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrNoCluster is what Clusters returns for a cluster that was not registered.
var ErrNoCluster = errors.New("no such cluster")

// Clusters are the emulator's clusters.
type Clusters interface {
	// RegisterCluster makes a cluster known or changes it; an error is the caller's fault.
	RegisterCluster(name string, cluster Cluster) error
	// Identities waits, if after is the current revision, for another one or until ctx ends.
	Identities(ctx context.Context, cluster, after string) (Identities, error)
}

// HopLimiter is the listener of the instance metadata service.
type HopLimiter interface {
	HopLimit() int
	// SetHopLimit refuses what is no hop limit.
	SetHopLimit(hopLimit int) error
}

// Journal keeps the calls.
type Journal interface {
	// After returns the kept calls after seq, oldest first, and the number of the newest.
	After(seq uint64) (calls []Call, last uint64)
}

// Options of the server.
type Options struct {
	// Token opens everything; SyncToken only the identities. Both are needed, and must differ.
	Token, SyncToken string
	Clusters         Clusters
	Journal          Journal
	// IMDS is nil if the emulator serves no instance metadata.
	IMDS HopLimiter
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
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("PUT /v1/clusters/{name}", s.guard(s.registerCluster, s.token))
	mux.HandleFunc("GET /v1/clusters/{name}/identities", s.guard(s.identities, s.token, s.syncToken))
	mux.HandleFunc("GET /v1/imds", s.guard(s.getMetadata, s.token))
	mux.HandleFunc("PUT /v1/imds", s.guard(s.putMetadata, s.token))
	mux.HandleFunc("GET /v1/calls", s.guard(s.calls, s.token))
	return mux, nil
}

// guard lets through who bears one of the tokens: 401 for none or an unknown one, 403 for one that
// may not do this.
func (s *server) guard(next http.HandlerFunc, accepted ...[sha256.Size]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		given := sha256.Sum256([]byte(bearer))
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
			refuse(w, http.StatusForbidden, errors.New("this token may only watch identities"))
		default:
			next(w, r)
		}
	}
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

func (s *server) identities(w http.ResponseWriter, r *http.Request) {
	wait := time.Duration(0)
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 || wait > maxWait {
			refuse(w, http.StatusBadRequest, fmt.Errorf("wait %q: must be a duration of 0s to %s", text, maxWait))
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	identities, err := s.Clusters.Identities(ctx, r.PathValue("name"), r.URL.Query().Get("after"))
	switch {
	case errors.Is(err, ErrNoCluster):
		refuse(w, http.StatusNotFound, err)
	case err != nil:
		refuse(w, http.StatusInternalServerError, err)
	default:
		reply(w, http.StatusOK, identities)
	}
}

func (s *server) getMetadata(w http.ResponseWriter, _ *http.Request) {
	if s.IMDS == nil {
		refuse(w, http.StatusNotFound, errors.New("the emulator serves no instance metadata"))
		return
	}
	reply(w, http.StatusOK, metadata{s.IMDS.HopLimit()})
}

func (s *server) putMetadata(w http.ResponseWriter, r *http.Request) {
	var in metadata
	if !read(w, r, &in) {
		return
	}
	if s.IMDS == nil {
		refuse(w, http.StatusNotFound, errors.New("the emulator serves no instance metadata"))
		return
	}
	if err := s.IMDS.SetHopLimit(in.HopLimit); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	reply(w, http.StatusOK, metadata{s.IMDS.HopLimit()})
}

func (s *server) calls(w http.ResponseWriter, r *http.Request) {
	var after uint64
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			refuse(w, http.StatusBadRequest, fmt.Errorf("after %q: must be the number of a call", text))
			return
		}
	}
	calls, last := s.Journal.After(after)
	reply(w, http.StatusOK, Calls{Last: last, Calls: calls})
}

// maxBody is enough for a key set of 64 keys.
const maxBody = 1 << 20

// read decodes the body into v, or answers what is wrong with it and returns false.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("read body: %w", err))
		return false
	}
	return true
}

func refuse(w http.ResponseWriter, status int, err error) { reply(w, status, problem{err.Error()}) }

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// All of v's types encode; what can fail is the connection, and then nobody reads.
	_ = json.NewEncoder(w).Encode(v)
}
