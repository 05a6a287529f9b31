package load

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// serial answers one request after the other.
type serial struct{ slot chan struct{} }

func (s serial) Do(context.Context, uint64) string {
	s.slot <- struct{}{}
	time.Sleep(2 * time.Millisecond)
	<-s.slot
	return ""
}

// At twice the server's rate the queue grows by half of the arrivals. The last request of a second waits about one more
// second, at the server or for a worker.
func TestWaitingForAWorkerCounts(t *testing.T) {
	for _, workers := range []int{4, 4096} {
		synctest.Test(t, func(t *testing.T) {
			plan := mustPlan(t, Phase{Name: "overload", From: 1000, Lasts: time.Second})
			result, err := Run(t.Context(), plan, serial{make(chan struct{}, 1)}, Options{Workers: workers, newPacer: testClock})
			if err != nil {
				t.Fatal(err)
			}
			if most := at(result.Phases[0].Latency, 100).Round(10 * time.Millisecond); most != time.Second {
				t.Errorf("%d workers: the longest latency is %s; the last request waits for 500 before it, 2 ms each", workers, most)
			}
			if starved := result.Starved > 0; starved != (workers == 4) || workers == 4 && result.MaxInFlight != 4 {
				t.Errorf("%d workers: %d waited for one, %d in flight at most", workers, result.Starved, result.MaxInFlight)
			}
		})
	}
}

// hanging answers none of its requests until its context ends.
type hanging struct{ began atomic.Int64 }

func (h *hanging) Do(ctx context.Context, _ uint64) string {
	h.began.Add(1)
	<-ctx.Done()
	return "cut off"
}

func TestWhatDoesNotEndInTimeIsReportedAsUnfinished(t *testing.T) {
	plan := mustPlan(t, Phase{Name: "a", Lasts: time.Millisecond, Arrivals: AtOnce, Count: 5})
	result, err := Run(t.Context(), plan, &hanging{}, Options{Drain: time.Millisecond})
	if err != nil || result.Phases[0].Errors[Unfinished] != 5 || result.Interrupted {
		t.Errorf("%+v, %v", result.Phases[0], err)
	}
}

func TestAnInterruptedLoadEndsAndKeepsWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	target := &hanging{}
	go func() {
		for target.began.Load() < 3 {
			runtime.Gosched()
		}
		cancel()
	}()
	plan := mustPlan(t, Phase{Name: "a", From: 1000, Lasts: time.Hour})
	result, err := Run(ctx, plan, target, Options{})
	if !errors.Is(err, context.Canceled) || !result.Interrupted || result.Phases[0].Requests < 3 {
		t.Errorf("%d requests, interrupted %t, error %v", result.Phases[0].Requests, result.Interrupted, err)
	}
}

func TestMergedPercentilesAreThoseOfAllRequests(t *testing.T) {
	half := func(takes time.Duration, n int) *Result {
		r := newRecorder(mustPlan(t, Phase{Name: "a", From: 1, Lasts: time.Second}))
		for range n {
			r.add(ticket{at: time.Second}, time.Second, time.Second+takes, map[bool]string{true: "429"}[takes > time.Second])
		}
		return r.result
	}
	merged := half(time.Millisecond, 90)
	if err := merged.Merge(half(2*time.Second, 10)); err != nil {
		t.Fatal(err)
	}
	phase := merged.Phases[0]
	if p := phase.Latency.ValueAtPercentile(90); p > 1001 {
		t.Errorf("p90 is %d µs, want 1 ms", p)
	}
	if p := phase.Latency.ValueAtPercentile(91); p < 1_990_000 {
		t.Errorf("p91 is %d µs, want 2 s", p)
	}
	second := merged.Intervals[time.Second/merged.Interval]
	if phase.Requests != 100 || phase.Errors["429"] != 10 || second.Failed != 10 || second.Requests != 100 {
		t.Errorf("%d requests, errors %v, interval %+v", phase.Requests, phase.Errors, second)
	}
	if rate := phase.Rate(); math.Abs(rate-45) > 0.1 {
		t.Errorf("%.1f succeeded a second, want 90 in 2 s", rate)
	}
}

func BenchmarkRun(b *testing.B) {
	b.ReportAllocs()
	plan := mustPlan(b, Phase{Name: "a", Lasts: time.Second, Arrivals: AtOnce, Count: max(b.N, 1)})
	if _, err := Run(b.Context(), plan, instant{}, Options{Workers: 16}); err != nil {
		b.Fatal(err)
	}
}

type instant struct{}

func (instant) Do(context.Context, uint64) string { return "" }

func TestIntervalsAreFineInShortLoadsAndFewInLongOnes(t *testing.T) {
	for length, want := range map[time.Duration]time.Duration{
		time.Second: 100 * time.Millisecond, 10 * time.Second: 100 * time.Millisecond,
		11 * time.Second: time.Second, 10 * time.Minute: time.Second, time.Hour: 6 * time.Second,
	} {
		if got := intervalOf(length); got != want {
			t.Errorf("a load of %s: intervals of %s, want %s", length, got, want)
		}
	}
}
