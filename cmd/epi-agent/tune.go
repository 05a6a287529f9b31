package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/podidentity/epi/clusters/agent"
)

const (
	// processors that the agent runs Go code on. It mostly waits: with more of them, each request
	// wakes threads that look for work and find none, which costs more than the request.
	processors = 2
	// garbagePercent trades collections, which are rare since a request from the cache leaves little,
	// for memory, of which the cache is most.
	garbagePercent = 50
	// baseMemory is what the Go runtime, a burst of requests and their calls take; entryMemory what
	// an entry of the cache does. Towards their sum, collections
	// become more frequent.
	baseMemory  = 40 << 20
	entryMemory = 4 << 10
)

// tune sets up the Go runtime for an agent, as far as its own variables do not.
func tune(options agent.Options) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(processors, runtime.GOMAXPROCS(0)))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(baseMemory + int64(options.CacheSize)*entryMemory)
	}
}
