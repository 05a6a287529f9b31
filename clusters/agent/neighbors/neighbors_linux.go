package neighbors

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Routes are those of the program's network namespace.
type Routes struct{}

// New needs no privilege.
func New() Routes { return Routes{} }

// HasRoute says whether the kernel's route to an address is for it alone, and the address is not one of the node's own.
func (Routes) HasRoute(address netip.Addr) (bool, error) {
	routes, err := netlink.RouteGetWithOptions(address.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true})
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up the route to %s: %w", address, err)
	}
	for _, route := range routes {
		if route.Dst == nil || route.Type != unix.RTN_UNICAST {
			continue
		}
		if ones, bits := route.Dst.Mask.Size(); ones == bits && bits > 0 {
			return true, nil
		}
	}
	return false, nil
}
