//go:build !linux

package imds

import (
	"fmt"
	"net"
	"net/netip"
)

// AddAddress returns an error if address is a link-local one that no link has: this system has no way to add it that epi
// knows. remove does nothing.
func AddAddress(address netip.Addr) (remove func() error, err error) {
	nothing := func() error { return nil }
	if !address.IsLinkLocalUnicast() {
		return nothing, nil
	}
	present, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	for _, known := range present {
		if prefix, err := netip.ParsePrefix(known.String()); err == nil && prefix.Addr() == address {
			return nothing, nil
		}
	}
	return nil, fmt.Errorf("%s is an address of no link, and is added on Linux alone: add it to the loopback link beforehand", address)
}
