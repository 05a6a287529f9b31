package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lognormal is a long-tailed answer time, the same for the same n: median 150 ms, p99 about 600 ms. It is so long that the
// thousands of requests that a stall delays do not all end at the same moment after it.
func lognormal(n uint64) time.Duration {
	random := rand.New(rand.NewPCG(n, 7))
	return time.Duration(150e6 * math.Exp(0.6*random.NormFloat64()))
}

// steady is 5,000 requests a second; the server stalls in the middle of it.
var steady = Phase{Name: "steady", From: 5000, Lasts: 3 * time.Second}

const stallBegins, stallEnds = time.Second, 2 * time.Second

// truth are the latencies that the server gives the requests, sorted.
func truth(t *testing.T) []time.Duration {
	var latencies []time.Duration
	for _, at := range drain(t, mustPlan(t, steady))[0] {
		takes := lognormal(uint64(len(latencies)))
		if at >= stallBegins && at < stallEnds {
			takes += stallEnds - at
		}
		latencies = append(latencies, takes)
	}
	slices.Sort(latencies)
	return latencies
}

var percentiles = []float64{50, 90, 99, 99.9}

// percentileOf sorted durations, by the nearest rank, as histograms have it; in whole numbers, so that
// no rounding takes the next one.
func percentileOf(sorted []time.Duration, percentile float64) time.Duration {
	thousandths := int(math.Round(10 * percentile))
	return sorted[(thousandths*len(sorted)+999)/1000-1]
}

// untrue lists what differs by more than 2% from the truth.
func untrue(result *Result, truth []time.Duration) error {
	phase := result.Phases[0]
	var problems []error
	if phase.Requests != int64(len(truth)) || phase.Failed() != 0 {
		problems = append(problems, fmt.Errorf("%d requests, errors %v; want %d and none", phase.Requests, phase.Errors, len(truth)))
	}
	for _, percentile := range percentiles {
		want := percentileOf(truth, percentile)
		got := at(phase.Latency, percentile)
		if off := math.Abs(got.Seconds()/want.Seconds() - 1); off > 0.02 {
			problems = append(problems, fmt.Errorf("p%g is %s, truth %s: %.1f%% off", percentile, got, want, 100*off))
		}
	}
	if longest := at(phase.Latency, 100); longest < stallEnds-stallBegins {
		problems = append(problems, fmt.Errorf("the longest latency is %s: the stall of %s does not show", longest, stallEnds-stallBegins))
	}
	return errors.Join(problems...)
}

// stalling answers a request after a known time, and answers nothing while it stalls.
type stalling struct{ start time.Time }

// due is when request n, which arrives now, is answered.
func (s *stalling) due(n uint64, now time.Time) time.Time {
	answer := now.Add(lognormal(n))
	if since := now.Sub(s.start); since >= stallBegins && since < stallEnds {
		answer = answer.Add(stallEnds - since)
	}
	return answer
}

func (s *stalling) Do(ctx context.Context, n uint64) string {
	select {
	case <-time.After(time.Until(s.due(n, time.Now()))):
		return ""
	case <-ctx.Done():
		return "cut off"
	}
}

// runtimeTimer waits by the runtime's own clock, which a test can replace.
type runtimeTimer struct{}

func (runtimeTimer) wait(_ context.Context, d time.Duration) error { time.Sleep(max(d, 0)); return nil }
func (runtimeTimer) close()                                        {}

func testClock(context.Context) (waiter, error) { return runtimeTimer{}, nil }

// The percentiles are those of a server with known answer times. A stall affects all requests that are scheduled during it.
// The clock is the test's own, so nothing else has an effect.
func TestPercentilesAreTheTruthAndAStallShowsWhole(t *testing.T) {
	want := truth(t)
	synctest.Test(t, func(t *testing.T) {
		result, err := Run(t.Context(), mustPlan(t, steady), &stalling{time.Now()}, Options{Workers: 20000, newPacer: testClock})
		if err != nil {
			t.Fatal(err)
		}
		if err := untrue(result, want); err != nil {
			t.Error(err)
		}
		if result.Starved != 0 || result.Lag.Max() > 1 {
			t.Errorf("%d requests waited for a worker, lag %d µs", result.Starved, result.Lag.Max())
		}
	})
}

// With too few workers requests wait for one, and the wait counts: no percentile is below the true one. The service time,
// which begins when a worker is free, hides the stall.
func TestTooFewWorkersNeverMakeLatenciesSmaller(t *testing.T) {
	want := truth(t)
	synctest.Test(t, func(t *testing.T) {
		result, err := Run(t.Context(), mustPlan(t, steady), &stalling{time.Now()}, Options{Workers: 500, newPacer: testClock})
		if err != nil {
			t.Fatal(err)
		}
		phase := result.Phases[0]
		if phase.Requests != int64(len(want)) || result.MaxInFlight != 500 || result.Starved < 5000 {
			t.Errorf("%d requests, %d in flight at most, %d waited", phase.Requests, result.MaxInFlight, result.Starved)
		}
		for _, percentile := range percentiles {
			least := percentileOf(want, percentile)
			if got := at(phase.Latency, percentile); got < least*98/100 {
				t.Errorf("p%g is %s, less than the truth of %s", percentile, got, least)
			}
		}
		if service, latency := at(phase.Service, 90), at(phase.Latency, 90); service*2 > latency {
			t.Errorf("p90 of service is %s, of latency %s", service, latency)
		}
	})
}

// overHTTP is the same server behind HTTP; a request's token is its number.
type overHTTP struct{ stalling }

func (s *overHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseUint(r.Header.Get("Authorization"), 10, 64)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	time.Sleep(time.Until(s.due(n, time.Now())))
}

// pipes are a network of the test's own.
type pipes struct {
	made   chan net.Conn
	closed chan struct{}
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.made <- there
	return here, nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.made:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// The same with the HTTP client and a server of net/http, on a network without a kernel.
func TestPercentilesAreTheTruthOverHTTP(t *testing.T) {
	want := truth(t)
	tokens := make([]string, len(want))
	for n := range tokens {
		tokens[n] = strconv.Itoa(n)
	}
	synctest.Test(t, func(t *testing.T) {
		network := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: &overHTTP{stalling{time.Now()}}}
		ended := make(chan error)
		go func() { ended <- server.Serve(network) }()
		target := mustHTTP(t, HTTPOptions{URL: "http://pipe/", Tokens: tokens})
		target.dialTCP = network.dial
		result, err := Run(t.Context(), mustPlan(t, steady), target, Options{Workers: 20000, newPacer: testClock})
		if err != nil {
			t.Fatal(err)
		}
		if err := untrue(result, want); err != nil {
			t.Error(err)
		}
		target.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// The same in real time, at 5,000 requests a second on one core, which generator and server share. On any machine the truth
// is what the server itself saw: the time of its answer, minus the time in the plan. The intended answer times are the
// truth only if both had the core when they needed it.
func TestPercentilesAreTheTruthInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of one core")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	server := &witness{stalling: stalling{time.Now().Add(100 * time.Millisecond)}, late: newHistogram(digits), intended: drain(t, mustPlan(t, steady))[0]}
	result, err := Run(t.Context(), mustPlan(t, steady), server, Options{Start: server.start, Workers: 20000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(server.saw)
	if err := untrue(result, server.saw); err != nil {
		t.Errorf("against what the server saw: %v", err)
	}
	const most = time.Millisecond // at p99: 0.5% of the median
	switch err := untrue(result, truth(t)); {
	case err == nil:
	case at(result.Lag, 99) <= most && at(server.late, 99) <= most:
		t.Errorf("against what the server was to do: %v", err)
	default:
		t.Logf("this machine is too busy to know what the server had to do: requests began %s late at p99, its timers were %s late", at(result.Lag, 99), at(server.late, 99))
	}
}

// witness records when it answered, and how much it missed its own times.
type witness struct {
	stalling
	intended []time.Duration
	mu       sync.Mutex
	saw      []time.Duration // from intended starts to answers
	late     *Histogram
}

func (w *witness) Do(_ context.Context, n uint64) string {
	due := w.due(n, time.Now())
	time.Sleep(time.Until(due))
	w.mu.Lock()
	defer w.mu.Unlock()
	answered := time.Now()
	w.saw = append(w.saw, answered.Sub(w.start)-w.intended[n])
	w.late.record(micros(answered.Sub(due)))
	return ""
}
