package control

import (
	"errors"
	"net/http"
)

var errFixedQuotas = errors.New("the emulator's quotas are fixed")

func (s *server) getQuotas(w http.ResponseWriter, _ *http.Request) {
	if s.Quotas == nil {
		refuse(w, http.StatusNotFound, errFixedQuotas)
		return
	}
	reply(w, http.StatusOK, quotas{AssociationsPerCluster: s.Quotas.AssociationLimit()})
}

func (s *server) putQuotas(w http.ResponseWriter, r *http.Request) {
	var in quotas
	if !read(w, r, &in) {
		return
	}
	if s.Quotas == nil {
		refuse(w, http.StatusNotFound, errFixedQuotas)
		return
	}
	if err := s.Quotas.SetAssociationLimit(in.AssociationsPerCluster); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	s.getQuotas(w, r)
}
