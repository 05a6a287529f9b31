// Package bench runs scenarios in a running environment and turns out a record for each.
package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/bench/generator"
	"github.com/podidentity/epi/bench/scenario"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/reports"
)

// Options of a benchmark.
type Options struct {
	Environment *clusters.Environment
	// Run names the run: labels and tags carry it.
	Run string
	// Scenarios with their sizes, in order.
	Scenarios []scenario.Scenario
	// Seed of everything random in the schedules.
	Seed uint64
	// Workers is how many pods make load; 0 means one a node, up to ten.
	Workers int
	// Watch, if set, knows when the environment was not there.
	Watch Watch
}

// Watch knows when the environment was not there; see scenario.Watch.
type Watch interface {
	scenario.Watch
	// Gone is closed when the environment will not come back, and Err says what is gone.
	Gone() <-chan struct{}
	Err() error
}

// untilGone ends the context, with the reason as its cause, also when the environment is gone. The caller
// calls the function that it returns.
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

// Sink takes what was measured, as soon as it is there, never concurrently.
type Sink interface {
	// Generators are what makes the load, and where.
	Generators(seed uint64, machines []reports.Machine, generator reports.Generator)
	Scenario(record reports.Scenario)
}

// smoke is the name of the set that takes seconds.
const smoke = "smoke"

// Choose returns the scenarios of these names, in the order of All, with what is set in size; all for
// no name, and the smoke set with its sizes for "smoke". An unknown name is an *UnknownError.
func Choose(names []string, size scenario.Size) ([]scenario.Scenario, error) {
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
		list = slices.DeleteFunc(list, func(s scenario.Scenario) bool { return !slices.Contains(names, s.Name) })
	}
	for i := range list {
		list[i].Size = size.Or(list[i].Size)
	}
	return list, nil
}

// UnknownError is about names that no scenario has.
type UnknownError struct{ Names []string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("no scenario %s; there are smoke, %s", strings.Join(e.Names, ", "), strings.Join(Names(), ", "))
}

// Names of all scenarios.
func Names() []string {
	var names []string
	for _, s := range scenario.All() {
		names = append(names, s.Name)
	}
	return names
}

// Run sets the generators up, calibrates them, runs the scenarios one after the other and removes all
// that was made. Records are the verdict: the error says that nothing could be measured. When ctx ends
// the running scenario cleans up, the others are recorded as not run, and the error is the context's. When
// the environment is gone the error says what is gone.
func Run(ctx context.Context, options Options, progress clusters.Progress, sink Sink) error {
	ctx, release := options.untilGone(ctx)
	defer release()
	done := 0
	act := scenario.Do(ctx, func(ctx context.Context, act *scenario.Attempt) {
		setting := prepare(ctx, act, options, progress, sink)
		for _, s := range options.Scenarios {
			if ctx.Err() != nil {
				return
			}
			setting.Task = progress.Start("Benchmark " + s.Name)
			record := s.Execute(ctx, setting)
			sink.Scenario(record)
			done++
			setting.Task.End(endOf(ctx, record.Failure.Err()))
		}
	})
	for _, s := range options.Scenarios[done:] {
		sink.Scenario(s.NotRun("the run ended before its turn"))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return act.Err()
}

// endOf is the end of a step: that of its context, if it ended, which is nobody's failure.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// prepare makes what all scenarios share; it goes with the act.
func prepare(ctx context.Context, act *scenario.Attempt, options Options, progress clusters.Progress, sink Sink) scenario.RunOptions {
	task := progress.Start("Load generators")
	defer func() { task.End(endOf(ctx, act.Err())) }()
	env, err := framework.New(ctx, options.Environment, framework.Options{Run: options.Run, T: act})
	if err != nil {
		act.Fatalf("%v", err)
	}
	task.Detail("making identities")
	setting := scenario.RunOptions{Environment: options.Environment, Run: options.Run, Seed: options.Seed, Watch: options.Watch, Identities: scenario.NewIdentityPool(ctx, env)}
	task.Detail("starting pods")
	setting.Fleet = generator.Start(ctx, env, setting.Identities.Namespace, options.Workers)
	task.Detail("calibrating against a null handler")
	if err := setting.Fleet.Calibrate(ctx); err != nil {
		act.Fatalf("%v", err)
	}
	machines, err := setting.Fleet.Machines(ctx)
	if err != nil {
		task.Detail("%v", err) // the record is poorer, and no measure less true
	}
	sink.Generators(options.Seed, machines, setting.Fleet.Record())
	return setting
}
