package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/suites"
)

// suiteProcess is the hidden command that runs specs in its own process.
const suiteProcess = "__suite-process"

// reachTime is how long an environment may take to answer before it counts as gone.
const reachTime = 10 * time.Second

// testFlags are the flags of every command that runs the suites.
type testFlags struct {
	options   suites.Options
	artifacts string
	list      string
	repeat    int
	junit     string
	each      bool
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
	flags.BoolVar(&f.options.FailFast, "fail-fast", false, "end after the first spec that fails; the rest is recorded as not run")
	flags.Int64Var(&f.options.Seed, "order", 1, "seed of the order of the specs; each time of --repeat has the next one")
	flags.IntVar(&f.repeat, "repeat", 1, "run the specs this many times, until one fails; the last time is recorded")
	flags.BoolVar(&f.each, "each", false, "run each spec alone, on an agent and a webhook that were just started, and print a table of them")
	flags.StringVar(&f.junit, "junit-report", "", "also write the JUnit report to this file")
	flags.StringVar(&f.artifacts, "artifacts", "_artifacts", "folder of the runs: each gets one below it, and latest points to the last")
	mutations := make([]string, 0, len(framework.Mutations()))
	for _, mutation := range framework.Mutations() {
		mutations = append(mutations, string(mutation))
	}
	flags.StringVar((*string)(&f.options.Mutation), "break", "", "damage the fixtures on purpose, to see that the suites notice: "+strings.Join(mutations, ", "))
}

// validate completes the options and returns their problems, as far as they are known without an environment.
func (f *testFlags) validate(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	f.options.Executable, f.options.Arguments = self, []string{suiteProcess}
	if f.options.Procs < 1 {
		return usageError("flag --procs: %d is less than 1", f.options.Procs)
	}
	if f.options.Seed < 1 {
		return usageError("flag --order: %d is less than 1", f.options.Seed)
	}
	if f.repeat < 1 || f.repeat > mostRepeats {
		return usageError("flag --repeat: %d is not within 1 to %d", f.repeat, mostRepeats)
	}
	if f.each && f.repeat > 1 {
		return usageError("flags --each and --repeat: choose one; --each runs every spec once")
	}
	if err := checkReportFile(f.junit); err != nil {
		return usageError("flag --junit-report: %w", err)
	}
	// An empty selection is reported before an environment is created, which takes minutes.
	specs, err := suites.List(ctx, f.options)
	if selection, ok := errors.AsType[*suites.SelectionError](err); ok {
		return usageError("%w\nSee: epi test --list", selection)
	}
	if err == nil && len(specs) == 0 {
		return usageError("select specs: nothing matches %s; see: epi test --list", strings.Join(f.selection(), " "))
	}
	return err
}

// mostRepeats is the largest number of repeats of specs.
const mostRepeats = 1000

// checkReportFile is the reason why no report could be written to a file. It writes nothing. "" is no file.
func checkReportFile(file string) error {
	if file == "" {
		return nil
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder; name a file in it, such as %s", file, filepath.Join(file, reports.JUnitFile))
	}
	if strings.HasSuffix(file, string(filepath.Separator)) {
		return fmt.Errorf("%s names a folder; name a file in it, such as %s", file, filepath.Join(file, reports.JUnitFile))
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err == nil && info.IsDir():
			return nil
		case err == nil:
			return fmt.Errorf("%s is no folder", dir)
		case !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir):
			return err
		}
	}
}

// selection has the flags that selected specs.
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

A spec has to hold alone and in any order. --order and --repeat try other orders;
--each runs one after the other, each on an agent and a webhook that were just
started, and prints a table. It takes about ten seconds a spec: choose by --profile.

Specs that take minutes by their nature are recorded as skipped without --slow.

The run watches the environment. If the API server, a node or the AWS emulator is
unreachable for a while, the specs that ran meanwhile are run again when it is back. If
it stays unreachable, the run ends and says what is gone.

With --output json, standard output is a stream of events, one JSON object a line:
begin, spec-begin, spec (as in results.json), scenario, step and problem. The last one
is end, with the outcome, the exit code and the paths of the reports. Within
epi.events/v1 kinds and fields are only added: ignore those that you do not know.

The exit code is the verdict: 0 all held, 1 a requirement failed (also when something
else went wrong beside it), 3 the environment is gone or broke, so there is no verdict.`,
		Example: `  epi test
  epi test -o json | jq -r 'select(.event == "spec" and .spec.outcome == "fail") | .spec.name'
  epi test --list                         the requirements: what would be decided
  epi test --list=specs                   the specs that decide them
  epi test --profile agent,core           what an agent must hold
  epi test --label-filter 'ABAC-02'       one requirement
  epi test --suites injection --procs 1
  epi test --label-filter AGT-10 --repeat 20
  epi test --each --profile webhook       each spec alone, on a fresh agent and webhook
  epi test --fail-fast --junit-report out/junit.xml`,
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
			// Wrong arguments are reported with and without an environment.
			if err := flags.validate(ctx); err != nil {
				return err
			}
			env, release, err := use(dirs, name, cmd.Name())
			if err != nil {
				return err
			}
			defer release()
			session, err := a.newSession(cmd, flags.artifacts, flags.selection())
			if err != nil {
				return err
			}
			session.junit = flags.junit
			a.interrupts.at(a.inEnvironmentWork(env.Name))
			steps := session.steps()
			session.problem("run suites", a.runSuites(session.bound(ctx), env, flags, session, steps))
			steps.Close()
			return session.finish(ctx)
		},
	}
	flags.register(cmd)
	nameFlag(cmd.Flags(), &name, "name of the environment")
	cmd.Flags().StringVar(&flags.list, "list", "", "run nothing, list what is selected: requirements (if nothing is said) or specs")
	cmd.Flags().Lookup("list").NoOptDefVal = listRequirements
	a.outputFlag(cmd)
	return cmd
}

// inEnvironmentWork is the work of a command that creates pods, roles and other objects in an environment that stays.
func (a *app) inEnvironmentWork(name string) work {
	return work{
		doing: fmt.Sprintf("removing what was made in environment %q, which stays", name),
		ended: func() string {
			return fmt.Sprintf("environment %q is still up; remove it with: %s", name, a.commandLine("down", "--name", name))
		},
		left: func() string {
			return fmt.Sprintf("environment %q with what was made in it; remove it with: %s", name, a.commandLine("down", "--name", name))
		},
	}
}

// runSuites runs the selected specs and records them. Its error says that the environment, and not a subject, is at fault.
func (a *app) runSuites(ctx context.Context, env *clusters.Environment, flags testFlags, session *session, steps *steps) error {
	if err := session.environment(env); err != nil {
		return err
	}
	if err := reach(ctx, env); err != nil {
		return err
	}
	if err := session.recognise(ctx, env); err != nil {
		return err
	}
	options := flags.options
	options.Environment, options.Run, options.Artifacts = env, session.id(), session.dir
	specs, err := suites.List(ctx, options)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(specs))
	for _, spec := range specs {
		names = append(names, spec.Key)
	}
	watch, unwatch, err := a.startWatch(ctx, env, session, steps)
	if err != nil {
		return err
	}
	options.Watch = watch
	starts := session.watchStarts(ctx, env)
	if flags.each {
		err = a.runEach(ctx, env, options, specs, session, steps)
	}
	for time := 1; !flags.each; time++ {
		held, suitesErr := a.runOnce(ctx, options, names, round{time, flags.repeat}, session, steps)
		err = suitesErr
		if !held || err != nil || time >= flags.repeat || ctx.Err() != nil {
			break
		}
		options.Seed++
	}
	unwatch()
	starts(ctx)
	if watch.Err() == nil {
		session.logs(ctx, env)
	}
	if ctx.Err() != nil {
		err = nil // reported as an interrupted run, and not as a broken environment
	}
	return err
}

// round is the number of the current repeat, and the number of all.
type round struct{ time, of int }

// runOnce runs the selected specs once and records them. It says whether all held.
func (a *app) runOnce(ctx context.Context, options suites.Options, names []string, round round, session *session, steps *steps) (held bool, err error) {
	title := "Conformance suites"
	if round.of > 1 {
		title += fmt.Sprintf(", time %d of %d", round.time, round.of)
		session.keep(session.recorder.Repeat(round.time))
	}
	task := steps.Start(title)
	left := session.specsLeft(names)
	if step, ok := task.(*step); ok {
		step.estimate(left.Left)
	}
	specs, done, failed := len(names), 0, 0
	options.Started = func(suite, name string) {
		left.Begin(name, a.now())
		session.events.write("spec-begin", event{Suite: suite, Name: name})
		task.Detail("%d of %d specs, %d not held; now: %s", done, specs, failed, name)
	}
	held = true
	err = suites.Run(ctx, options, func(spec reports.Spec) {
		session.spec(spec)
		left.End(spec.Name, spec.Duration)
		done++
		bad := spec.Outcome == reports.Fail || spec.Outcome == reports.Error
		held = held && !bad && spec.Outcome != reports.NotRun
		if bad {
			failed++
		}
		// What the environment left undecided is reported once, at the end.
		away := spec.Failure != nil && spec.Failure.Cause == reports.CauseEnvironment
		if a.verbose || bad && !away {
			steps.Print(fmt.Sprintf("   %-13s %-8s %s (%s)", spec.Outcome, strings.Join(spec.Requirements, " "), spec.Name, seconds(spec.Duration)))
		}
		task.Detail("%d of %d specs, %d not held", done, specs, failed)
	})
	if ctx.Err() != nil {
		task.End(context.Cause(ctx))
		return held, err
	}
	task.End(err)
	return held, err
}

// reach checks that the environment answers, because specs would say nothing otherwise.
func reach(ctx context.Context, env *clusters.Environment) error {
	unreachable := func(err error) error {
		return &clusters.EnvironmentError{
			Doing: fmt.Sprintf("reach environment %q", env.Name), Err: err,
			Remedy: fmt.Sprintf("bring it up again with: epi down --name %[1]s && epi up --name %[1]s", env.Name),
		}
	}
	gone := func(what string, err error) error {
		return unreachable(fmt.Errorf("%s does not answer: %w", what, err))
	}
	config, err := kubeconfig.Read(env.Kubeconfig)
	if err != nil {
		return unreachable(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return unreachable(err)
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

// id is the name of the run.
func (s *session) id() string { return filepath.Base(s.dir) }
