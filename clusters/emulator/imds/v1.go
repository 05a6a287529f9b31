package imds

import (
	"net"
	"net/http"
)

// V1Enabled says whether requests without a session token are answered.
func (s *Service) V1Enabled() bool { return s.v1.Load() }

// SetV1Enabled turns IMDSv1 on or off. A request with a wrong token is refused in both cases.
func (s *Service) SetV1Enabled(enabled bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if listener := s.listener.Load(); listener != nil {
		if err := listener.setOpen(enabled); err != nil {
			return err
		}
	}
	s.v1.Store(enabled)
	return nil
}

// Attach gives the service its listener, so that the hop limit does not keep IMDSv1 from distant clients: while IMDSv1 is
// on, the limit applies to session tokens alone. After that the service must be served on this listener only.
func (s *Service) Attach(listener *Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := listener.setOpen(s.V1Enabled()); err != nil {
		return err
	}
	s.listener.Store(listener)
	return nil
}

// limitHops makes sure that the answer to a request for a session token has the hop limit.
func (s *Service) limitHops(r *http.Request) error {
	listener := s.listener.Load()
	if listener == nil {
		return nil
	}
	of := ends{remote: r.RemoteAddr}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		of.local = local.String()
	}
	return listener.limit(of)
}

// Reset forgets all instances with their credentials, and restores IMDSv1's initial state.
func (s *Service) Reset() error {
	if err := s.SetV1Enabled(s.options.V1); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances.Purge()
	return nil
}
