package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/suites"
)

// suiteProcess is the hidden command that runs specs in a process of their own.
const suiteProcess = "__suite-process"

// reachTime is how long an environment may take to answer before it counts as gone.
const reachTime = 10 * time.Second

// testFlags are the flags of every command that runs the suites.
type testFlags struct {
	options   suites.Options
	artifacts string
	list      string
}

func (f *testFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.options.Profile, "profile", []string{suites.All},
		"what to decide: core (MUST), extended (MUST and SHOULD) or all; of webhook, agent, platform or client")
	flags.BoolVar(&f.options.Slow, "slow", false, "also run the specs that take minutes, such as a rotation of the token")
	flags.StringSliceVar(&f.options.Suites, "suites", nil, "suites to run, by name (default all)")
	flags.StringVar(&f.options.Focus, "focus", "", "regular expression on the whole text of specs, as --list=specs shows it")
	flags.StringVar(&f.options.LabelFilter, "label-filter", "", "expression on requirements, such as 'INJ-01 || TOK-01'")
	flags.IntVar(&f.options.Procs, "procs", 4, "how many specs run at once")
	flags.StringVar(&f.artifacts, "artifacts", "_artifacts", "folder of the runs: each gets one below it, and latest points to the last")
	mutations := make([]string, 0, len(framework.Mutations()))
	for _, mutation := range framework.Mutations() {
		mutations = append(mutations, string(mutation))
	}
	flags.StringVar((*string)(&f.options.Mutation), "break", "", "damage the fixtures on purpose, to see the suites notice: "+strings.Join(mutations, ", "))
}

// validate completes the options and returns what is wrong with them, as far as that can be told
// without an environment.
func (f *testFlags) validate(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	f.options.Executable, f.options.Arguments = self, []string{suiteProcess}
	if f.options.Procs < 1 {
		return usageError("flag --procs: %d is less than 1", f.options.Procs)
	}
	// A selection that chooses nothing is told before minutes go into an environment.
	specs, err := suites.List(ctx, f.options)
	if selection, ok := errors.AsType[*suites.SelectionError](err); ok {
		return usageError("select specs: %w", selection)
	}
	if err == nil && len(specs) == 0 {
		return usageError("select specs: nothing matches %s; see: epi test --list", strings.Join(f.selection(), " "))
	}
	return err
}

// selection is how specs were chosen, as flags.
func (f *testFlags) selection() []string {
	var flags []string
	add := func(name, value string) {
		if value != "" {
			flags = append(flags, "--"+name+"="+value)
		}
	}
	if profile := strings.Join(f.options.Profile, ","); profile != suites.All {
		add("profile", profile)
	}
	add("suites", strings.Join(f.options.Suites, ","))
	add("focus", f.options.Focus)
	add("label-filter", f.options.LabelFilter)
	add("break", string(f.options.Mutation))
	return flags
}

func (a *app) testCommand() *cobra.Command {
	var flags testFlags
	var name string
	cmd := &cobra.Command{
		Use:     "test",
		GroupID: "main",
		Short:   "Run the conformance suites in an environment that is up",
		Long: `Test runs the conformance suites in a running environment and writes the reports:
report.html, junit.xml, conformance.yaml and results.json below _artifacts/latest.
A failed spec keeps its evidence (pod, events, logs of agent and webhook) there too.

What is decided is the catalogue of requirements: epi test --list prints it. Each
requirement belongs to a profile, which says who has to hold it: webhook, agent,
platform (associations, EKS Auth, session tags, policies, instance metadata) or
client (SDKs). MUST requirements are the profile's core, SHOULD ones its extension.
--profile takes a level, profiles, or both: core; agent,webhook; agent,core.

Specs that take minutes by their nature are recorded as skipped without --slow.

The exit code is the verdict: 0 all held, 1 a requirement failed (also when something
else went wrong beside it), 3 the environment is gone or broke, so there is no verdict.`,
		Example: `  epi test
  epi test --list                         the requirements: what would be decided
  epi test --list=specs                   the specs that decide them
  epi test --profile agent,core           what an agent must hold
  epi test --label-filter 'ABAC-02'       one requirement
  epi test --suites injection --procs 1`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			if err := a.checkList(flags.list); err != nil {
				return err
			}
			if flags.list != "" {
				if err := flags.validate(ctx); err != nil {
					return err
				}
				return a.list(ctx, flags.list, flags.options)
			}
			env, err := loadEnvironment(dirs, name)
			if err != nil {
				return err
			}
			if err := flags.validate(ctx); err != nil {
				return err
			}
			session, err := a.newSession(cmd, flags.artifacts, flags.selection())
			if err != nil {
				return err
			}
			steps := a.newSteps(session.phase)
			session.problem("run suites", a.runSuites(ctx, env, flags, session, steps))
			steps.Close()
			return session.finish(ctx)
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&name, "name", "epi", "name of the environment")
	cmd.Flags().StringVar(&flags.list, "list", "", "run nothing, list what is selected: requirements (if nothing is said) or specs")
	cmd.Flags().Lookup("list").NoOptDefVal = listRequirements
	a.outputFlag(cmd)
	return cmd
}

// runSuites runs the selected specs and records them. Its error says that the environment, not a
// subject, is at fault.
func (a *app) runSuites(ctx context.Context, env *clusters.Environment, flags testFlags, session *session, steps *steps) error {
	if err := session.environment(env); err != nil {
		return err
	}
	if err := reach(ctx, env); err != nil {
		return err
	}
	options := flags.options
	options.Environment, options.Run, options.Artifacts = env, session.id(), session.dir
	specs, err := suites.List(ctx, options)
	if err != nil {
		return err
	}
	watch, unwatch, err := a.startWatch(ctx, env, session, steps)
	if err != nil {
		return err
	}
	options.Watch = watch
	task := steps.Start("Conformance suites")
	done, failed := 0, 0
	options.Started = func(_, name string) {
		task.Detail("%d of %d specs, %d not held; now: %s", done, len(specs), failed, name)
	}
	err = suites.Run(ctx, options, func(spec reports.Spec) {
		session.spec(spec)
		done++
		if spec.Outcome == reports.Fail || spec.Outcome == reports.Error {
			failed++
		}
		// What the environment kept from being decided is told once, at the end.
		away := spec.Failure != nil && spec.Failure.Cause == reports.CauseEnvironment
		if a.verbose || spec.Outcome == reports.Fail || spec.Outcome == reports.Error && !away {
			steps.Print(fmt.Sprintf("   %-13s %-8s %s (%s)", spec.Outcome, strings.Join(spec.Requirements, " "), spec.Name, seconds(spec.Duration)))
		}
		task.Detail("%d of %d specs, %d not held", done, len(specs), failed)
	})
	unwatch()
	if watch.Err() == nil {
		session.logs(ctx, env)
	}
	if ctx.Err() != nil {
		err = nil // told as an interrupted run, not as a broken environment
	}
	task.End(err)
	return err
}

// reach makes sure that the environment answers: specs against one that is gone say nothing.
func reach(ctx context.Context, env *clusters.Environment) error {
	gone := func(what string, err error) error {
		return &clusters.EnvironmentError{
			Doing: fmt.Sprintf("reach environment %q", env.Name), Err: fmt.Errorf("%s does not answer: %w", what, err),
			Remedy: fmt.Sprintf("bring it up again with: epi down --name %[1]s && epi up --name %[1]s", env.Name),
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", env.Kubeconfig)
	if err != nil {
		return gone("the cluster's kubeconfig", err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return gone("the cluster's kubeconfig", err)
	}
	if err := ping(ctx, client, config.Host+"/readyz"); err != nil {
		return gone("the API server", err)
	}
	if env.Control != nil {
		if err := ping(ctx, http.DefaultClient, env.Control.URL+"/healthz"); err != nil {
			return gone("the AWS emulator", err)
		}
	}
	return nil
}

func ping(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func (a *app) suiteProcessCommand() *cobra.Command {
	return &cobra.Command{
		Use:    suiteProcess,
		Hidden: true,
		Short:  "Run specs for another process of this program",
		RunE:   func(*cobra.Command, []string) error { return suites.RunProcess() },
	}
}

// id names the run.
func (s *session) id() string { return filepath.Base(s.dir) }
