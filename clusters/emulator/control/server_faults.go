package control

import (
	"errors"
	"fmt"
	"net/http"
)

var errNoFaults = errors.New("the emulator sets no faults")

func (s *server) addFault(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	if !read(w, r, &fault) {
		return
	}
	if s.Faults == nil {
		refuse(w, http.StatusNotFound, errNoFaults)
		return
	}
	added, err := s.Faults.Add(fault)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	reply(w, http.StatusCreated, added)
}

func (s *server) faults(w http.ResponseWriter, _ *http.Request) {
	if s.Faults == nil {
		refuse(w, http.StatusNotFound, errNoFaults)
		return
	}
	reply(w, http.StatusOK, faultList{s.Faults.List()})
}

func (s *server) removeFault(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if s.Faults == nil || !s.Faults.Remove(id) {
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no fault %q", id))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) clearFaults(w http.ResponseWriter, _ *http.Request) {
	if s.Faults != nil {
		s.Faults.Clear()
	}
	w.WriteHeader(http.StatusNoContent)
}
