package journal

import (
	"context"
	"strings"
	"sync"
)

// Ring keeps the newest calls and counts all. It is safe for concurrent use. NewRing makes one; the zero value is not
// usable.
type Ring struct {
	mu sync.Mutex
	// last is the number of the newest call. kept is the number of calls in the ring.
	last, kept uint64
	// calls holds number n at (n-1) modulo its length.
	calls  []Call
	counts map[outcome]tally
	// added is closed by the next Add; nil without a waiter.
	added chan struct{}
}

// NewRing makes a ring that keeps the newest size calls; size must be at least 1.
func NewRing(size int) *Ring {
	return &Ring{calls: make([]Call, max(size, 1)), counts: map[outcome]tally{}}
}

// Bounds of texts that callers can lengthen, in bytes.
const (
	maxName     = 128
	maxText     = 512
	maxDecision = 4096
)

// Add numbers call and keeps it. If the ring is full, it replaces the oldest call. Texts that are too long are cut.
func (r *Ring) Add(call Call) uint64 {
	call.Operation, call.ErrorCode = cut(call.Operation, maxName), cut(call.ErrorCode, maxName)
	call.Subject, call.Decision = cut(call.Subject, maxText), cut(call.Decision, maxDecision)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	call.Seq = r.last
	r.calls[r.index(r.last)] = call
	r.kept = min(r.kept+1, uint64(len(r.calls)))
	r.count(outcome{call.Service, call.Operation, call.ErrorCode}, call.Repeat)
	if r.added != nil {
		close(r.added)
		r.added = nil
	}
	return call.Seq
}

// cut copies the text, so that its beginning does not keep all of it in memory.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.Clone(strings.ToValidUTF8(text[:most], "")) + "…"
}

func (r *Ring) index(seq uint64) uint64 { return (seq - 1) % uint64(len(r.calls)) }

// After returns the kept calls with a number above seq, oldest first, and the number of the newest
// call of all. A first call whose number is not seq+1 says that older ones were dropped.
func (r *Ring) After(seq uint64) (calls []Call, last uint64) { return r.Find(Query{After: seq}) }

// Find returns the kept calls that match query, oldest first, and the number of the newest call of all, which is the next
// After.
func (r *Ring) Find(query Query) (calls []Call, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(query), r.last
}

// find requires that the caller holds the lock.
func (r *Ring) find(query Query) []Call {
	calls := []Call{}
	for before := max(query.After, r.last-r.kept); before < r.last; before++ {
		if call := &r.calls[r.index(before+1)]; query.matches(call) {
			calls = append(calls, *call)
		}
	}
	return calls
}

// Wait is Find, but if there is no such call it waits for the first one, or until ctx ends.
func (r *Ring) Wait(ctx context.Context, query Query) (calls []Call, last uint64) {
	for {
		r.mu.Lock()
		calls, last = r.find(query), r.last
		if len(calls) > 0 {
			r.mu.Unlock()
			return calls, last
		}
		if r.added == nil {
			r.added = make(chan struct{})
		}
		added := r.added
		r.mu.Unlock()
		select {
		case <-added:
			// Calls that were compared once need not be compared again.
			query.After = max(query.After, last)
		case <-ctx.Done():
			return calls, last
		}
	}
}

// Reset forgets all calls and counts. Numbers continue, so that a noted number stays valid.
func (r *Ring) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ; r.kept > 0; r.kept-- {
		r.calls[r.index(r.last-r.kept+1)] = Call{}
	}
	clear(r.counts)
}
