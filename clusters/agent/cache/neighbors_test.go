package cache

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// network knows which addresses have a route.
type network struct {
	mu     sync.Mutex
	routes map[netip.Addr]bool
	err    error
}

func (n *network) HasRoute(address netip.Addr) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.routes[address], n.err
}

func (n *network) set(address netip.Addr, there bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.routes[address], n.err = there, err
}

func TestCredentialsOfPodsThatAreGoneAreNotRenewed(t *testing.T) {
	pod, other := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("10.0.0.8")
	for name, row := range map[string]struct {
		// routed: the pod's address had a route when it asked.
		routed bool
		// change is what happens between that and the renewal.
		change func(c *Cache, n *network)
		calls  int
		gone   float64
	}{
		"it is there":            {true, func(*Cache, *network) {}, 2, 0},
		"it is gone":             {true, func(_ *Cache, n *network) { n.set(pod, false, nil) }, 1, 1},
		"it never had a route":   {false, func(*Cache, *network) {}, 2, 0},
		"no route is known":      {true, func(_ *Cache, n *network) { n.set(pod, false, errors.New("no buffer")) }, 2, 0},
		"another pod asked last": {true, func(c *Cache, n *network) { c.Cached("a", other); synctest.Wait(); n.set(pod, false, nil) }, 2, 0},
		"the other is gone":      {true, func(c *Cache, n *network) { c.Cached("a", other); synctest.Wait(); n.set(other, false, nil) }, 1, 1},
		"nobody knows who asked": {true, func(c *Cache, n *network) { c.Cached("a", netip.Addr{}); n.set(pod, true, nil) }, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eksAuth, nodes := newIssuer(), &network{routes: map[netip.Addr]bool{pod: row.routed, other: true}}
				c := start(t, eksAuth, Options{Entries: 2000, Retention: time.Hour, Neighbors: nodes})
				if _, err := c.Get(t.Context(), named("a"), pod); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				row.change(c, nodes)
				time.Sleep(time.Hour)
				synctest.Wait()
				if n, gone := eksAuth.count("a"), count(t, c.metrics.gone); n != row.calls || gone != row.gone {
					t.Errorf("%d calls, %v gone, want %d and %v", n, gone, row.calls, row.gone)
				}
				if _, ok := c.Cached("a", pod); ok == (row.gone > 0) {
					t.Errorf("cached: %t", ok)
				}
			})
		})
	}
}
