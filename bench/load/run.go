package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Target makes requests. It is called concurrently.
type Target interface {
	// Do makes request number n, counted from 0 in the whole schedule, and returns the result: "" for a success, otherwise
	// the kind of error in one or two words, such as "429" or "timeout". It ends when ctx ends.
	Do(ctx context.Context, n uint64) (kind string)
}

// Options of a load.
type Options struct {
	// Start of the schedule; the zero time means now. A start in the past is an error.
	Start time.Time
	// Share of the schedule's requests that are made; its zero value is all.
	Share Share
	// Workers is the largest number of simultaneous requests, each on its own connection; 0 means 4096. When all are busy,
	// requests wait, and their latency includes the wait.
	Workers int
	// Drain is how long after the schedule's end requests may take; 0 means 30 s. A request that has not ended by then has
	// the error "unfinished".
	Drain time.Duration

	// newPacer replaces the kernel's pacer in tests with their own clock.
	newPacer func(context.Context) (waiter, error)
}

// waiter waits until a time in the near future.
type waiter interface {
	wait(ctx context.Context, d time.Duration) error
	close()
}

const (
	defaultWorkers = 4096
	defaultDrain   = 30 * time.Second
)

// Unfinished is the kind of error of requests that did not end in time.
const Unfinished = "unfinished"

// ticket is a request to make.
type ticket struct {
	n     uint64
	at    time.Duration
	phase int
	// waited says that no worker was free when the request was to begin.
	waited bool
}

// Run makes the schedule's requests with target. When ctx ends, it starts no more requests, ends those in progress and
// returns its result so far, marked as interrupted, with the context's error.
func Run(ctx context.Context, schedule Schedule, target Target, options Options) (*Result, error) {
	if options.Workers == 0 {
		options.Workers = defaultWorkers
	}
	if options.Drain == 0 {
		options.Drain = defaultDrain
	}
	if options.Workers < 0 || options.Drain < 0 {
		return nil, errors.New("run load: workers and drain must not be negative")
	}
	if err := options.Share.check(); err != nil {
		return nil, fmt.Errorf("run load: %w", err)
	}
	if options.newPacer == nil {
		options.newPacer = func(ctx context.Context) (waiter, error) { return newPacer(ctx) }
	}
	pace, err := options.newPacer(ctx)
	if err != nil {
		return nil, fmt.Errorf("run load: %w", err)
	}
	defer pace.close()
	g := &generator{options: options, target: target}
	for range min(runtime.GOMAXPROCS(0), maxShards) {
		g.shards = append(g.shards, newRecorder(schedule))
	}
	requests, cancel := context.WithCancel(ctx)
	defer cancel()
	var ready *flock
	if target, ok := target.(preparer); ok {
		if tickets := g.herd(schedule); len(tickets) > 0 {
			ready = prepare(requests, target, tickets)
		}
	}
	start := time.Now()
	if !options.Start.IsZero() {
		ahead := time.Until(options.Start)
		if ahead < 0 {
			return nil, fmt.Errorf("run load: its start, %s, passed %s ago: give generators more time to get ready", options.Start.Format(time.RFC3339Nano), -ahead)
		}
		// From here on the monotonic clock is used, which cannot be set.
		start = start.Add(ahead)
	}
	g.start = start
	late := time.AfterFunc(time.Until(start)+schedule.Length()+options.Drain, cancel)
	defer late.Stop()
	if ready != nil {
		err = g.release(ctx, requests, ready, pace)
	} else {
		err = g.send(ctx, requests, schedule, pace)
	}
	g.queue.close(err != nil)
	g.workers.Wait()
	result := g.shards[0].result
	for _, shard := range g.shards[1:] {
		if err := result.Merge(shard.result); err != nil {
			return nil, err
		}
	}
	result.MaxInFlight, result.Starved = g.queue.most, g.queue.starved
	result.Interrupted = ctx.Err() != nil
	if err != nil {
		return result, fmt.Errorf("run load: %w", err)
	}
	return result, nil
}

// maxShards bounds the memory of a load on a machine with many cores.
const maxShards = 8

type generator struct {
	options Options
	target  Target
	queue   queue
	// shards record what workers measure. With one for all, workers would wait for each other.
	shards  []*recorder
	start   time.Time
	workers sync.WaitGroup
}

// send passes each request on at its time: to a free worker, otherwise to a new one, and at the limit of workers to the
// first one that becomes free.
func (g *generator) send(ctx, requests context.Context, schedule Schedule, pace waiter) error {
	now := time.Since(g.start)
	for n := uint64(0); ; n++ {
		at, phase, more := schedule.Next()
		if !more {
			return ctx.Err()
		}
		if !g.options.Share.has(n) {
			continue
		}
		if at > now { // one reading of the clock for all that are due
			if now = time.Since(g.start); at > now {
				if err := pace.wait(ctx, at-now); err != nil {
					return err
				}
				now = time.Since(g.start)
			}
		}
		w, err := g.queue.hand(ctx, ticket{n: n, at: at, phase: phase}, g.options.Workers)
		if err != nil {
			return err
		}
		if w != nil {
			g.workers.Go(func() { g.work(ctx, requests, w) })
		}
	}
}

// work makes the requests that the worker gets, until ctx ends. requests ends those in progress.
func (g *generator) work(ctx, requests context.Context, w *worker) {
	recorder := g.shards[w.number%len(g.shards)]
	for {
		t, more := g.queue.take(w)
		if !more || ctx.Err() != nil {
			return
		}
		began := time.Since(g.start)
		kind := g.target.Do(requests, t.n)
		ended := time.Since(g.start)
		if kind != "" && requests.Err() != nil {
			kind = Unfinished
		}
		recorder.add(t, began, ended, kind)
	}
}
