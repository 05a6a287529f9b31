package neighbors

import (
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

func TestRoutesOfPods(t *testing.T) {
	// The thread is not unlocked: it ends with the test's goroutine, and the namespace with it.
	runtime.LockOSThread()
	namespace, err := netns.New()
	if err != nil {
		t.Skipf("no network namespace can be made here (it needs root): %v", err)
	}
	t.Cleanup(func() { _ = namespace.Close() })
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "pods"}}
	must(t, netlink.LinkAdd(bridge))
	must(t, netlink.LinkSetUp(bridge))
	link, err := netlink.LinkByName("pods")
	must(t, err)
	address, err := netlink.ParseAddr("10.0.1.1/24") // a bridge of pods has such an address, with its route
	must(t, err)
	must(t, netlink.AddrAdd(link, address))
	for _, to := range []string{"10.0.2.5/32", "fd00::5/128"} {
		_, dst, err := net.ParseCIDR(to)
		must(t, err)
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}
		expect := func(want bool) {
			t.Helper()
			if got, err := New().HasRoute(netip.MustParsePrefix(to).Addr()); err != nil || got != want {
				t.Errorf("%s: %t, %v, want %t", to, got, err, want)
			}
		}
		expect(false)
		must(t, netlink.RouteAdd(route))
		expect(true)
		must(t, netlink.RouteDel(route))
		expect(false)
	}
	for name, other := range map[string]string{"the node's own": "10.0.1.1", "a pod of a bridge": "10.0.1.7", "beyond all routes": "192.0.2.1"} {
		if got, err := New().HasRoute(netip.MustParseAddr(other)); err != nil || got {
			t.Errorf("%s: %t, %v", name, got, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
