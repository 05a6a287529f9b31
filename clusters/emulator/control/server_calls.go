package control

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

func (s *server) calls(w http.ResponseWriter, r *http.Request) {
	var query Query
	texts := textFilters(&query)
	p, ok := readParameters(w, r, append(slices.Sorted(maps.Keys(texts)), "after", "succeeded", "wait")...)
	if !ok {
		return
	}
	for name, value := range texts {
		*value = p.Get(name)
	}
	after, err := p.after()
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	wait, err := p.wait()
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	query.After = after
	switch text := p.Get("succeeded"); text {
	case "", "false":
	case "true":
		query.Succeeded = true
	default:
		refuse(w, http.StatusBadRequest, fmt.Errorf("succeeded %q: must be true or false", text))
		return
	}
	// A wait of zero still finds kept calls.
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	calls, last := s.Journal.Wait(ctx, query)
	reply(w, http.StatusOK, Calls{Last: last, Calls: calls})
}

func (s *server) counts(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, countList{s.Journal.Counts()})
}

func (s *server) clearCalls(w http.ResponseWriter, _ *http.Request) {
	s.Journal.Reset()
	w.WriteHeader(http.StatusNoContent)
}
