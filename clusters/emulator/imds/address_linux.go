package imds

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

// addressLabel marks an IPv4 address that an emulator added. If that emulator is killed, the next one finds the address by
// its label and removes it at its own end. Such a label must begin with the link's name (ip-address(8)).
const addressLabel = "lo:epi"

// AddAddress adds a link-local address such as 169.254.169.254 to the loopback link, as a /32 (IPv6: /128), if no link of
// this network namespace has it. Other addresses stay as they are. Adding needs CAP_NET_ADMIN. remove removes the address
// if an emulator added it and no other process listens on it. Call it after the listeners on the address are closed.
func AddAddress(address netip.Addr) (remove func() error, err error) {
	nothing := func() error { return nil }
	if !address.IsLinkLocalUnicast() {
		return nothing, nil
	}
	present, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("find loopback link: %w", err)
	}
	network := &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(address.BitLen(), address.BitLen())}
	added := &netlink.Addr{IPNet: network}
	if address.Is4() {
		added.Label = addressLabel
	}
	remove = func() error { return removeAddress(loopback, added, address) }
	for _, known := range present {
		if prefix, err := netip.ParsePrefix(known.String()); err == nil && prefix.Addr() == address {
			if isLeft(loopback, added) {
				return remove, nil
			}
			return nothing, nil
		}
	}
	err = netlink.AddrAdd(loopback, added)
	switch {
	case errors.Is(err, syscall.EEXIST): // another process added it first
		return nothing, nil
	case errors.Is(err, syscall.EPERM):
		return nil, fmt.Errorf("add %s to the loopback link (give the process CAP_NET_ADMIN, or add the address beforehand): %w", network, err)
	case err != nil:
		return nil, fmt.Errorf("add %s to the loopback link: %w", network, err)
	}
	return remove, nil
}

// isLeft says whether an address of the link was added by an emulator, as its label says.
func isLeft(link netlink.Link, wanted *netlink.Addr) bool {
	if wanted.Label == "" {
		return false
	}
	list, err := netlink.AddrList(link, netlink.FAMILY_V4)
	return err == nil && slices.ContainsFunc(list, func(a netlink.Addr) bool {
		return a.Label == wanted.Label && a.IPNet.String() == wanted.IPNet.String()
	})
}

func removeAddress(link netlink.Link, added *netlink.Addr, address netip.Addr) error {
	if hasListener(address) {
		return nil
	}
	err := netlink.AddrDel(link, added)
	if err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) { // it is gone already
		return fmt.Errorf("remove %s from the loopback link; by hand: ip address delete %s dev lo: %w", added.IPNet, added.IPNet, err)
	}
	return nil
}

// listening is the state of a listening socket in /proc/net/tcp (proc_net(5)).
const listening = "0A"

// hasListener says whether a process of this network namespace listens on the IPv4 address itself.
func hasListener(address netip.Addr) bool {
	if !address.Is4() {
		return false
	}
	data, err := os.ReadFile("/proc/thread-self/net/tcp")
	if err != nil {
		return false
	}
	bytes := address.As4()
	slices.Reverse(bytes[:]) // the number has the machine's byte order: little-endian on every machine that epi supports
	local := strings.ToUpper(hex.EncodeToString(bytes[:])) + ":"
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 3 && strings.HasPrefix(fields[1], local) && fields[3] == listening {
			return true
		}
	}
	return false
}
