package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// server answers after a time that is known of each request, and stalls.
type server struct {
	start      time.Time
	takes      func(n uint64) time.Duration
	stall, end time.Duration
}

func (s *server) Do(ctx context.Context, n uint64) string {
	now := time.Since(s.start)
	answer := now + s.takes(n)
	if now >= s.stall && now < s.end {
		answer += s.end - now
	}
	select {
	case <-time.After(answer - time.Since(s.start)):
		return ""
	case <-ctx.Done():
		return "cut off"
	}
}

// lognormal is a long-tailed time to answer, the same for the same n: median 60 ms, p99 about 240 ms.
func lognormal(n uint64) time.Duration {
	random := rand.New(rand.NewPCG(n, 7))
	return time.Duration(60e6 * math.Exp(0.6*random.NormFloat64()))
}

const stallBegins, stallEnds = 1500 * time.Millisecond, 2500 * time.Millisecond

// truthOf are the latencies that the server gives the requests of a plan, sorted.
func truthOf(t *testing.T, phase Phase) []time.Duration {
	var truth []time.Duration
	for _, at := range drain(t, mustPlan(t, phase))[0] {
		takes := lognormal(uint64(len(truth)))
		if at >= stallBegins && at < stallEnds {
			takes += stallEnds - at
		}
		truth = append(truth, takes)
	}
	slices.Sort(truth)
	return truth
}

// runtimeTimer waits by the runtime's own clock, which a test can replace.
type runtimeTimer struct{}

func (runtimeTimer) wait(_ context.Context, d time.Duration) error { time.Sleep(max(d, 0)); return nil }
func (runtimeTimer) close()                                        {}

// The percentiles are those of a server whose answers' times are known exactly, and a stall shows in
// all requests that were to begin in it. The clock is the test's own, so nothing else has a say.
func TestPercentilesAreTheTruthAndAStallShowsWhole(t *testing.T) {
	phase := Phase{Name: "steady", From: 5000, Lasts: 4 * time.Second}
	for name, workers := range map[string]int{"as many workers as it takes": 20000, "too few, so that requests wait for one": 2000} {
		t.Run(name, func(t *testing.T) {
			truth := truthOf(t, phase)
			synctest.Test(t, func(t *testing.T) {
				result, err := Run(t.Context(), mustPlan(t, phase), &server{start: time.Now(), takes: lognormal, stall: stallBegins, end: stallEnds}, Options{
					Workers: workers, newPacer: func(context.Context) (waiter, error) { return runtimeTimer{}, nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				// Whoever waits for a worker has at least the latency of the truth.
				for _, problem := range compare(result.Phases[0], truth) {
					if workers == 20000 {
						t.Error(problem)
					}
				}
				if longest := result.Phases[0].Latency.Max(); longest < 1_000_000 {
					t.Errorf("the longest latency is %d µs: the stall of 1 s does not show", longest)
				}
			})
		})
	}
}

// The same in real time, at 5,000 requests a second on one core.
func TestRealTimeIsTheTruthToo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of one core")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	phase := Phase{Name: "steady", From: 5000, Lasts: 4 * time.Second}
	truth := truthOf(t, phase)
	var problems []error
	busy := false
	for range 3 {
		result, err := Run(t.Context(), mustPlan(t, phase), &server{start: time.Now(), takes: lognormal, stall: stallBegins, end: stallEnds}, Options{Workers: 20000})
		if err != nil {
			t.Fatal(err)
		}
		problems = compare(result.Phases[0], truth)
		t.Logf("lag p50 %d p99 %d µs, %d in flight at most, %v", result.Lag.ValueAtPercentile(50), result.Lag.ValueAtPercentile(99), result.MaxInFlight, problems)
		if len(problems) == 0 {
			return
		}
		// Both ends of the load share the core: when requests begin late, answers end late too.
		busy = result.Lag.ValueAtPercentile(99) > 1000
	}
	if busy {
		t.Skipf("this machine is too busy to tell: requests began late by more than 1 ms; then %v", errors.Join(problems...))
	}
	t.Error(errors.Join(problems...))
}

func compare(phase *PhaseResult, truth []time.Duration) []error {
	var problems []error
	if phase.Requests != int64(len(truth)) || phase.Failed() != 0 {
		problems = append(problems, fmt.Errorf("%d requests, %d failed; want %d and none", phase.Requests, phase.Failed(), len(truth)))
	}
	for _, percentile := range []float64{50, 90, 99, 99.9} {
		want := truth[int(math.Ceil(percentile/100*float64(len(truth))))-1]
		got := time.Duration(phase.Latency.ValueAtPercentile(percentile)) * time.Microsecond
		if off := math.Abs(got.Seconds()/want.Seconds() - 1); off > 0.02 {
			problems = append(problems, fmt.Errorf("p%g is %s, truth %s: %.1f%% off", percentile, got, want, 100*off))
		}
	}
	return problems
}

// serial answers one request after the other.
type serial struct{ turn chan struct{} }

func (s serial) Do(context.Context, uint64) string {
	s.turn <- struct{}{}
	time.Sleep(2 * time.Millisecond)
	<-s.turn
	return ""
}

// At twice what the server can do the queue grows by half of what comes: the last of a second waits
// about as long again, whether it waits at the server or for a worker.
func TestWaitingForAWorkerCounts(t *testing.T) {
	for _, workers := range []int{4, 4096} {
		plan := mustPlan(t, Phase{Name: "overload", From: 800, Lasts: time.Second})
		result, err := Run(t.Context(), plan, serial{make(chan struct{}, 1)}, Options{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		phase := result.Phases[0]
		if most := time.Duration(phase.Latency.Max()) * time.Microsecond; most < 600*time.Millisecond {
			t.Errorf("%d workers: the longest latency is %s; the last request waits for 800 before it, 2 ms each", workers, most)
		}
		if starved := result.Starved > 0; starved != (workers == 4) || workers == 4 && result.MaxInFlight != 4 {
			t.Errorf("%d workers: %d waited for one, %d in flight at most", workers, result.Starved, result.MaxInFlight)
		}
	}
}

// hanging answers none of its requests until it is told to stop.
type hanging struct{ began atomic.Int64 }

func (h *hanging) Do(ctx context.Context, _ uint64) string {
	h.began.Add(1)
	<-ctx.Done()
	return "cut off"
}

func TestWhatDoesNotEndInTimeIsToldAsUnfinished(t *testing.T) {
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
	if phase.Requests != 100 || phase.Errors["429"] != 10 || merged.Intervals[1].Failed != 10 || merged.Intervals[1].Requests != 100 {
		t.Errorf("%d requests, errors %v, interval %+v", phase.Requests, phase.Errors, merged.Intervals[1])
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
