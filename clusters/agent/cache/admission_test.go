package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podidentity/epi/clusters/agent/credentials"
)

// A refusal comes back before the whole herd has arrived. Nevertheless there is only one call.
func TestAHerdThatComesLateSharesARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		refused := &credentials.Error{Status: 404, Code: "ResourceNotFoundException"}
		eksAuth.delay, eksAuth.err = time.Millisecond, refused
		c := start(t, eksAuth, defaults)
		token, begin := named("a"), time.Now()
		var herd sync.WaitGroup
		for n := range 100 {
			herd.Go(func() {
				time.Sleep(time.Duration(n) * 500 * time.Microsecond) // 50 ms
				if _, err := c.Get(t.Context(), token, peer); !errors.Is(err, refused) {
					t.Errorf("got %v", err)
				}
			})
		}
		herd.Wait()
		if took := time.Since(begin); took > 100*time.Millisecond || eksAuth.count("a") != 1 {
			t.Errorf("%d calls in %s", eksAuth.count("a"), took)
		}
	})
}

// AGT-19: requests that keep coming do not make a refusal last.
func TestARefusalIsHeldBackForAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		eksAuth.err = errors.New("no route to host")
		c := start(t, eksAuth, defaults)
		token := named("a")
		var askers sync.WaitGroup
		for n := range 1000 {
			askers.Go(func() {
				time.Sleep(time.Duration(n) * time.Millisecond)
				begin := time.Now()
				_, _ = c.Get(t.Context(), token, peer)
				if took := time.Since(begin); took > settleMost+settleQuiet {
					t.Errorf("answered after %s", took)
				}
			})
		}
		askers.Wait()
		if n := eksAuth.count("a"); n < 3 || n > 7 {
			t.Errorf("%d calls in a second", n)
		}
	})
}

// A failure is not held back for later requests when the agent ends, since none come any more.
func TestTheEndOfTheAgentHoldsNoRefusalBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		eksAuth.err = errors.New("no route to host")
		c, err := New(eksAuth, Options{Entries: 10, Retention: time.Minute, RenewalsPerSecond: 3, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		var agent sync.WaitGroup
		agent.Go(func() { c.Run(ctx) })
		time.AfterFunc(time.Millisecond, end)
		begin := time.Now()
		if _, err := c.Get(t.Context(), named("a"), peer); !errors.Is(err, eksAuth.err) || time.Since(begin) != time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		agent.Wait()
	})
}

// AGT-21: a request too many gets its answer at once, and one that the cache can answer is not refused.
func TestTooManyWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		c := start(t, eksAuth, Options{Entries: 2000, Retention: time.Hour, Waiting: 100})
		get(t, c, named("known"))
		eksAuth.delay = time.Second
		begin := time.Now()
		var served, busy atomic.Int32
		var flood sync.WaitGroup
		for n := range 150 {
			flood.Go(func() {
				_, err := c.Get(t.Context(), named(fmt.Sprint(n%2)), peer)
				took := time.Since(begin)
				switch {
				case err == nil && took == time.Second:
					served.Add(1)
				case errors.Is(err, ErrBusy) && took == 0:
					busy.Add(1)
				default:
					t.Errorf("got %v after %s", err, took)
				}
			})
		}
		synctest.Wait()
		if _, ok := c.Cached("known", peer); !ok {
			t.Error("what is cached is not served meanwhile")
		}
		flood.Wait()
		if served.Load() != 100 || busy.Load() != 50 {
			t.Errorf("%d served, %d refused because there are too many", served.Load(), busy.Load())
		}
		if len(c.Idle()) != 1 {
			t.Error("the end of the flood was not reported")
		}
		get(t, c, named("after"))
	})
}

func TestCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		eksAuth.delay = time.Second
		c := start(t, eksAuth, Options{Entries: 2000, Retention: time.Hour, Calls: 10})
		begin := time.Now()
		var pods sync.WaitGroup
		for n := range 25 {
			pods.Go(func() { get(t, c, named(fmt.Sprint(n))) })
		}
		pods.Wait()
		if took := time.Since(begin); took != 3*time.Second { // 10, 10 and 5
			t.Errorf("took %s", took)
		}
		// A request that waits for a call waits no longer than for its answer.
		eksAuth.delay = time.Hour
		begin = time.Now()
		for n := range 20 {
			pods.Go(func() {
				_, err := c.Get(t.Context(), named(fmt.Sprint("slow-", n)), peer)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > fetchTimeout+settleMost {
					t.Errorf("got %v after %s", err, time.Since(begin))
				}
			})
		}
		pods.Wait()
	})
}

func TestABurstIsSignalledOnce(t *testing.T) {
	a := newAdmission(0, 0)
	has := func(channel <-chan struct{}) int {
		select {
		case <-channel:
			return 1
		default:
			return 0
		}
	}
	for n := range 3 * burst {
		a.enter()
		if got, want := has(a.bursts), map[bool]int{true: 1}[n == burst-1]; got != want {
			t.Errorf("with %d waiting there are %d signals of a burst, want %d", n+1, got, want)
		}
	}
	for range 3 * burst {
		a.leave()
	}
	if has(a.bursts) != 0 || has(a.idle) != 1 {
		t.Error("the end of a burst is a signal of one, or there is none that it is over")
	}
}
