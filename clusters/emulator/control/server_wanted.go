package control

import (
	"context"
	"errors"
	"net/http"
)

var errNoMakers = errors.New("the emulator's EKS makes no clusters")

func (s *server) wanted(w http.ResponseWriter, r *http.Request) {
	p, ok := readParameters(w, r, "after", "wait")
	if !ok {
		return
	}
	wait, err := p.wait()
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if s.Makers == nil {
		refuse(w, http.StatusNotFound, errNoMakers)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	reply(w, http.StatusOK, s.Makers.Wanted(ctx, p.Get("after")))
}

func (s *server) observe(w http.ResponseWriter, r *http.Request) {
	var report Observed
	if !read(w, r, &report) {
		return
	}
	if s.Makers == nil {
		refuse(w, http.StatusNotFound, errNoMakers)
		return
	}
	if report.Status == Active && report.Cluster == nil {
		refuse(w, http.StatusBadRequest, errors.New("cluster: is needed with the status ACTIVE"))
		return
	}
	taken(w, s.Makers.Observe(r.PathValue("cluster"), report))
}

func (s *server) observePart(observe func(Makers, string, string, ObservedPart) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var report ObservedPart
		if !read(w, r, &report) {
			return
		}
		if s.Makers == nil {
			refuse(w, http.StatusNotFound, errNoMakers)
			return
		}
		taken(w, observe(s.Makers, r.PathValue("cluster"), r.PathValue("name"), report))
	}
}

// taken answers a report.
func taken(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ErrStale):
		refuse(w, http.StatusConflict, err)
	case err != nil:
		refuse(w, http.StatusBadRequest, err)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
