package cache

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
)

// Neighbors knows the network of the node.
type Neighbors interface {
	// HasRoute reports whether a route leads to exactly this address, on another link than the
	// node's own: many CNIs make one with a pod and remove it with the pod.
	HasRoute(address netip.Addr) (bool, error)
}

// toLearn bounds the addresses to look at; what does not fit is taken for an address without route.
const toLearn = 1024

// origin is where an entry was asked for last.
type origin struct {
	address netip.Addr
	// routed says that the address had a route of its own when it was looked at, soon after.
	routed atomic.Bool
}

// neighborhood remembers where entries were asked for. Its look at routes is no request's to wait for.
type neighborhood struct {
	neighbors Neighbors // nil: nothing is known
	learn     chan *origin
	log       *slog.Logger
}

func newNeighborhood(neighbors Neighbors, log *slog.Logger) *neighborhood {
	return &neighborhood{neighbors: neighbors, learn: make(chan *origin, toLearn), log: log}
}

// asked notes that an entry was asked for by the address.
func (n *neighborhood) asked(e *entry, from netip.Addr) {
	if n.neighbors == nil || !from.IsValid() {
		return
	}
	if last := e.origin.Load(); last != nil && last.address == from {
		return
	}
	o := &origin{address: from}
	e.origin.Store(o)
	select {
	case n.learn <- o:
	default:
	}
}

// run looks at the addresses that asked, until ctx ends.
func (n *neighborhood) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-n.learn:
			o.routed.Store(n.hasRoute(o.address, false))
		}
	}
}

// gone reports whether the pod that asked for an entry last has gone, as far as its route reports. A
// pod that has no route of its own is never gone.
func (n *neighborhood) gone(e *entry) bool {
	o := e.origin.Load()
	return o != nil && o.routed.Load() && !n.hasRoute(o.address, true)
}

func (n *neighborhood) hasRoute(address netip.Addr, unknown bool) bool {
	found, err := n.neighbors.HasRoute(address)
	if err != nil {
		n.log.Debug("Cannot tell whether the pod is there", "address", address, "error", err)
		return unknown
	}
	return found
}
