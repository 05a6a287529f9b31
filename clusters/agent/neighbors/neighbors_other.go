//go:build !linux

package neighbors

import (
	"errors"
	"net/netip"
)

// Routes are not known.
type Routes struct{}

// New makes one that knows nothing.
func New() Routes { return Routes{} }

// HasRoute needs Linux.
func (Routes) HasRoute(netip.Addr) (bool, error) {
	return false, errors.New("routes can only be looked up on Linux")
}
