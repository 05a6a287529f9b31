package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/podidentity/epi/clusters/agent"
)

const (
	// processors that the agent runs Go code on, at most. It mostly waits: each further one is woken
	// to look for work that it does not find. At 900 requests a second two cost a quarter more than
	// one; they are for bursts of pods, each of which costs EKS Auth's signature and TLS.
	processors = 2
	// baseMemory is what the Go runtime, a burst of requests and their calls take; entryMemory what
	// an entry of the cache does, garbage included. Towards their sum, collections become more
	// frequent, instead of the pod being killed for memory.
	baseMemory  = 64 << 20
	entryMemory = 6 << 10
)

// tune sets up the Go runtime for an agent, as far as its own variables do not.
func tune(options agent.Options) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(processors, runtime.GOMAXPROCS(0)))
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(baseMemory + int64(options.CacheSize)*entryMemory)
	}
}
