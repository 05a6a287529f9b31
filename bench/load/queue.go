package load

import (
	"context"
	"sync"
)

// queue passes due requests to workers. A worker that ends a request takes the next waiting one, without switching
// goroutines. If none waits, the worker is free. The last worker to become free gets work first, so that few workers stay
// warm.
type queue struct {
	mu      sync.Mutex
	waiting []ticket // a ring of waits tickets, from first
	first   int
	waits   int
	free    []*worker
	workers int
	closed  bool
	// room is signalled when half of a full ring is free, if blocked.
	room    chan struct{}
	blocked bool

	// most is the largest number of simultaneously busy workers. starved counts tickets that had to wait.
	most    int
	starved int64
}

// worker makes one request after the other.
type worker struct {
	number int
	next   chan ticket // of 1; closed at the end
}

// ringSize bounds the number of waiting tickets outside the schedule, which waits when the ring is full.
const ringSize = 4096

// hand gives a ticket to a free worker. If there is none, it returns a new worker with the ticket. At the limit of workers,
// the ticket waits for the first free worker.
func (q *queue) hand(ctx context.Context, t ticket, limit int) (*worker, error) {
	q.mu.Lock()
	if last := len(q.free) - 1; last >= 0 {
		w := q.free[last]
		q.free = q.free[:last]
		q.most = max(q.most, q.workers-last)
		q.mu.Unlock()
		w.next <- t
		return nil, nil
	}
	if q.workers < limit {
		w := &worker{number: q.workers, next: make(chan ticket, 1)}
		w.next <- t
		q.workers++
		q.most = q.workers // none is free
		q.mu.Unlock()
		return w, nil
	}
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting, q.room = make([]ticket, ringSize), make(chan struct{}, 1)
	}
	if q.waits == ringSize {
		if err := q.awaitRoom(ctx); err != nil {
			return nil, err
		}
	}
	t.waited = true
	q.starved++
	q.waiting[(q.first+q.waits)%ringSize] = t
	q.waits++
	return nil, nil
}

// awaitRoom is called, and returns, with the lock held.
func (q *queue) awaitRoom(ctx context.Context) error {
	q.blocked = true
	q.mu.Unlock()
	defer q.mu.Lock()
	select {
	case <-q.room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take returns the worker's next ticket; false at the end.
func (q *queue) take(w *worker) (ticket, bool) {
	select {
	case t, more := <-w.next: // its first
		return t, more
	default:
	}
	q.mu.Lock()
	if q.waits > 0 {
		t := q.waiting[q.first]
		q.first = (q.first + 1) % ringSize
		q.waits--
		if q.blocked && q.waits <= ringSize/2 {
			q.blocked = false
			q.room <- struct{}{}
		}
		q.mu.Unlock()
		return t, true
	}
	if q.closed {
		q.mu.Unlock()
		return ticket{}, false
	}
	q.free = append(q.free, w)
	q.mu.Unlock()
	t, more := <-w.next
	return t, more
}

// close lets workers end when nothing waits any more. drop discards the waiting tickets.
func (q *queue) close(drop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if drop {
		q.waits = 0
	}
	for _, w := range q.free {
		close(w.next)
	}
}
