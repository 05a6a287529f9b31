package generator

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework/workload"
	"github.com/podidentity/epi/reports"
)

// calmRate is the rate at which a generator's own latency is measured, which is that of the upstream baselines.
const calmRate = 900

// Calibrate measures the limits of the generators, each with the null handler of its node, all at the same time.
func (f *Fleet) Calibrate(ctx context.Context) error {
	all := make([]load.Calibration, len(f.generators))
	group, ctx := errgroup.WithContext(ctx)
	for i, pod := range f.generators {
		group.Go(func() error { return f.calibrate(ctx, pod, &all[i]) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("calibrate load generators: %w", err)
	}
	f.calibrations = all
	return nil
}

func (f *Fleet) calibrate(ctx context.Context, pod *workload.Probe, calibration *load.Calibration) error {
	observer, ok := f.observers[pod.Pod.Spec.NodeName]
	if !ok {
		return fmt.Errorf("there is no observer on node %s", pod.Pod.Spec.NodeName)
	}
	url := fmt.Sprintf("http://%s:%d/v1/credentials", observer.Pod.Status.HostIP, nullPort)
	return ask(ctx, pod, calibration, "calibrate", "--rate", fmt.Sprint(calmRate), url)
}

// Record is the calibration for the record: that of the slowest generator, with kept connections.
func (f *Fleet) Record() reports.Generator {
	record := reports.Generator{Pods: len(f.generators), Rate: calmRate}
	for i, c := range f.calibrations {
		if i == 0 || c.Kept.Ceiling < record.Ceiling {
			record.Ceiling = c.Kept.Ceiling
		}
		record.P50, record.P99 = max(record.P50, c.Kept.P50.Seconds()), max(record.P99, c.Kept.P99.Seconds())
	}
	return record
}

// Ceiling of all generators together, with kept connections, in requests a second.
func (f *Fleet) Ceiling() float64 { return f.own(false).Ceiling }

// own returns the limits of all generators together: ceilings add up, and the worst latencies count.
func (f *Fleet) own(newConnections bool) load.Own {
	var all load.Own
	for _, c := range f.calibrations {
		own := c.Kept
		if newConnections {
			own = c.New
		}
		all.Ceiling += own.Ceiling
		all.P50, all.P99, all.Lag99 = max(all.P50, own.P50), max(all.P99, own.P99), max(all.Lag99, own.Lag99)
	}
	return all
}

// Limited says why the generators, and not the subject, decided measures of the result of a job.
func (f *Fleet) Limited(job load.Job, result *load.Result) load.Limit {
	return load.Limited(result, f.own(job.Target.HTTP != nil && job.Target.HTTP.NewConnections), job.Peak())
}
