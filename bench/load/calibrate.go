package load

import (
	"context"
	"fmt"
	"time"
)

// Calibration has the limits of a generator, measured with a handler that does nothing (Null) on the same node. No
// measurement of a subject can be better.
type Calibration struct {
	// Rate of the open loop, in requests a second.
	Rate float64 `json:"rate"`
	// Kept is for kept connections, and New for a new connection for each request.
	Kept Own `json:"kept"`
	New  Own `json:"new"`
}

// Own is the generator's own part in a measurement.
type Own struct {
	// Ceiling is its largest rate in requests a second, with 64 requests in progress.
	Ceiling float64 `json:"ceiling"`
	// P50 and P99 are percentiles of the latency in the open loop. Lag99 is that of the lateness of requests. All are in
	// nanoseconds.
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
	Lag99 time.Duration `json:"lag99"`
}

const (
	// calibrationWorkers is the number of connections with which wrk is fastest.
	calibrationWorkers = 64
	saturates          = time.Second
	paces              = 2 * time.Second
)

// Calibrate measures both modes for 3 s each. The target is a null handler; its NewConnections is ignored. A wrong answer
// is an error. The open loop runs with pacing, which sets the generator's priority as for loads of that rate and returns a
// function that resets it.
func Calibrate(ctx context.Context, target HTTPOptions, rate float64, pacing func() (restore func())) (*Calibration, error) {
	c := &Calibration{Rate: rate}
	for _, mode := range []struct {
		anew bool
		own  *Own
	}{{false, &c.Kept}, {true, &c.New}} {
		target.NewConnections = mode.anew
		if err := mode.own.measure(ctx, target, rate, pacing); err != nil {
			return nil, fmt.Errorf("calibrate load: %w", err)
		}
	}
	return c, nil
}

func (o *Own) measure(ctx context.Context, options HTTPOptions, rate float64, pacing func() (restore func())) error {
	plan, err := NewPlan(1, Phase{Name: "pace", From: rate, Lasts: paces, Arrivals: Poisson})
	if err != nil {
		return err
	}
	target, err := NewHTTP(options)
	if err != nil {
		return err
	}
	defer target.Close()
	saturated, err := run(ctx, &saturation{lasts: saturates}, target, calibrationWorkers)
	if err != nil {
		return err
	}
	restore := pacing()
	paced, err := run(ctx, plan, target, 0)
	restore()
	if err != nil {
		return err
	}
	latency := paced.Phases[0].Latency
	o.Ceiling, o.P50, o.P99, o.Lag99 = saturated.Phases[0].Rate(), at(latency, 50), at(latency, 99), at(paced.Lag, 99)
	return nil
}

func run(ctx context.Context, schedule Schedule, target Target, workers int) (*Result, error) {
	result, err := Run(ctx, schedule, target, Options{Workers: workers})
	if err != nil {
		return nil, err
	}
	if failed := result.Phases[0].Failed(); failed > 0 {
		return nil, fmt.Errorf("%d of %d requests of a handler that does nothing failed: %s", failed, result.Phases[0].Requests, result.Phases[0].Kinds())
	}
	return result, nil
}

// saturation is a schedule in which a request is always due.
type saturation struct {
	lasts time.Duration
	begun time.Time
}

func (s *saturation) Phases() []string      { return []string{"saturate"} }
func (s *saturation) Length() time.Duration { return s.lasts }

func (s *saturation) Next() (time.Duration, int, bool) {
	if s.begun.IsZero() {
		s.begun = time.Now()
	}
	return 0, 0, time.Since(s.begun) < s.lasts
}

// The limits beyond which a result is the generator's and not the subject's.
const (
	// mostOfCeiling is a share of the ceiling. Above it requests queue in the generator itself. With random arrivals the
	// wait for a server with utilization u grows as u/(1-u): 2.3 at 0.7, 4 at 0.8. The subject also needs more of the node
	// than the null handler, so the ceiling is lower beside it.
	mostOfCeiling = 0.7
	// mostStarved is the share of requests that may wait for a worker. With more of them p99.9 depends on the number of
	// workers, and the load is no longer open.
	mostStarved = 0.001
	// leastLag is the time that a busy kernel needs to wake a process. A smaller lag is not reported.
	leastLag = time.Millisecond
	// mostLag is the share of a percentile of all latencies that the same percentile of the lateness may have.
	mostLag = 0.25
)

// Limit says that a generator, and not the subject, decided measures of a result. The zero Limit says nothing.
type Limit struct {
	// Why is the reason; "" if there is no limit.
	Why string
	// Tail says that the limit concerns the slowest requests alone: the percentiles from the 99th on, and not the 90th.
	Tail bool
}

// Limited says why a result at the rate (requests a second; 0 for a herd) is limited by a generator with this calibration,
// and not by the subject. rate and own are those of one generator, or the sums for merged results.
func Limited(result *Result, own Own, rate float64) Limit {
	all := newHistogram(digits)
	for _, phase := range result.Phases {
		all.merge(phase.Latency)
	}
	lag, p99 := at(result.Lag, 99), at(all, 99)
	switch {
	case own.Ceiling > 0 && rate > mostOfCeiling*own.Ceiling:
		return Limit{Why: fmt.Sprintf("asked for %.0f/s, %.0f%% of the generator's ceiling of %.0f/s", rate, 100*rate/own.Ceiling, own.Ceiling)}
	case float64(result.Starved) > mostStarved*float64(all.TotalCount()):
		return Limit{Why: fmt.Sprintf("all workers were busy %d times", result.Starved)}
	case late(result.Lag, all, 99):
		return Limit{Why: fmt.Sprintf("the generator began 1%% of the requests %s late or later, of a p99 of %s", brief(lag), brief(p99)), Tail: !late(result.Lag, all, 90)}
	}
	return Limit{}
}

// late says whether a percentile of the lateness is a part of the latencies' that matters.
func late(lag, latency *Histogram, percentile float64) bool {
	by := at(lag, percentile)
	return by > leastLag && by > time.Duration(mostLag*float64(at(latency, percentile)))
}

// brief rounds a duration to the significant digits: "873ms", "5.8ms".
func brief(d time.Duration) time.Duration {
	if d >= 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}

// at is a percentile of a histogram; 0 of an empty one.
func at(h *Histogram, percentile float64) time.Duration {
	if h.TotalCount() == 0 {
		return 0
	}
	return time.Duration(h.ValueAtPercentile(percentile)) * time.Microsecond
}
