package generator

import (
	"context"
	"fmt"
	"time"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework/workload"
	"github.com/podidentity/epi/reports"
)

const (
	// calibrated is how long each of the two measurements takes.
	calibrated = time.Second
	// calmRate is a rate at which a generator's own latency is measured: that of the upstream baselines.
	calmRate = 900
	// overload is more than any generator can make, with calibrators requests under way at once: the
	// schedule is then a closed loop.
	overload    = 200_000
	calibrators = 64
	// mostOfCeiling is the share of its ceiling up to which a generator's part in latencies is small: it
	// leaves the processors to the subject for the rest of the time.
	mostOfCeiling = 0.6
	// mostLag is how late the 99th percentile of requests may begin where latencies are told in
	// milliseconds.
	mostLag = 5 * time.Millisecond
)

// Calibrate measures what the generators can do themselves, each on the null handler of its node.
func (f *Fleet) Calibrate(ctx context.Context) error {
	for i, pod := range f.generators {
		observer, ok := f.observers[pod.Pod.Spec.NodeName]
		if !ok {
			return fmt.Errorf("calibrate load generators: there is no observer on node %s", pod.Pod.Spec.NodeName)
		}
		ceiling, calm, err := calibrate(ctx, pod, observer)
		if err != nil {
			return fmt.Errorf("calibrate load generators: %w", err)
		}
		if i == 0 || ceiling.Rate() < f.told.Ceiling {
			f.told.Ceiling = ceiling.Rate()
		}
		f.told.P50 = max(f.told.P50, quantile(calm, 50))
		f.told.P99 = max(f.told.P99, quantile(calm, 99))
	}
	f.told.Pods, f.told.Rate = len(f.generators), calmRate
	return nil
}

func calibrate(ctx context.Context, pod, observer *workload.Probe) (ceiling, calm *load.PhaseResult, err error) {
	target := load.TargetSpec{HTTP: &load.HTTPOptions{
		URL: fmt.Sprintf("http://%s:%d/v1/credentials", observer.Pod.Status.HostIP, nullPort), Expect: load.Credentials,
	}}
	at := func(rate float64, workers int) (*load.PhaseResult, error) {
		job := load.Job{Phases: []load.Phase{{Name: "null", From: rate, Lasts: calibrated}}, Workers: workers, Target: target}
		// What an overloaded schedule has not begun by its end is let go of at once.
		job.Drain = calibrated
		result, err := run(ctx, pod, job)
		if err != nil {
			return nil, err
		}
		return result.Phases[0], nil
	}
	if calm, err = at(calmRate, 0); err != nil {
		return nil, nil, err
	}
	if failed := calm.Failed(); failed > 0 {
		return nil, nil, fmt.Errorf("%d of %d requests to the null handler failed: %v", failed, calm.Requests, calm.Errors)
	}
	ceiling, err = at(overload, calibrators)
	return ceiling, calm, err
}

func quantile(phase *load.PhaseResult, percentile float64) float64 {
	return float64(phase.Latency.ValueAtQuantile(percentile)) / 1e6
}

// Told is the calibration for the record.
func (f *Fleet) Told() reports.Generator { return f.told }

// Ceiling of all generators together, in requests a second.
func (f *Fleet) Ceiling() float64 { return f.told.Ceiling * float64(len(f.generators)) }

// Limited says why a result is the generators' and not the subject's; "" if it is not.
func (f *Fleet) Limited(result *load.Result) string {
	var requests int64
	for _, phase := range result.Phases {
		requests += phase.Requests
	}
	lag := time.Duration(result.Lag.ValueAtQuantile(99)) * time.Microsecond
	switch {
	case result.Starved > 0:
		return fmt.Sprintf("%d of %d requests waited for a free worker of the generator", result.Starved, requests)
	case lag > mostLag:
		return fmt.Sprintf("one in a hundred requests began %s late, or more", lag)
	}
	return ""
}
