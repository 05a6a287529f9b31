package control

import (
	"errors"
	"net/http"
)

var errNoMetadata = errors.New("the emulator serves no instance metadata")

func (s *server) getMetadata(w http.ResponseWriter, _ *http.Request) {
	if s.IMDS == nil {
		refuse(w, http.StatusNotFound, errNoMetadata)
		return
	}
	s.replyMetadata(w)
}

func (s *server) replyMetadata(w http.ResponseWriter) {
	hopLimit := s.IMDS.HopLimit()
	out := metadata{HopLimit: &hopLimit}
	if s.IMDSv1 != nil {
		enabled := s.IMDSv1.V1Enabled()
		out.V1Enabled = &enabled
	}
	reply(w, http.StatusOK, out)
}

func (s *server) putMetadata(w http.ResponseWriter, r *http.Request) {
	var in metadata
	if !read(w, r, &in) {
		return
	}
	switch {
	case s.IMDS == nil:
		refuse(w, http.StatusNotFound, errNoMetadata)
		return
	case in.HopLimit == nil && in.V1Enabled == nil:
		refuse(w, http.StatusBadRequest, errors.New("needs hopLimit, v1Enabled or both"))
		return
	case in.V1Enabled != nil && s.IMDSv1 == nil:
		refuse(w, http.StatusNotFound, errors.New("the emulator has no switch for IMDSv1"))
		return
	}
	if in.HopLimit != nil {
		if err := s.IMDS.SetHopLimit(*in.HopLimit); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
	}
	if in.V1Enabled != nil {
		if err := s.IMDSv1.SetV1Enabled(*in.V1Enabled); err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
	}
	s.replyMetadata(w)
}
