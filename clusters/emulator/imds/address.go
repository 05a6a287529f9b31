package imds

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// AddAddress adds a link-local address such as 169.254.169.254 to the loopback link, as a /32 (IPv6:
// /128), if no link of this network namespace has it. Other addresses are left alone. It needs
// CAP_NET_ADMIN when it must add.
func AddAddress(address netip.Addr) error {
	if !address.IsLinkLocalUnicast() {
		return nil
	}
	present, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, known := range present {
		if prefix, err := netip.ParsePrefix(known.String()); err == nil && prefix.Addr() == address {
			return nil
		}
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback link: %w", err)
	}
	network := &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(address.BitLen(), address.BitLen())}
	err = netlink.AddrAdd(loopback, &netlink.Addr{IPNet: network})
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("add %s to the loopback link (give the process CAP_NET_ADMIN, or add the address beforehand): %w", network, err)
	}
	if err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("add %s to the loopback link: %w", network, err)
	}
	return nil
}
