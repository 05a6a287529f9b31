//go:build linux

// Package link gives a node the link-local addresses that pods reach the agent at.
package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
)

// Name of the link, as the EKS agent names it.
const Name = "pod-id-link0"

// The agent's addresses, as AWS documents them for EKS Pod Identity.
const (
	IPv4 = "169.254.170.23"
	IPv6 = "fd00:ec2::23"
)

// Setup makes or adopts the link, gives it both addresses and routes, and brings it up. Doing so
// again changes nothing. IPv4 must succeed; where IPv6 cannot, pods reach the agent over IPv4.
func Setup(ctx context.Context, log *slog.Logger) error {
	found, err := ensure(ctx, log)
	if err != nil {
		return err
	}
	if err := address(found, IPv4, 32, netlink.FAMILY_V4); err != nil {
		return err
	}
	if err := address(found, IPv6, 128, netlink.FAMILY_V6); err != nil {
		log.WarnContext(ctx, "no IPv6 address for the agent: pods reach it over IPv4 only", "err", err)
	}
	return nil
}

// ensure returns the link, up. Any type serves: the addresses are local to the node. A dummy link
// is what the EKS agent makes; kernels built without that type mostly have bridges.
func ensure(ctx context.Context, log *slog.Logger) (netlink.Link, error) {
	found, err := netlink.LinkByName(Name)
	if missing := new(netlink.LinkNotFoundError); errors.As(err, missing) {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = Name
		for _, candidate := range []netlink.Link{&netlink.Dummy{LinkAttrs: attributes}, &netlink.Bridge{LinkAttrs: attributes}} {
			err = netlink.LinkAdd(candidate)
			if err == nil || errors.Is(err, os.ErrExist) {
				log.InfoContext(ctx, "link made", "link", Name, "type", candidate.Type())
				break
			}
			if !errors.Is(err, syscall.EOPNOTSUPP) {
				return nil, fmt.Errorf("make link %s of type %s: %w", Name, candidate.Type(), err)
			}
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("make link %s: the kernel has neither dummy links nor bridges: %w", Name, err)
		}
		found, err = netlink.LinkByName(Name)
	}
	if err != nil {
		return nil, fmt.Errorf("find link %s: %w", Name, err)
	}
	if err := netlink.LinkSetUp(found); err != nil {
		return nil, fmt.Errorf("bring link %s up: %w", Name, err)
	}
	return found, nil
}

// address gives the link one address and its route. A route to the address over another link means
// that something else on the node claims it.
func address(found netlink.Link, ip string, bits, family int) error {
	network := &net.IPNet{IP: net.ParseIP(ip), Mask: net.CIDRMask(bits, bits)}
	if err := refuseForeignRoute(found, network, family); err != nil {
		return err
	}
	own := &netlink.Addr{IPNet: network}
	if family == netlink.FAMILY_V6 {
		// No other node is on this link: waiting for duplicates would only delay the agent.
		own.Flags = syscall.IFA_F_NODAD
	}
	if err := netlink.AddrReplace(found, own); err != nil {
		return fmt.Errorf("add address %s to link %s: %w", network, Name, err)
	}
	route := &netlink.Route{LinkIndex: found.Attrs().Index, Dst: network, Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route %s over link %s: %w", network, Name, err)
	}
	return nil
}

func refuseForeignRoute(found netlink.Link, network *net.IPNet, family int) error {
	routes, err := netlink.RouteListFiltered(family, &netlink.Route{Dst: network}, netlink.RT_FILTER_DST)
	if err != nil {
		return fmt.Errorf("list routes to %s: %w", network, err)
	}
	for _, route := range routes {
		if route.LinkIndex != found.Attrs().Index {
			other := fmt.Sprintf("link %d", route.LinkIndex)
			if link, err := netlink.LinkByIndex(route.LinkIndex); err == nil {
				other = link.Attrs().Name
			}
			return fmt.Errorf("route to %s exists on %s already: remove it, or whatever made it claims the agent's address", network, other)
		}
	}
	return nil
}
