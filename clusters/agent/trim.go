package agent

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	// trimAfter is how long no fetch must occur before memory is returned to the node.
	trimAfter = time.Second
	// burstPercent is GOGC during a burst. Calls in progress are then most of the memory. With the runtime's own 100,
	// garbage could take as much again.
	burstPercent = 35
)

// memory controls the process's memory during a burst of fetches.
type memory interface {
	// Spare makes the runtime collect garbage earlier. Free returns memory to the node and ends that.
	Spare()
	Free()
}

// trim calls Spare when many requests wait, and Free when no fetch has occurred for a moment, until ctx ends. A fetch needs
// more than ten times the memory that it leaves in the cache. The Go runtime keeps that memory until it collects garbage,
// and requests that the cache answers hardly cause that.
func trim(ctx context.Context, bursts, idle <-chan struct{}, m memory) {
	var quiet <-chan time.Time // nil: nothing to wait for
	for {
		select {
		case <-ctx.Done():
			return
		case <-bursts:
			m.Spare()
			quiet = nil
		case <-idle:
			quiet = time.After(trimAfter)
		case <-quiet:
			m.Free()
			quiet = nil
		}
	}
}

// collector controls the Go runtime's memory.
type collector struct {
	sparing bool
	usual   int // GOGC before
}

func (c *collector) Spare() {
	if c.sparing {
		return
	}
	c.usual, c.sparing = debug.SetGCPercent(burstPercent), true
	if c.usual < burstPercent { // set by the user to less, or turned off
		debug.SetGCPercent(c.usual)
	}
}

// Free collects twice, because the content of pools, such as buffers of connections, is freed by the second collection.
func (c *collector) Free() {
	if c.sparing {
		debug.SetGCPercent(c.usual)
		c.sparing = false
	}
	runtime.GC()
	debug.FreeOSMemory()
}
