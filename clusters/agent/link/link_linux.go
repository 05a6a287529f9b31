package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// How long the kernel may take to make an address local, and how often that is checked.
const (
	localTimeout = 10 * time.Second
	localPoll    = 5 * time.Millisecond
)

// family is one of the agent's addresses.
type family struct {
	number   int
	name     string
	address  *net.IPNet
	optional bool
	flags    int
}

func families() []family {
	return []family{
		{number: netlink.FAMILY_V4, name: "IPv4", address: &net.IPNet{IP: net.IPv4(169, 254, 170, 23).To4(), Mask: net.CIDRMask(32, 32)}},
		{number: netlink.FAMILY_V6, name: "IPv6", address: &net.IPNet{IP: net.ParseIP("fd00:ec2::23"), Mask: net.CIDRMask(128, 128)},
			optional: true,
			// No other host is on the link, so duplicate address detection would only delay the use of the address, and
			// forever on a bridge without ports.
			flags: unix.IFA_F_NODAD},
	}
}

// Setup creates missing link, addresses and routes in the calling thread's network namespace. Failures for IPv6 are logged.
// The error is about IPv4 or the link itself.
func Setup(ctx context.Context, log *slog.Logger) error {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	link, err := find(handle, log)
	if err != nil {
		return err
	}
	var usable []family
	for _, f := range families() {
		if err := assign(handle, link, f); err != nil {
			if !f.optional {
				return err
			}
			log.Warn("No IPv6 address for the agent, going on without", "error", err)
			continue
		}
		usable = append(usable, f)
	}
	if err := handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("set link %s up: %w", Name, err)
	}
	for _, f := range usable {
		if err := route(ctx, handle, link, f); err != nil {
			if !f.optional {
				return err
			}
			log.Warn("No IPv6 route to the agent, going on without", "error", err)
			continue
		}
		log.Info("Agent's address is ready", "link", Name, "type", link.Type(), "address", f.address.String())
	}
	return nil
}

// find returns the existing link, or creates it.
func find(handle *netlink.Handle, log *slog.Logger) (netlink.Link, error) {
	link, err := handle.LinkByName(Name)
	if err == nil {
		log.Info("Link is there already", "link", Name, "type", link.Type())
		return link, nil
	}
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); !missing {
		return nil, fmt.Errorf("look for link %s: %w", Name, err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = Name
	err = handle.LinkAdd(&netlink.Dummy{LinkAttrs: attributes})
	if errors.Is(err, unix.EOPNOTSUPP) {
		log.Info("Kernel has no dummy links, making a bridge", "link", Name)
		err = handle.LinkAdd(&netlink.Bridge{LinkAttrs: attributes})
	}
	// Another process may have created it since.
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make link %s (it needs CAP_NET_ADMIN): %w", Name, err)
	}
	if link, err = handle.LinkByName(Name); err != nil {
		return nil, fmt.Errorf("look for link %s: %w", Name, err)
	}
	return link, nil
}

// assign adds the address, unless another link has it or has a route to it.
func assign(handle *netlink.Handle, link netlink.Link, f family) error {
	if err := unclaimed(handle, link, f); err != nil {
		return err
	}
	address := &netlink.Addr{IPNet: f.address, Flags: f.flags}
	if err := handle.AddrAdd(link, address); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add address %s to link %s: %w", f.address, Name, err)
	}
	return nil
}

func unclaimed(handle *netlink.Handle, link netlink.Link, f family) error {
	addresses, err := handle.AddrList(nil, f.number)
	if err != nil {
		return fmt.Errorf("list %s addresses: %w", f.name, err)
	}
	for _, a := range addresses {
		if a.IP.Equal(f.address.IP) && a.LinkIndex != link.Attrs().Index {
			other := nameOf(handle, a.LinkIndex)
			return fmt.Errorf("address %s is on link %s instead of %s: remove it with `ip address del %s dev %s` and try again",
				f.address.IP, other, Name, a.IPNet, other)
		}
	}
	routes, err := routesTo(handle, f)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.LinkIndex != link.Attrs().Index {
			other := nameOf(handle, r.LinkIndex)
			return fmt.Errorf("route to %s goes over link %s instead of %s: remove it with `ip route del %s dev %s` and try again",
				f.address, other, Name, f.address, other)
		}
	}
	return nil
}

// routesTo lists the routes of the main table to exactly the agent's address.
func routesTo(handle *netlink.Handle, f family) ([]netlink.Route, error) {
	routes, err := handle.RouteListFiltered(f.number,
		&netlink.Route{Dst: f.address, Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_DST|netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes to %s: %w", f.address, err)
	}
	return routes, nil
}

// route adds the route after the kernel's own, which makes the address local. The kernel adds the route of IPv6 slightly
// later than the address. If a packet used the agent's route first, the kernel would search for a neighbour with the
// address for seconds.
func route(ctx context.Context, handle *netlink.Handle, link netlink.Link, f family) error {
	if err := awaitLocal(ctx, handle, f); err != nil {
		return err
	}
	routes, err := routesTo(handle, f)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.LinkIndex == link.Attrs().Index {
			return nil
		}
	}
	err = handle.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: f.address, Scope: netlink.SCOPE_LINK})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add route to %s over link %s: %w", f.address, Name, err)
	}
	return nil
}

func awaitLocal(ctx context.Context, handle *netlink.Handle, f family) error {
	poll := time.NewTicker(localPoll)
	defer poll.Stop()
	for begin := time.Now(); ; {
		routes, err := handle.RouteListFiltered(f.number,
			&netlink.Route{Dst: f.address, Table: unix.RT_TABLE_LOCAL}, netlink.RT_FILTER_DST|netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list local routes to %s: %w", f.address, err)
		}
		if len(routes) > 0 {
			return nil
		}
		if waited := time.Since(begin); waited > localTimeout {
			return fmt.Errorf("address %s is on link %s but not the node's after %s", f.address, Name, waited.Round(time.Second))
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for address %s on link %s: %w", f.address, Name, context.Cause(ctx))
		}
	}
}

// nameOf is for messages. It is the index if there is no name.
func nameOf(handle *netlink.Handle, index int) string {
	if link, err := handle.LinkByIndex(index); err == nil {
		return link.Attrs().Name
	}
	return fmt.Sprint(index)
}
