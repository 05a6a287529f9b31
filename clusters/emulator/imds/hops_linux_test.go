package imds

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// TestHopLimitAcrossARouter uses three network namespaces in a row: pod, node and metadata service. The node forwards. The
// kernel applies the limit to the packets.
func TestHopLimitAcrossARouter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	pod, node, service := newNamespace(t), newNamespace(t), newNamespace(t)
	connect(t, pod, "10.200.1.2/24", node, "10.200.1.1/24")
	connect(t, node, "10.200.2.1/24", service, "10.200.2.2/24")
	pod.route(t, "169.254.169.254/32", "10.200.1.1")
	node.route(t, "169.254.169.254/32", "10.200.2.2")
	service.route(t, "10.200.1.0/24", "10.200.2.1")
	node.do(t, func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })

	var listener *Listener
	service.do(t, func() error {
		address := netip.MustParseAddr("169.254.169.254")
		for range 2 { // the second call finds the address
			if _, err := AddAddress(address); err != nil {
				return err
			}
		}
		var err error
		listener, err = Listen(context.Background(), "169.254.169.254:80", 1)
		return err
	})
	body := make([]byte, 200_000)
	server := serve(listener, body)
	defer func() { _ = server.Close() }()

	get := func(from *namespace) (n int, err error) {
		from.do(t, func() error {
			var c net.Conn
			if c, err = net.DialTimeout("tcp4", "169.254.169.254:80", time.Second); err != nil {
				return nil
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // an open TCP connection supports deadlines
			n, err = fetch(c)
			return nil
		})
		return n, err
	}
	timedOut := func(err error) bool {
		failure, ok := errors.AsType[net.Error](err)
		return ok && failure.Timeout()
	}

	if n, err := get(node); err != nil || n != len(body) {
		t.Errorf("hop limit 1, host network: got %d bytes, %v", n, err)
	}
	if n, err := get(pod); !timedOut(err) {
		t.Errorf("IMDS-02 hop limit 1, pod: got %d bytes, %v; want a timeout", n, err)
	}
	if err := listener.SetHopLimit(2); err != nil {
		t.Fatal(err)
	}
	if n, err := get(pod); err != nil || n != len(body) {
		t.Errorf("hop limit 2, pod: got %d bytes, %v", n, err)
	}
	// While IMDSv1 is on, the limit does not apply to clients that ask for no token.
	if err := errors.Join(listener.SetHopLimit(1), listener.setOpen(true)); err != nil {
		t.Fatal(err)
	}
	if n, err := get(pod); err != nil || n != len(body) {
		t.Errorf("IMDS-02 hop limit 1, IMDSv1 on, pod: got %d bytes, %v", n, err)
	}
	if err := errors.Join(listener.SetHopLimit(2), listener.setOpen(false)); err != nil {
		t.Fatal(err)
	}

	// An open connection of a pod ends when the limit applies to it.
	pod.do(t, func() error {
		c, err := net.DialTimeout("tcp4", "169.254.169.254:80", 5*time.Second)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if err := listener.SetHopLimit(1); err != nil {
			return err
		}
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if n, err := fetch(c); !timedOut(err) {
			t.Errorf("after the change to 1, open connection: got %d bytes, %v; want a timeout", n, err)
		}
		return nil
	})
}

// namespace is a network namespace without a name. It ends when its handle is closed.
type namespace struct{ handle netns.NsHandle }

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	ns := &namespace{}
	var err error
	onThread(t, func() error {
		ns.handle, err = netns.New()
		return nil
	})
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this root may not make network namespaces (no CAP_SYS_ADMIN)")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.handle.Close() })
	ns.do(t, func() error {
		loopback, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(loopback)
	})
	return ns
}

// onThread runs f on a thread of its own, which ends with it. So no other code runs in its namespace.
func onThread(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func (ns *namespace) do(t *testing.T, f func() error) {
	t.Helper()
	onThread(t, func() error {
		if err := netns.Set(ns.handle); err != nil {
			return err
		}
		return f()
	})
}

func (ns *namespace) route(t *testing.T, to, via string) {
	t.Helper()
	ns.do(t, func() error {
		_, network, err := net.ParseCIDR(to)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: network, Gw: net.ParseIP(via)})
	})
}

// connect joins two namespaces by a pair of links.
func connect(t *testing.T, a *namespace, addressA string, b *namespace, addressB string) {
	t.Helper()
	names := [2]string{"v" + addressA[3:8], "v" + addressB[3:8] + "b"}
	a.do(t, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: names[0]}, PeerName: names[1], PeerNamespace: netlink.NsFd(b.handle)})
	})
	for n, end := range []struct {
		ns      *namespace
		address string
	}{{a, addressA}, {b, addressB}} {
		end.ns.do(t, func() error {
			link, err := netlink.LinkByName(names[n])
			if err != nil {
				return err
			}
			address, err := netlink.ParseAddr(end.address)
			if err != nil {
				return err
			}
			if err := netlink.AddrAdd(link, address); err != nil {
				return err
			}
			return netlink.LinkSetUp(link)
		})
	}
}
