//go:build !linux

package neighbors

import (
	"errors"
	"net/netip"
)

// Routes are unknown.
type Routes struct{}

// New returns one without any routes.
func New() Routes { return Routes{} }

// HasRoute is false, because it needs Linux.
func (Routes) HasRoute(netip.Addr) (bool, error) {
	return false, errors.New("routes can only be looked up on Linux")
}
