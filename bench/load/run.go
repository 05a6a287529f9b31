package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Target makes requests. It is called concurrently.
type Target interface {
	// Do makes request number n, counted from 0, and says what became of it: "" for a success, else
	// the kind of error in a word or two, such as "429" or "timeout". It ends when ctx does.
	Do(ctx context.Context, n uint64) (kind string)
}

// Options of a load.
type Options struct {
	// Workers is how many requests may be under way at once; 0 means 4096. When all are, requests
	// wait, and their latency counts that.
	Workers int
	// Drain is how long requests that are under way at the schedule's end may take; 0 means 30 s.
	// What has not ended by then is recorded as the error "unfinished".
	Drain time.Duration
	// Length of the schedule, for the intervals of the series; 0 means that they are one second.
	Length time.Duration

	// newPacer is another one than the kernel's, for tests with a clock of their own.
	newPacer func(context.Context) (waiter, error)
}

// waiter waits for a time that is near.
type waiter interface {
	wait(ctx context.Context, d time.Duration) error
	close()
}

// Unfinished is the kind of error of requests that did not end in time.
const Unfinished = "unfinished"

// ticket is a request that is to be made.
type ticket struct {
	n     uint64
	at    time.Duration
	phase int
	// waited says that no worker was free when the request was to begin.
	waited bool
}

// Run makes the schedule's requests of target. When ctx ends it begins no more, lets go of those under
// way and returns what it has, marked as interrupted, with the context's error.
func Run(ctx context.Context, schedule Schedule, target Target, options Options) (*Result, error) {
	if options.Workers == 0 {
		options.Workers = 4096
	}
	if options.Drain == 0 {
		options.Drain = 30 * time.Second
	}
	if options.Workers < 0 || options.Drain < 0 {
		return nil, errors.New("run load: workers and drain must not be negative")
	}
	requests, cancel := context.WithCancel(ctx)
	defer cancel()
	if options.newPacer == nil {
		options.newPacer = func(ctx context.Context) (waiter, error) { return newPacer(ctx) }
	}
	pace, err := options.newPacer(ctx)
	if err != nil {
		return nil, fmt.Errorf("run load: %w", err)
	}
	defer pace.close()
	g := &generator{
		options: options, target: target, tickets: make(chan ticket),
		recorder: newRecorder(schedule, max(time.Second, (options.Length/maxIntervals).Round(time.Second))),
		start:    time.Now(),
	}
	err = g.send(ctx, requests, schedule, pace)
	close(g.tickets)
	g.drain(cancel)
	result := g.recorder.result
	result.MaxInFlight = int(g.most.Load())
	result.Interrupted = ctx.Err() != nil
	if err != nil {
		return result, fmt.Errorf("run load: %w", err)
	}
	return result, nil
}

type generator struct {
	options  Options
	target   Target
	tickets  chan ticket
	recorder *recorder
	start    time.Time

	workers        sync.WaitGroup
	inFlight, most atomic.Int64
}

// send hands out each request when its time has come: to a free worker, else to a new one, else, when
// there are as many as there may be, to the first that is free.
func (g *generator) send(ctx, requests context.Context, schedule Schedule, pace waiter) error {
	workers := 0
	for n := uint64(0); ; n++ {
		at, phase, more := schedule.Next()
		if !more {
			return nil
		}
		if err := pace.wait(ctx, at-time.Since(g.start)); err != nil {
			return err
		}
		t := ticket{n: n, at: at, phase: phase}
		select {
		case g.tickets <- t:
			continue
		default:
		}
		if workers < g.options.Workers {
			workers++
			g.workers.Add(1)
			go g.work(requests, t)
			continue
		}
		t.waited = true
		g.recorder.result.Starved++ // only this goroutine touches it before the end
		select {
		case g.tickets <- t:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// work makes a first request, then those that it gets.
func (g *generator) work(ctx context.Context, t ticket) {
	defer g.workers.Done()
	for more := true; more; t, more = <-g.tickets {
		for now, most := g.inFlight.Add(1), g.most.Load(); now > most && !g.most.CompareAndSwap(most, now); most = g.most.Load() {
		}
		began := time.Since(g.start)
		kind := g.target.Do(ctx, t.n)
		ended := time.Since(g.start)
		g.inFlight.Add(-1)
		if kind != "" && ctx.Err() != nil {
			kind = Unfinished
		}
		g.recorder.add(t, began, ended, kind)
	}
}

// drain waits for the requests under way, and lets go of those that take too long.
func (g *generator) drain(cancel context.CancelFunc) {
	ended := make(chan struct{})
	go func() {
		g.workers.Wait()
		close(ended)
	}()
	late := time.NewTimer(g.options.Drain)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
		cancel()
		<-ended
	}
}
