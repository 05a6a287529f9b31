package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/podidentity/epi/framework/probe"
)

// links lists the network's links with their addresses and routes.
func (c *check) links(context.Context, []string) any {
	found, err := listLinks()
	if err != nil {
		return probe.Links{Failure: &probe.Failure{Class: probe.NetworkError, Operation: "ListLinks", Message: err.Error()}}
	}
	return probe.Links{Links: found}
}

func listLinks() ([]probe.Link, error) {
	list, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var found []probe.Link
	for _, link := range list {
		addresses, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", link.Attrs().Name, err)
		}
		routes, err := netlink.RouteList(link, netlink.FAMILY_ALL)
		if err != nil {
			return nil, fmt.Errorf("list routes of %s: %w", link.Attrs().Name, err)
		}
		one := probe.Link{Name: link.Attrs().Name, Up: link.Attrs().Flags&net.FlagUp != 0}
		for _, address := range addresses {
			one.Addresses = append(one.Addresses, address.IPNet.String())
		}
		for _, route := range routes {
			if route.Dst != nil {
				one.Routes = append(one.Routes, route.Dst.String())
			}
		}
		found = append(found, one)
	}
	return found, nil
}

// removeAddress removes an address from the link that has it, so that its server can no longer be reached.
func (c *check) removeAddress(ctx context.Context, operands []string) any {
	if err := removeAddress(net.ParseIP(operands[0])); err != nil {
		return probe.Links{Failure: &probe.Failure{Class: probe.NetworkError, Operation: "RemoveAddress", Message: err.Error()}}
	}
	return c.links(ctx, nil)
}

// spareDummy makes a bridge of the name if the kernel has no links of type dummy. An agent that can only create those uses
// the existing link. A bridge without ports works as well.
func (c *check) spareDummy(ctx context.Context, operands []string) any {
	if err := makeSpare(operands[0]); err != nil {
		return probe.Links{Failure: &probe.Failure{Class: probe.NetworkError, Operation: "MakeLink", Message: err.Error()}}
	}
	return c.links(ctx, nil)
}

func makeSpare(name string) error {
	trial := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "epi-trial"}}
	err := netlink.LinkAdd(trial)
	if err == nil {
		return netlink.LinkDel(trial)
	}
	if !errors.Is(err, syscall.EOPNOTSUPP) {
		return fmt.Errorf("try to make a link of type dummy: %w", err)
	}
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
		return fmt.Errorf("make bridge %s: %w", name, err)
	}
	return nil
}

func removeAddress(unwanted net.IP) error {
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, address := range addresses {
		if !address.IP.Equal(unwanted) {
			continue
		}
		link, err := netlink.LinkByIndex(address.LinkIndex)
		if err != nil {
			return fmt.Errorf("look for the link of %s: %w", unwanted, err)
		}
		if err := netlink.AddrDel(link, &address); err != nil {
			return fmt.Errorf("remove %s from %s: %w", unwanted, link.Attrs().Name, err)
		}
		return nil
	}
	return fmt.Errorf("no link has the address %s", unwanted)
}
