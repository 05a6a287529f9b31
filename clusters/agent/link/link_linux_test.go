package link

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// inNamespace puts the test into a network namespace of its own.
func inNamespace(t *testing.T) {
	t.Helper()
	// The thread is not unlocked: it ends with the test's goroutine, and the namespace with it.
	runtime.LockOSThread()
	namespace, err := netns.New()
	if err != nil {
		t.Skipf("no network namespace can be made here (it needs root): %v", err)
	}
	t.Cleanup(func() { _ = namespace.Close() })
}

func setup(t *testing.T) string {
	t.Helper()
	var log bytes.Buffer
	if err := Setup(t.Context(), slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	return log.String()
}

// addLink adds a link of a type that every kernel with containers has.
func addLink(t *testing.T, name string) netlink.Link {
	t.Helper()
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	return link
}

func network(t *testing.T, s string) *net.IPNet {
	t.Helper()
	ip, n, err := net.ParseCIDR(s)
	if err != nil {
		t.Fatal(err)
	}
	n.IP = ip
	return n
}

// NET-01: link, both addresses, up, both routes; the addresses can be listened on and reached.
func TestSetup(t *testing.T) {
	inNamespace(t)
	if err := netlink.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo", Index: 1}}); err != nil {
		t.Fatal(err)
	}
	setup(t)
	link, err := netlink.LinkByName("pod-id-link0")
	if err != nil {
		t.Fatal(err)
	}
	if kind := link.Type(); kind != "dummy" && kind != "bridge" {
		t.Errorf("link is a %s", kind)
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		t.Error("link is down")
	}
	for _, want := range []struct {
		family   int
		network  string
		endpoint string
	}{
		{netlink.FAMILY_V4, "169.254.170.23/32", "169.254.170.23:80"},
		{netlink.FAMILY_V6, "fd00:ec2::23/128", "[fd00:ec2::23]:80"},
	} {
		if want.family == netlink.FAMILY_V6 && !hasIPv6() {
			t.Log("IPv6 is off on this machine: only IPv4 is tested")
			continue
		}
		routes, err := netlink.RouteListFiltered(want.family, &netlink.Route{Dst: network(t, want.network), LinkIndex: link.Attrs().Index},
			netlink.RT_FILTER_DST|netlink.RT_FILTER_OIF)
		if err != nil || len(routes) != 1 {
			t.Errorf("routes to %s over the link: %v, %v", want.network, routes, err)
		}
		listener, err := net.Listen("tcp", want.endpoint)
		if err != nil {
			t.Errorf("listen: %v", err)
			continue
		}
		connection, err := net.Dial("tcp", want.endpoint)
		if err != nil {
			t.Errorf("connect: %v", err)
		} else {
			_ = connection.Close()
		}
		_ = listener.Close()
	}
}

func hasIPv6() bool {
	disabled, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	return err == nil && strings.TrimSpace(string(disabled)) == "0"
}

func state(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		addresses, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			t.Fatal(err)
		}
		routes, err := netlink.RouteList(l, netlink.FAMILY_ALL)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(l.Attrs().Name + " " + l.Type() + "\n")
		for _, a := range addresses {
			if a.IP.IsLinkLocalUnicast() && a.IP.To4() == nil { // the kernel adds it at any time
				continue
			}
			b.WriteString("  " + a.IPNet.String() + "\n")
		}
		for _, r := range routes {
			if r.Dst.IP.To4() == nil && !strings.HasPrefix(r.Dst.String(), "fd00:ec2::") {
				continue
			}
			b.WriteString("  " + r.Dst.String() + "\n")
		}
	}
	return b.String()
}

func TestSetupIsIdempotent(t *testing.T) {
	inNamespace(t)
	setup(t)
	once := state(t)
	setup(t)
	if twice := state(t); twice != once || !strings.Contains(once, "169.254.170.23/32") {
		t.Errorf("after once:\n%s\nafter twice:\n%s", once, twice)
	}
}

func TestSetupAdoptsALinkOfAnyType(t *testing.T) {
	inNamespace(t)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "pod-id-link0"}, PeerName: "peer"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	setup(t)
	link, err := netlink.LinkByName("pod-id-link0")
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil || link.Type() != "veth" || len(addresses) != 1 || addresses[0].IPNet.String() != "169.254.170.23/32" {
		t.Errorf("%s link with %v, %v", link.Type(), addresses, err)
	}
}

// NET-01: a route to the address on another interface is an error with a clear message.
func TestSetupRefusesWhatAnotherLinkHas(t *testing.T) {
	for name, row := range map[string]struct {
		claim func(*testing.T, netlink.Link) error
		want  string
	}{
		"route": {func(t *testing.T, other netlink.Link) error {
			return netlink.RouteAdd(&netlink.Route{LinkIndex: other.Attrs().Index, Dst: network(t, "169.254.170.23/32"), Scope: netlink.SCOPE_LINK})
		}, "route to 169.254.170.23/32 goes over link other instead of pod-id-link0: remove it with `ip route del 169.254.170.23/32 dev other` and try again"},
		"address": {func(t *testing.T, other netlink.Link) error {
			return netlink.AddrAdd(other, &netlink.Addr{IPNet: network(t, "169.254.170.23/16")})
		}, "address 169.254.170.23 is on link other instead of pod-id-link0: remove it with `ip address del 169.254.170.23/16 dev other` and try again"},
	} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			if err := row.claim(t, addLink(t, "other")); err != nil {
				t.Fatal(err)
			}
			if err := Setup(t.Context(), slog.New(slog.DiscardHandler)); err == nil || err.Error() != row.want {
				t.Errorf("got  %v\nwant %s", err, row.want)
			}
		})
	}
}

// A route that is wider than the address, such as the default route, is no obstacle.
func TestSetupLeavesWiderRoutes(t *testing.T) {
	inNamespace(t)
	other := addLink(t, "other")
	for _, wide := range []string{"0.0.0.0/0", "169.254.0.0/16"} {
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: other.Attrs().Index, Dst: network(t, wide), Scope: netlink.SCOPE_LINK}); err != nil {
			t.Fatal(err)
		}
	}
	setup(t)
}

// NET-02: IPv6 may be missing.
func TestSetupToleratesMissingIPv6(t *testing.T) {
	inNamespace(t)
	for _, scope := range []string{"all", "default"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+scope+"/disable_ipv6", []byte("1"), 0); err != nil {
			t.Skipf("IPv6 cannot be switched off here: %v", err)
		}
	}
	if log := setup(t); !strings.Contains(log, "No IPv6 address") {
		t.Errorf("log says nothing of IPv6:\n%s", log)
	}
	link, err := netlink.LinkByName("pod-id-link0")
	if err != nil {
		t.Fatal(err)
	}
	if addresses, err := netlink.AddrList(link, netlink.FAMILY_V4); err != nil || len(addresses) != 1 {
		t.Errorf("IPv4 addresses %v, %v", addresses, err)
	}
}
