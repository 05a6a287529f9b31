package load

import (
	"context"
	"sync"
	"time"
)

// preparer is a target whose requests can be prepared before they begin, so that they only have to be sent.
type preparer interface {
	Target
	// prepare prepares request n: it is connected and built. If it returns an error, the request fails with it.
	prepare(ctx context.Context, n uint64) (prepared, error)
}

// prepared is a request that is ready. begin sends it and does not wait for the answer. end waits for the answer, also if
// it is called before begin, and returns the result as Target.Do does.
type prepared interface {
	begin()
	end(ctx context.Context) (kind string)
}

// preparing is the number of requests that are prepared at the same time.
const preparing = 32

// herd returns the tickets of a schedule that is one herd of at most as many requests as may be in progress; nil for any
// other schedule, of which it then takes nothing.
func (g *generator) herd(schedule Schedule) []ticket {
	plan, ok := schedule.(*Plan)
	if !ok || len(plan.phases) != 1 || plan.phases[0].Arrivals != AtOnce || plan.phases[0].Count > g.options.Workers {
		return nil
	}
	var tickets []ticket
	for n := uint64(0); ; n++ {
		at, phase, more := schedule.Next()
		if !more {
			return tickets
		}
		if g.options.Share.has(n) {
			tickets = append(tickets, ticket{n: n, at: at, phase: phase})
		}
	}
}

// flock is a prepared herd.
type flock struct {
	tickets  []ticket
	requests []prepared
	failed   []error
}

// prepare makes all requests of a herd ready.
func prepare(ctx context.Context, target preparer, tickets []ticket) *flock {
	f := &flock{tickets: tickets, requests: make([]prepared, len(tickets)), failed: make([]error, len(tickets))}
	var group sync.WaitGroup
	limit := make(chan struct{}, preparing)
	for i := range tickets {
		limit <- struct{}{}
		group.Go(func() {
			defer func() { <-limit }()
			f.requests[i], f.failed[i] = target.prepare(ctx, tickets[i].n)
		})
	}
	group.Wait()
	return f
}

// release sends all requests of a herd one after the other, without switching goroutines in between. Waking a goroutine for
// each would take longer than the answers.
func (g *generator) release(ctx, requests context.Context, f *flock, pace waiter) error {
	begans := make([]time.Duration, len(f.tickets))
	// The goroutines that wait for answers wait before the requests are sent.
	sent := make([]chan struct{}, len(f.tickets))
	for i, t := range f.tickets {
		sent[i] = make(chan struct{})
		recorder := g.shards[i%len(g.shards)]
		g.workers.Go(func() {
			var kind string
			if f.failed[i] != nil {
				kind = KindOf(f.failed[i])
			} else {
				kind = f.requests[i].end(requests)
			}
			ended := time.Since(g.start)
			select {
			case <-sent[i]:
			case <-requests.Done():
				<-sent[i]
			}
			if kind != "" && requests.Err() != nil {
				kind = Unfinished
			}
			recorder.add(t, begans[i], max(ended, begans[i]), kind)
		})
	}
	g.queue.most = len(f.tickets)
	err := pace.wait(ctx, f.tickets[0].at-time.Since(g.start))
	for i := range f.tickets {
		begans[i] = time.Since(g.start)
		if f.failed[i] == nil && err == nil {
			f.requests[i].begin()
		}
		close(sent[i])
	}
	return err
}
