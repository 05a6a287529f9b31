package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
)

// cleanupTime bounds the removal of an environment after the user has stopped the run.
const cleanupTime = 2 * time.Minute

func (a *app) runCommand() *cobra.Command {
	var environment environmentFlags
	var tests testFlags
	var keep bool
	cmd := &cobra.Command{
		Use:     "run",
		GroupID: "main",
		Short:   "Everything once: up, test, report, down",
		Long: `Run brings an environment up, runs the conformance suites in it, writes the reports
and removes the environment again. This is what make e2e does.`,
		Example: `  epi run
  epi run --keep --agent-image my/agent:dev`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := environment.validate(cmd.Flags()); err != nil {
				return err
			}
			if err := tests.validate(cmd.Context()); err != nil {
				return err
			}
			return a.runAll(cmd.Context(), cmd, &environment, tests, keep)
		},
	}
	environment.register(cmd)
	tests.register(cmd)
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the environment; remove it later with epi down")
	return cmd
}

// runAll is the main job: up, test, down, report.
func (a *app) runAll(ctx context.Context, cmd *cobra.Command, environment *environmentFlags, tests testFlags, keep bool) error {
	session, err := a.newSession(cmd, tests.artifacts, tests.selection())
	if err != nil {
		return err
	}
	steps := a.newSteps(session.phase)
	env, err := a.up(ctx, environment, steps)
	if err != nil {
		session.problem("bring environment up", err)
	} else {
		session.problem("run suites", a.runSuites(ctx, env, tests, session, steps))
		if !keep {
			session.problem("remove environment", a.downAfterRun(ctx, env.Name, steps))
		}
	}
	steps.Close()
	err = session.finish(ctx)
	if keep && env != nil {
		return errors.Join(err, a.printEnvironment(env))
	}
	return err
}

// downAfterRun removes the environment also when the user has stopped the run.
func (a *app) downAfterRun(ctx context.Context, name string, steps *steps) error {
	provider, err := a.providerUp(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	return provider.Down(ctx, name, steps)
}
