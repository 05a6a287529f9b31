package cache

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
)

// Neighbors knows the network of the node.
type Neighbors interface {
	// HasRoute says whether a route leads to exactly this address, on another link than the node's own. Many CNIs add one
	// with a pod and remove it with the pod.
	HasRoute(address netip.Addr) (bool, error)
}

// toLearn is the length of the queue of addresses to check. An address that does not fit counts as one without a route.
const toLearn = 1024

// origin is the last client of an entry.
type origin struct {
	address netip.Addr
	// routed says that the address had a route of its own when it was checked, shortly after the request.
	routed atomic.Bool
}

// neighborhood keeps the clients of entries. No request waits for its check of routes.
type neighborhood struct {
	neighbors Neighbors // nil: nothing is known
	learn     chan *origin
	log       *slog.Logger
}

func newNeighborhood(neighbors Neighbors, log *slog.Logger) *neighborhood {
	return &neighborhood{neighbors: neighbors, learn: make(chan *origin, toLearn), log: log}
}

// asked notes that a client at the address asked for an entry.
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

// run checks the addresses of clients, until ctx ends.
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

// gone says whether the last client of an entry is gone, by its route. A pod without a route of its own never counts as
// gone.
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
