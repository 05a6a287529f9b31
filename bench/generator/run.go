package generator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework/workload"
)

const (
	// lead is the time for generators to read their order before the schedule begins. A generator that is slower reports
	// that.
	lead = 2 * time.Second
	// leadPerByte is the additional time for each byte of an order, which goes through the API server.
	leadPerByte = time.Second / (10 << 20)
)

// Run makes the load of job with all generators together and returns their merged results. It sets job's Start and Share.
func (f *Fleet) Run(ctx context.Context, job load.Job) (*load.Result, error) {
	if len(f.generators) == 1 {
		return RunIn(ctx, f.generators[0], job)
	}
	order, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("encode load: %w", err)
	}
	job.Start = time.Now().Add(lead + time.Duration(len(order))*leadPerByte)
	return f.together(ctx, func(n int) load.Job {
		share := job
		share.Share = load.Share{Index: n, Of: len(f.generators)}
		return share
	})
}

// RunEach makes the whole load of job with each generator, and so on each node, at about the same time, and returns their
// merged results.
func (f *Fleet) RunEach(ctx context.Context, job load.Job) (*load.Result, error) {
	return f.together(ctx, func(int) load.Job { return job })
}

// together runs a job in each generator at the same time.
func (f *Fleet) together(ctx context.Context, job func(generator int) load.Job) (*load.Result, error) {
	results := make([]*load.Result, len(f.generators))
	group, ctx := errgroup.WithContext(ctx)
	for i, pod := range f.generators {
		group.Go(func() (err error) {
			results[i], err = RunIn(ctx, pod, job(i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, other := range results[1:] {
		if err := results[0].Merge(other); err != nil {
			return nil, err
		}
	}
	return results[0], nil
}

// RunIn makes the load of job in one pod of epi-probe, such as one that has an association.
func RunIn(ctx context.Context, pod *workload.Probe, job load.Job) (*load.Result, error) {
	order, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("encode load: %w", err)
	}
	var answer bytes.Buffer
	if err := pod.Stream(ctx, bytes.NewReader(order), &answer, "load"); err != nil {
		return nil, fmt.Errorf("make load in pod %s: %w", pod.Pod.Name, err)
	}
	result, err := load.DecodeResult(&answer)
	if err != nil {
		return nil, fmt.Errorf("read result of pod %s: %w", pod.Pod.Name, err)
	}
	return result, nil
}
