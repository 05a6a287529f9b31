package agent

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	// trimAfter is how long nothing must have been fetched before memory is returned to the node.
	trimAfter = time.Second
	// burstPercent is GOGC during a burst. Calls under way are then most of what is in memory: by the runtime's
	// own 100 as much again would be garbage.
	burstPercent = 35
)

// memory is what a burst of fetches does to the process's memory.
type memory interface {
	// Spare makes garbage be collected earlier, Free returns memory to the node and ends that.
	Spare()
	Free()
}

// trim has memory spared from the moment when many requests wait, and returned to the node when nothing was
// fetched for a moment, until ctx ends. A fetch takes more than ten times the memory of what it leaves in the cache.
// The Go runtime would keep that for as long as nothing makes it collect garbage, and requests that the
// cache answers hardly do.
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

// collector is the Go runtime's memory.
type collector struct {
	sparing bool
	usual   int // GOGC before
}

func (c *collector) Spare() {
	if c.sparing {
		return
	}
	c.usual, c.sparing = debug.SetGCPercent(burstPercent), true
	if c.usual < burstPercent { // set by the user, or off
		debug.SetGCPercent(c.usual)
	}
}

// Free collects twice: what pools hold, such as buffers of connections, goes with the second.
func (c *collector) Free() {
	if c.sparing {
		debug.SetGCPercent(c.usual)
		c.sparing = false
	}
	runtime.GC()
	debug.FreeOSMemory()
}
