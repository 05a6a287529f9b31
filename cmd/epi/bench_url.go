package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/reports"
)

// benchURL loads a URL from this process and records it like every benchmark.
func (a *app) benchURL(cmd *cobra.Command, flags benchFlags, artifacts string) error {
	load, err := flags.urlLoad()
	if err != nil {
		return err
	}
	session, err := a.newBenchSession(cmd, artifacts, flags)
	if err != nil {
		return err
	}
	a.interrupts.at(work{doing: "ending the load and writing what was measured"})
	ctx, steps := cmd.Context(), session.steps()
	session.problem("run benchmark", measureURL(session.bound(ctx), load, flags.gates, session, steps))
	steps.Close()
	return session.finish(ctx)
}

// urlLoad is the load of the flags, or the flags' problem.
func (f *benchFlags) urlLoad() (measure.URL, error) {
	var load measure.URL
	switch {
	case f.url == "" && !f.newConnections:
		return load, usageError("flag --url is empty: give the URL to load, such as http://127.0.0.1:8080/path")
	case f.url == "":
		return load, usageError("flag --new-connections goes with --url")
	case f.ab || len(f.scenarios) > 0:
		return load, usageError("flag --url excludes --scenario and --ab: those are about an environment")
	}
	if err := f.checkSize(); err != nil {
		return load, err
	}
	load = measure.URL{URL: f.url, Size: f.size.Or(measure.URLSize), NewConnections: f.newConnections, Seed: f.seed}
	if f.baseline != "" && f.size.Repeats == 0 {
		load.Size.Repeats = fewestRepeats
	}
	if err := load.Check(); err != nil {
		return load, usageError("flag --url: %w", err)
	}
	return load, f.check([]measure.Scenario{{Name: "url"}})
}

func measureURL(ctx context.Context, load measure.URL, gates gates, session *session, steps *steps) error {
	task := steps.Start("Calibrate against a null handler")
	own, generator, err := load.Calibrate(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	task.End(err)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // reported as an interrupted run
	}
	if err != nil {
		return err
	}
	sink := &measured{session: session}
	sink.Generators(load.Seed, nil, generator)
	task = steps.Start("Benchmark of a URL")
	record := load.Execute(ctx, own, task)
	err = record.Failure.Err()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	task.End(err)
	sink.Scenario(record)
	if ctx.Err() == nil {
		gates.judge(sink.bench, session, reports.Environment{}, steps.Print)
	}
	return nil
}
