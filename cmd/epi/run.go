package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/bench"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/eks"
)

// cleanupTime bounds the removal of an environment after an interrupt.
const cleanupTime = 2 * time.Minute

// eksCleanupTime is that on EKS, where deleting a cluster takes a quarter of an hour.
const eksCleanupTime = 45 * time.Minute

func (a *app) runCommand() *cobra.Command {
	var environment environmentFlags
	var tests testFlags
	var measure runBenchFlags
	var keep bool
	cmd := &cobra.Command{
		Use:     "run",
		GroupID: "main",
		Short:   "Everything once: up, test, bench, report, down",
		Long: `Run brings an environment up, runs the conformance suites in it, measures the smoke set
of the benchmark (--bench says what else, or none), writes the reports and removes the
environment again. This is what make e2e does.

A cluster of your own gets no load unless --bench asks for it.

The exit code is the verdict: 0 all held, 1 a requirement or a threshold failed, 3 no
verdict, because the environment did not come up or broke. make e2e exits with 2 if epi's
exit code is not 0, as make does, and prints epi's.`,
		Example: `  epi run
  epi run --bench warm,herd-same --slo 'warm.p99<5ms' --baseline main/bench.json
  epi run --keep --agent-image my/agent:dev`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			if err := environment.validate(cmd.Flags()); err != nil {
				return err
			}
			if err := tests.validate(cmd.Context()); err != nil {
				return err
			}
			scenarios, err := measure.choose(environment.provider)
			if err != nil {
				return err
			}
			return a.runAll(cmd.Context(), cmd, &environment, tests, func(ctx context.Context, env *clusters.Environment, session *session, steps *steps) error {
				if len(scenarios) == 0 {
					return nil
				}
				return a.runBench(ctx, env, measure.benchFlags, scenarios, session, steps)
			}, keep)
		},
	}
	environment.register(cmd)
	tests.register(cmd)
	measure.register(cmd)
	a.outputFlag(cmd)
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the environment; remove it later with epi down")
	return cmd
}

// runBenchFlags are the flags about the benchmark of epi run.
type runBenchFlags struct {
	benchFlags
	bench []string
}

// The words of --bench besides names of scenarios.
const (
	benchSmoke = "smoke"
	benchAll   = "all"
	benchNone  = "none"
)

func (f *runBenchFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.bench, "bench", nil, "what to measure after the suites: smoke, all, none, or scenarios by name (default smoke; none with --provider existing)")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of everything random in the benchmark")
	f.gates.register(flags)
}

// choose returns the scenarios, if there are any, or the flags' problem.
func (f *runBenchFlags) choose(provider string) ([]measure.Scenario, error) {
	f.scenarios = f.bench
	if len(f.bench) == 0 {
		f.scenarios = []string{benchSmoke}
		if provider != kindProvider {
			f.scenarios = []string{benchNone}
		}
	}
	switch {
	case slices.Equal(f.scenarios, []string{benchAll}):
		f.scenarios = nil
	case slices.Equal(f.scenarios, []string{benchNone}):
		if len(f.slo) > 0 || f.baseline != "" {
			return nil, usageError("flags --slo and --baseline are about a benchmark, and --bench is %s", benchNone)
		}
		return nil, nil
	}
	scenarios, err := f.benchFlags.choose()
	if unknown, ok := errors.AsType[*bench.UnknownError](err); ok {
		return nil, usageError("flag --bench: %w; and %s, %s", unknown, benchAll, benchNone)
	}
	return scenarios, err
}

// runAll is epi run: up, test, bench, down, report.
func (a *app) runAll(ctx context.Context, cmd *cobra.Command, environment *environmentFlags, tests testFlags,
	measure func(context.Context, *clusters.Environment, *session, *steps) error, keep bool,
) error {
	dirs, err := a.dirs()
	if err != nil {
		return err
	}
	release, err := a.make(environment.spec.Name, cmd.Name())
	if err != nil {
		return err
	}
	defer release()
	session, err := a.newSession(cmd, tests.artifacts, tests.selection()) //nolint:contextcheck // what watches the folder has the context of the command
	if err != nil {
		return err
	}
	session.junit = tests.junit
	asked, ctx := ctx, session.bound(ctx)
	a.interrupts.at(a.makingEnvironment(environment.spec.Name, dirs))
	steps := session.steps()
	env, err := a.up(ctx, environment, steps)
	if err != nil {
		session.problem("bring environment up", err)
	} else {
		if keep {
			a.interrupts.at(a.inEnvironmentWork(env.Name))
		}
		tests.options.Disposable = !keep && env.Provider == kindProvider
		err := a.runSuites(ctx, env, tests, session, steps)
		session.problem("run suites", err)
		if err == nil && ctx.Err() == nil {
			session.problem("run benchmark", measure(ctx, env, session, steps))
		}
		if !keep {
			session.problem(removingEnvironment, a.downAfterRun(ctx, env.Name, steps))
		}
	}
	steps.Close()
	err = session.finish(asked)
	if keep && env != nil && a.output != "json" { // the results are the only document
		return errors.Join(err, a.printEnvironment(env))
	}
	return err
}

// downAfterRun removes the environment also after an interrupt.
func (a *app) downAfterRun(ctx context.Context, name string, steps *steps) error {
	provider, err := a.providerUp(name)
	if err != nil {
		return err
	}
	limit := cleanupTime
	if _, slow := provider.(*eks.Provider); slow {
		limit = eksCleanupTime
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return provider.Down(ctx, name, steps)
}
