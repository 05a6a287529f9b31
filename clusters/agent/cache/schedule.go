package cache

import (
	"container/heap"
	"sync"
	"time"
)

// schedule says which entry to renew next. Of the entries whose time has come it is the one whose credentials end first, so
// that a backlog does not let credentials end that could have been renewed. Its lock is never held during other work.
type schedule struct {
	// changed has an element if another entry became the first to wait for.
	changed chan struct{}

	mu   sync.Mutex
	wait queue // by time
	due  queue // by end of credentials
}

// place is the place of an entry in a schedule. The schedule's lock guards it.
type place struct {
	at    time.Time // when it is due
	end   time.Time // of its credentials, when it became due
	queue *queue    // nil: not scheduled
	index int
	out   bool // never to be scheduled again
}

func newSchedule() *schedule {
	return &schedule{
		changed: make(chan struct{}, 1),
		wait:    queue{before: func(a, b *place) bool { return a.at.Before(b.at) }},
		due:     queue{before: func(a, b *place) bool { return a.end.Before(b.end) }},
	}
}

// put makes an entry due at a time, in place of its earlier time. An entry that was removed stays removed.
func (s *schedule) put(e *entry, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.place.out {
		return
	}
	s.take(e)
	e.place.at = at
	s.wait.add(e)
	if e.place.index == 0 {
		select {
		case s.changed <- struct{}{}:
		default: // an element is there already
		}
	}
}

// remove removes an entry from the schedule for good.
func (s *schedule) remove(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(e)
	e.place.out = true
}

// next is the time until an entry is due: 0 if one is. False: there is none.
func (s *schedule) next() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.due.entries) > 0:
		return 0, true
	case len(s.wait.entries) > 0:
		return max(0, time.Until(s.wait.entries[0].place.at)), true
	default:
		return 0, false
	}
}

// pop removes and returns the entry to renew now; nil if none is due.
func (s *schedule) pop() *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	for now := time.Now(); len(s.wait.entries) > 0 && !now.Before(s.wait.entries[0].place.at); {
		e := s.wait.entries[0]
		s.take(e)
		e.place.end = e.held.Load().expires
		s.due.add(e)
	}
	if len(s.due.entries) == 0 {
		return nil
	}
	e := s.due.entries[0]
	s.take(e)
	return e
}

func (s *schedule) take(e *entry) {
	if e.place.queue != nil {
		heap.Remove(e.place.queue, e.place.index)
		e.place.queue = nil
	}
}

// queue implements heap.Interface for add and schedule.take.
type queue struct {
	entries []*entry
	before  func(a, b *place) bool
}

func (q *queue) add(e *entry) {
	e.place.queue = q
	heap.Push(q, e)
}

func (q *queue) Len() int           { return len(q.entries) }
func (q *queue) Less(i, j int) bool { return q.before(&q.entries[i].place, &q.entries[j].place) }

func (q *queue) Swap(i, j int) {
	q.entries[i], q.entries[j] = q.entries[j], q.entries[i]
	q.entries[i].place.index, q.entries[j].place.index = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.place.index = len(q.entries)
	q.entries = append(q.entries, e)
}

func (q *queue) Pop() any {
	last := len(q.entries) - 1
	e := q.entries[last]
	q.entries[last] = nil
	q.entries = q.entries[:last]
	return e
}
