package main

import (
	"net"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/podidentity/epi/framework/probe"
)

func TestLinksAndRemoveAddress(t *testing.T) {
	// The thread is not unlocked: it ends with the test's goroutine, and the namespace with it.
	runtime.LockOSThread()
	namespace, err := netns.New()
	if err != nil {
		t.Skipf("no network namespace can be made here (it needs root): %v", err)
	}
	t.Cleanup(func() { _ = namespace.Close() })
	loopback, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(loopback)
	}
	if err == nil {
		err = netlink.AddrAdd(loopback, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 1).To4(), Mask: net.CIDRMask(32, 32)}})
	}
	if err != nil {
		t.Fatal(err)
	}
	has := func(links []probe.Link) bool {
		return len(links) == 1 && links[0].Name == "lo" && links[0].Up && slices.Contains(links[0].Addresses, "192.0.2.1/32")
	}
	if found := doProbe[probe.Links](t, probe.OpLinks); !has(found.Links) {
		t.Errorf("links %+v", found)
	}
	if after := doProbe[probe.Links](t, probe.OpRemoveAddress, "192.0.2.1"); after.Failure != nil || has(after.Links) {
		t.Errorf("afterwards: %+v", after)
	}
	if made := doProbe[probe.Links](t, probe.OpSpareDummy, "spare"); made.Failure != nil {
		t.Errorf("a spare link: %+v", made)
	} else if dummies := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "known"}}) == nil; dummies ==
		slices.ContainsFunc(made.Links, func(l probe.Link) bool { return l.Name == "spare" }) {
		t.Errorf("the kernel has links of type dummy: %t; links %+v", dummies, made.Links)
	}
	if again := doProbe[probe.Links](t, probe.OpRemoveAddress, "192.0.2.1"); again.Failure == nil {
		t.Errorf("what is not there was removed: %+v", again)
	}
}
