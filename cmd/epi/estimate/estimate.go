// Package estimate says how long work that is done in parts, some of them side by side, still takes. It goes by how
// long the same parts took an earlier time.
package estimate

import (
	"sync"
	"time"
)

// fewestKnown is the share of the parts that have to be known: an estimate from fewer would be a guess.
const fewestKnown = 0.8

// mostFactor bounds how much slower or quicker than before the parts that are done may make the others.
const mostFactor = 4

// Estimate is about one piece of work. Its methods may be called concurrently.
type Estimate struct {
	mu sync.Mutex
	// before is how long the parts took, those that are to be done and not known at their mean.
	before map[string]time.Duration
	// lanes is how many parts were done at once, on average.
	lanes float64
	known bool
	// running are the parts that have begun, with the moment.
	running map[string]time.Time
	done    map[string]bool
	// took is how long the parts that are done took now, and would have taken before.
	took, expected time.Duration
}

// New returns the estimate for the parts of these names. Before has how long each took an earlier time, and whole how
// long all of that took from its beginning to its end.
func New(parts []string, before map[string]time.Duration, whole time.Duration) *Estimate {
	e := &Estimate{before: map[string]time.Duration{}, running: map[string]time.Time{}, done: map[string]bool{}, lanes: 1}
	var sum, all time.Duration
	known := 0
	for _, part := range parts {
		if took, ok := before[part]; ok {
			known++
			sum += took
			e.before[part] = took
		}
	}
	for _, took := range before {
		all += took
	}
	if whole > 0 && all > whole {
		e.lanes = float64(all) / float64(whole)
	}
	e.known = known > 0 && float64(known) >= fewestKnown*float64(len(parts))
	for _, part := range parts {
		if _, ok := e.before[part]; !ok && known > 0 {
			e.before[part] = sum / time.Duration(known)
		}
	}
	return e
}

// Begin says that a part begins.
func (e *Estimate) Begin(part string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[part] = now
}

// End says that a part is done, and how long it took.
func (e *Estimate) End(part string, took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, part)
	if e.done[part] {
		return
	}
	e.done[part] = true
	if before, ok := e.before[part]; ok {
		e.took, e.expected = e.took+took, e.expected+before
	}
}

// Left is how long what is not done takes from now, and whether that can be known.
func (e *Estimate) Left(now time.Time) (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known {
		return 0, false
	}
	factor := e.factor()
	var sum, longest time.Duration
	for part, before := range e.before {
		if e.done[part] {
			continue
		}
		left := time.Duration(factor * float64(before))
		if begun, ok := e.running[part]; ok {
			left = max(0, left-now.Sub(begun))
		}
		sum, longest = sum+left, max(longest, left)
	}
	return max(longest, time.Duration(float64(sum)/e.lanes)), true
}

// factor is how much slower this time is than the one before. Of few parts that are done it says little, so the time
// before counts as if a fifth of all had gone as it did then.
func (e *Estimate) factor() float64 {
	var all time.Duration
	for _, before := range e.before {
		all += before
	}
	weight := float64(all) / 5
	if float64(e.expected)+weight <= 0 {
		return 1
	}
	factor := (float64(e.took) + weight) / (float64(e.expected) + weight)
	return max(1.0/mostFactor, min(mostFactor, factor))
}
