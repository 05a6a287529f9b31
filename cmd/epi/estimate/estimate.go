// Package estimate estimates how long work still takes whose parts partly run at the same time. It uses the durations of
// the same parts at an earlier time.
package estimate

import (
	"sync"
	"time"
)

// fewestKnown is the share of the parts whose duration must be known. An estimate from fewer would be a guess.
const fewestKnown = 0.8

// mostFactor bounds how much the finished parts may change the estimate of the others.
const mostFactor = 4

// Estimate is the estimate of one piece of work. Its methods may be called concurrently.
type Estimate struct {
	mu sync.Mutex
	// before has the earlier durations of the parts. An unknown part has the mean.
	before map[string]time.Duration
	// lanes is the average number of simultaneous parts.
	lanes float64
	known bool
	// running are the parts that have begun, with their times.
	running map[string]time.Time
	done    map[string]bool
	// took has the durations of the finished parts, now and before.
	took, expected time.Duration
}

// New returns the estimate for the parts of these names. before has their earlier durations, and whole is the earlier
// duration of all the work.
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

// End says that a part is finished, with its duration.
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

// Left is the remaining time, and says whether it can be known.
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

// factor is how much slower this time is than the earlier one. A few finished parts say little, so a fifth of all parts
// counts with the earlier durations.
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
