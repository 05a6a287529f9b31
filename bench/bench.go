// Package bench executes scenarios in a running environment and produces a record for each.
package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/bench/generator"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/bench/scenario"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/reports"
)

// Options of a benchmark.
type Options struct {
	Environment *clusters.Environment
	// Run is the name of the run, which is in labels and tags.
	Run string
	// Scenarios with their sizes, in order.
	Scenarios []measure.Scenario
	// Seed is the seed of all random parts of the schedules.
	Seed uint64
	// Workers is the number of pods that make load; 0 means one on each node, up to ten.
	Workers int
	// Watch, if set, knows when the environment was absent.
	Watch Watch
}

// Watch knows when the environment was absent; see measure.Watch.
type Watch interface {
	measure.Watch
	// Gone is closed when the environment will not return, and Err says what is gone.
	Gone() <-chan struct{}
	Err() error
}

// untilGone returns a context that also ends when the environment is gone, with the reason as its cause. The
// caller calls the function that it returns.
func (o Options) untilGone(ctx context.Context) (context.Context, func()) {
	if o.Watch == nil {
		return ctx, func() {}
	}
	ctx, stop := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-o.Watch.Gone():
			stop(o.Watch.Err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { stop(nil) }
}

// Sink receives the results as soon as they exist. Its methods are never called concurrently.
type Sink interface {
	// Generators describes the load generators and their machines.
	Generators(seed uint64, machines []reports.Machine, generator reports.Generator)
	Scenario(record reports.Scenario)
}

// smoke is the name of the set of scenarios that takes seconds.
const smoke = "smoke"

// Choose returns the scenarios of these names, in the order of All, with the fields that are set in size. No
// name means all, and "smoke" the smoke set with its sizes. The error for an unknown name is an *UnknownError.
func Choose(names []string, size measure.Size) ([]measure.Scenario, error) {
	list := scenario.All()
	switch {
	case len(names) == 1 && names[0] == smoke:
		list = scenario.Smoke()
	case len(names) > 0:
		var unknown []string
		for _, name := range names {
			if _, ok := scenario.Lookup(name); !ok {
				unknown = append(unknown, name)
			}
		}
		if len(unknown) > 0 {
			return nil, &UnknownError{Names: unknown}
		}
		list = slices.DeleteFunc(list, func(s measure.Scenario) bool { return !slices.Contains(names, s.Name) })
	}
	for i := range list {
		list[i].Size = size.Or(list[i].Size)
	}
	return list, nil
}

// UnknownError lists names that no scenario has.
type UnknownError struct{ Names []string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("no scenario %s; there are smoke, %s", strings.Join(e.Names, ", "), strings.Join(Names(), ", "))
}

// Names returns the names of all scenarios.
func Names() []string {
	var names []string
	for _, s := range scenario.All() {
		names = append(names, s.Name)
	}
	return names
}

// Run sets up the generators, calibrates them, executes the scenarios one after the other and removes everything that it
// created. The records have the results. An error means that nothing could be measured. If ctx ends, the current scenario
// cleans up, the others are recorded as not run, and the error is the context's. If the environment is gone, the error says
// what is gone.
func Run(ctx context.Context, options Options, progress clusters.Progress, sink Sink) error {
	ctx, release := options.untilGone(ctx)
	defer release()
	done := 0
	attempt := measure.Do(ctx, func(ctx context.Context, attempt *measure.Attempt) {
		runOptions := prepare(ctx, attempt, options, progress, sink)
		for _, s := range options.Scenarios {
			if ctx.Err() != nil {
				return
			}
			runOptions.Task = progress.Start("Benchmark " + s.Name)
			record := s.Execute(ctx, runOptions)
			sink.Scenario(record)
			done++
			runOptions.Task.End(endOf(ctx, record.Failure.Err()))
		}
	})
	for _, s := range options.Scenarios[done:] {
		sink.Scenario(s.NotRun("the run ended before it"))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return attempt.Err()
}

// endOf returns the error with which a step ends. It is the cause of its context if that ended, because then the step did
// not fail.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// prepare creates what all scenarios share. The attempt's clean-up removes it.
func prepare(ctx context.Context, attempt *measure.Attempt, options Options, progress clusters.Progress, sink Sink) measure.RunOptions {
	task := progress.Start("Load generators")
	defer func() { task.End(endOf(ctx, attempt.Err())) }()
	env, err := framework.New(ctx, options.Environment, framework.Options{Run: options.Run, T: attempt})
	if err != nil {
		attempt.Fatalf("%v", err)
	}
	task.Detail("making identities")
	runOptions := measure.RunOptions{Environment: options.Environment, Run: options.Run, Seed: options.Seed, Watch: options.Watch, Identities: measure.NewIdentityPool(ctx, env)}
	task.Detail("starting pods")
	runOptions.Fleet = generator.Start(ctx, env, runOptions.Identities.Namespace, options.Workers)
	task.Detail("calibrating against a null handler")
	if err := runOptions.Fleet.Calibrate(ctx); err != nil {
		attempt.Fatalf("%v", err)
	}
	machines, err := runOptions.Fleet.Machines(ctx)
	if err != nil {
		task.Detail("%v", err) // the record lacks the machines; the measurements are valid
	}
	sink.Generators(options.Seed, machines, runOptions.Fleet.Record())
	return runOptions
}
