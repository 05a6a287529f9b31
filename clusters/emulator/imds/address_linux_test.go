package imds

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestAnAddressGoesWithWhoAddedIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	address := netip.MustParseAddr("169.254.169.254")
	for name, row := range map[string]struct {
		// before says what owns the address at first: "nothing", "another emulator" or "the user".
		before string
		// listener says that another process still listens on the address at the end.
		listener bool
		stays    bool
	}{
		"added":                        {before: "nothing"},
		"left by one that was killed":  {before: "another emulator"},
		"the user's":                   {before: "the user", stays: true},
		"another emulator still there": {before: "another emulator", listener: true, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			newNamespace(t).do(t, func() error {
				loopback, err := netlink.LinkByName("lo")
				if err != nil {
					return err
				}
				if err := netlink.LinkSetUp(loopback); err != nil {
					return err
				}
				switch row.before {
				case "another emulator":
					_, err = AddAddress(address)
				case "the user":
					err = netlink.AddrAdd(loopback, &netlink.Addr{IPNet: netlink.NewIPNet(address.AsSlice())})
				}
				if err != nil {
					return err
				}
				remove, err := AddAddress(address)
				if err != nil {
					return err
				}
				if row.listener {
					listener, err := Listen(context.Background(), "169.254.169.254:8081", 1)
					if err != nil {
						return err
					}
					defer func() { _ = listener.Close() }()
				}
				if err := remove(); err != nil {
					return err
				}
				list, err := netlink.AddrList(loopback, netlink.FAMILY_V4)
				if err != nil {
					return err
				}
				there := slices.ContainsFunc(list, func(a netlink.Addr) bool { return a.IP.Equal(address.AsSlice()) })
				if there != row.stays {
					t.Errorf("it is there: %t, want %t", there, row.stays)
				}
				return remove() // the address is gone already, which is no error
			})
		})
	}
}
