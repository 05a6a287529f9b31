package agent

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// trimAfter is how long nothing must have been fetched before memory is returned to the node.
const trimAfter = time.Second

// trim has free return memory to the node whenever a burst of fetches is over, until ctx ends: fetched
// has an element after each. A fetch takes more than ten times the memory of what it leaves in the cache. The Go
// runtime would keep that for as long as nothing makes it collect garbage, and requests that the cache
// answers hardly do.
func trim(ctx context.Context, fetched <-chan struct{}, free func()) {
	var quiet <-chan time.Time // nil: nothing to wait for
	for {
		select {
		case <-ctx.Done():
			return
		case <-fetched:
			quiet = time.After(trimAfter)
		case <-quiet:
			free()
			quiet = nil
		}
	}
}

// returnMemory collects twice: what pools hold, such as buffers of connections, goes with the second.
func returnMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}
