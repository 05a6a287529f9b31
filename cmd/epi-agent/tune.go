package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/podidentity/epi/clusters/agent"
)

const (
	// processors is the largest number of processors for Go code. The agent mostly waits, and each further processor is
	// woken to look for work in vain. At 900 requests a second two cost a quarter more than one. They are for bursts of
	// pods, each of which costs a signature and TLS for EKS Auth.
	processors = 2
	// baseMemory is the memory of the Go runtime and of a burst of requests with their calls. entryMemory is that of a
	// cache entry, with garbage. Near their sum collections become more frequent, so that the pod is not killed for memory.
	baseMemory  = 64 << 20
	entryMemory = 6 << 10
)

// tune sets up the Go runtime for an agent, unless the runtime's own variables do.
func tune(options agent.Options) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(processors, runtime.GOMAXPROCS(0)))
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(baseMemory + int64(options.CacheSize)*entryMemory)
	}
}
