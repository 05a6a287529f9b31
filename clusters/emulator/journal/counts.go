package journal

import (
	"cmp"
	"slices"
)

// Count is how many calls had one outcome since the emulator started or was reset.
type Count struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
	// ErrorCode is "" for success.
	ErrorCode string `json:"errorCode,omitempty"`
	Calls     uint64 `json:"calls"`
	// Repeats are those of Calls that changed nothing (see Call.Repeat).
	Repeats uint64 `json:"repeats,omitempty"`
}

// outcome is the key of a counter.
type outcome struct{ service, operation, errorCode string }

// tally is how often an outcome occurred, and how often it changed nothing.
type tally struct{ calls, repeats uint64 }

const (
	// maxOutcomes bounds the number of counters, because callers choose the names of operations that do not exist.
	maxOutcomes = 4096
	// Others is the operation of calls that have no counter of their own.
	Others = "(others)"
)

// count requires that the caller holds the lock.
func (r *Ring) count(o outcome, repeat bool) {
	if _, known := r.counts[o]; !known && len(r.counts) >= maxOutcomes {
		o = outcome{operation: Others}
	}
	t := r.counts[o]
	t.calls++
	if repeat {
		t.repeats++
	}
	r.counts[o] = t
}

// Counts returns the counters, sorted by service, operation and error code.
func (r *Ring) Counts() []Count {
	r.mu.Lock()
	counts := make([]Count, 0, len(r.counts))
	for o, t := range r.counts {
		counts = append(counts, Count{o.service, o.operation, o.errorCode, t.calls, t.repeats})
	}
	r.mu.Unlock()
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.ErrorCode, b.ErrorCode))
	})
	return counts
}
