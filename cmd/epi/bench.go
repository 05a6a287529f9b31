package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/bench"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/watch"
	"github.com/podidentity/epi/cmd/epi/estimate"
	"github.com/podidentity/epi/cmd/epi/timeline"
	"github.com/podidentity/epi/reports"
)

// benchFlags are the flags of every command that runs scenarios.
type benchFlags struct {
	scenarios []string
	size      measure.Size
	seed      uint64
	workers   int
	// ab says that two agents, the arguments, are measured alternately, for at most time. within is the difference that
	// does not matter.
	ab     bool
	time   time.Duration
	within share
	// url is the target in place of an environment. newConnections makes a connection for each request.
	url            string
	newConnections bool
	gates
}

func (f *benchFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.scenarios, "scenario", nil, "scenarios to run, by name, or smoke (default all; epi bench --list)")
	flags.Float64SliceVar(&f.size.Rates, "rate", nil, "requests a second, each a case of its own, where a scenario has rates")
	flags.DurationVar(&f.size.Duration, "duration", 0, "length of one repeat, where a scenario has one (default the scenario's)")
	flags.IntVar(&f.size.Repeats, "repeats", 0, "repeats of each case, samples for a comparison; with --ab pairs of executions (default the scenario's; with --ab as many as it takes)")
	flags.IntVar(&f.size.Identities, "identities", 0, "tokens, associations or requests at once, where a scenario is about some (default the scenario's)")
	flags.IntVar(&f.size.Pods, "pods", 0, "pods that are created, where a scenario does (default the scenario's)")
	flags.IntVar(&f.workers, "workers", 0, "pods that make load (default one a node, up to ten)")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of everything random: the same seed sends the same requests")
	f.gates.register(flags)
}

// Bounds of a size, so that every load ends.
const (
	maxBenchRate  = 200_000
	maxRepeat     = time.Hour
	maxRepeats    = 1000
	maxIdentities = 100_000
	maxBenchPods  = 1000
	maxWorkers    = 100
	maxABTime     = 24 * time.Hour
)

// choose returns the scenarios with their sizes, or what is wrong with the flags.
func (f *benchFlags) choose() ([]measure.Scenario, error) {
	if err := f.checkSize(); err != nil {
		return nil, err
	}
	if f.ab && (f.time <= 0 || f.time > maxABTime) {
		return nil, usageError("flag --time: %s is not within 1s to %s", f.time, maxABTime)
	}
	if f.ab && (f.within <= 0 || f.within > 10) {
		return nil, usageError("flag --within: %s is not within 0.1%% to 1000%%: nothing can be shown to be exactly the same", &f.within)
	}
	if f.ab && f.baseline != "" {
		return nil, usageError("flags --ab and --baseline exclude each other: two agents are compared, or a run with an earlier one")
	}
	choose := bench.Choose
	if f.ab {
		choose = bench.ChooseAB
	}
	list, err := choose(f.scenarios, f.size)
	if err != nil {
		return nil, usageError("flag --scenario: %w", err)
	}
	if f.baseline != "" && f.size.Repeats == 0 {
		for i := range list {
			list[i].Size.Repeats = max(list[i].Size.Repeats, fewestRepeats)
		}
	}
	return list, f.check(list)
}

// checkSize says which sizes are out of bounds.
func (f *benchFlags) checkSize() error {
	var problems []string
	within := func(flag string, value, most float64) {
		if value < 0 || value > most || math.IsNaN(value) {
			problems = append(problems, fmt.Sprintf("flag --%s: %g is not within 0 to %g", flag, value, most))
		}
	}
	for _, rate := range f.size.Rates {
		within("rate", rate, maxBenchRate)
		if rate == 0 {
			problems = append(problems, "flag --rate: a rate of 0 asks nothing")
		}
	}
	if f.size.Duration < 0 || f.size.Duration > maxRepeat {
		problems = append(problems, fmt.Sprintf("flag --duration: %s is not within 0 to %s", f.size.Duration, maxRepeat))
	}
	within("repeats", float64(f.size.Repeats), maxRepeats)
	within("identities", float64(f.size.Identities), maxIdentities)
	within("pods", float64(f.size.Pods), maxBenchPods)
	within("workers", float64(f.workers), maxWorkers)
	if len(problems) > 0 {
		return usageError("%s", strings.Join(problems, "\n"))
	}
	return nil
}

func (a *app) benchCommand() *cobra.Command {
	var flags benchFlags
	var name, artifacts string
	var list bool
	cmd := &cobra.Command{
		Use:     "bench [--ab A B]",
		GroupID: "main",
		Short:   "Measure agent and webhook under load in an environment that is up",
		Long: `Bench measures the agent and the webhook of a running environment under load. Its
scenarios are problems that users of EKS Pod Identity have reported. It writes
bench.json, bench.txt (for benchstat), report.html and junit.xml below _artifacts/latest.

Load is open: requests begin on schedule, even when answers are slow, and each latency
is measured from the scheduled time. Load generators run in pods, one on each node.
Their own limit is measured first, on a handler that does nothing. A result that shows
the limit of the generator, and not of the subject, is marked.

CPU time and memory are those of the subject's containers, read from the node's control
groups. Calls to EKS Auth are counted by the emulator.

--slo sets what must hold, as scenario.metric, an operator and a limit; a case is named
after the scenario, as warm/rate=900. Metrics are p50, p90, p99, p99.9, max, rate,
failed, cpu (seconds per 1,000 requests), rss, calls (to EKS Auth, per identity) and
those of a scenario. --baseline FILE compares the run with an earlier one: it fails if
a measure is shown to be worse than the earlier one by more than --tolerance. Each case
then has at least four repeats: fewer cannot show a difference.

The exit code is 0 if all scenarios, thresholds and the baseline held, 1 if one did
not (also when another broke), 3 if there is no verdict.

--url loads any server from this process, without a cluster, for a comparison with other
tools. It sends --rate requests a second (900) for --duration (5s), --repeats times (3).
Connections are kept open; with --new-connections each request has its own.

--ab measures two agents alternately in one run, A B B A and so on. Each execution
starts the agent anew. At the end the previous agent is restored. A and B are images
that your engine has or can pull, archives of docker save, or "reference" for epi's own
agent. Quote an agent together with its arguments: 'reference --max-cache-size=0'.

epi prints the plan first. The run ends when each primary measure of its scenarios
(--list) is concluded, or after --time. A conclusion is that B is better or worse, with
the ratio and its interval, or that A and B are the same within --within. All intervals
of a run hold together with 95% confidence: two equal agents show a difference in at
most one run of twenty. All other measures are reported as secondary. --repeats N
measures N pairs and compares once. A difference does not change the exit code.`,
		Example: `  epi bench
  epi bench --list
  epi bench --scenario warm --rate 900,5000 --duration 12s --repeats 3
  epi bench --scenario herd-same,throttled --identities 200
  epi bench --scenario warm --slo 'warm/rate=900.p99<5ms' --slo 'warm.failed<=0'
  epi bench --url http://127.0.0.1:8080/ --rate 1000,5000 --slo 'url.p99<2ms'
  epi bench --baseline main/bench.json --tolerance 15%
  epi bench --ab my/agent:old my/agent:new
  epi bench --ab reference 'reference --max-cache-size=0' --scenario warm`,
		Args: func(_ *cobra.Command, args []string) error { return flags.checkArgs(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if err := a.checkOutput(); err != nil {
				return err
			}
			if flags.url != "" || flags.newConnections || a.typed["url"] {
				return a.benchURL(cmd, flags, artifacts)
			}
			scenarios, err := flags.choose()
			if err != nil {
				return err
			}
			var agents [2]clusters.Given
			if flags.ab {
				if agents, err = givenAgents(args); err != nil {
					return err
				}
			}
			if list {
				return a.listScenarios(scenarios)
			}
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			env, release, err := use(dirs, name, cmd.Name())
			if err != nil {
				return err
			}
			defer release()
			if flags.ab {
				if err := canSwap(env); err != nil {
					return err
				}
			}
			session, err := a.newBenchSession(cmd, artifacts, flags)
			if err != nil {
				return err
			}
			a.interrupts.at(a.inEnvironmentWork(env.Name))
			steps := session.steps()
			run := a.runBench
			if flags.ab {
				run = a.runAB(agents)
			}
			session.problem("run benchmark", run(session.bound(ctx), env, flags, scenarios, session, steps))
			steps.Close()
			return session.finish(ctx)
		},
	}
	flags.register(cmd)
	cmd.Flags().BoolVar(&flags.ab, "ab", false, "measure two agents alternately, A and B, and say whether they differ")
	cmd.Flags().DurationVar(&flags.time, "time", bench.DefaultTime, "with --ab: how long all pairs may take until all primary measures are concluded")
	flags.within = bench.DefaultWithin
	cmd.Flags().Var(&flags.within, "within", "with --ab: a difference up to this share does not matter, and counts as the same")
	cmd.Flags().StringVar(&flags.url, "url", "", "load this URL from here, without any environment, at --rate for --duration")
	cmd.Flags().BoolVar(&flags.newConnections, "new-connections", false, "with --url: a connection for each request")
	nameFlag(cmd.Flags(), &name, "name of the environment")
	cmd.Flags().StringVar(&artifacts, "artifacts", "_artifacts", "folder of the runs: each gets one below it, and latest points to the last")
	cmd.Flags().BoolVar(&list, "list", false, "run nothing, list the scenarios that are selected, with their sizes")
	a.outputFlag(cmd)
	return cmd
}

// newBenchSession starts the record of a run with measurements only, also if it measures nothing.
func (a *app) newBenchSession(cmd *cobra.Command, artifacts string, flags benchFlags) (*session, error) {
	session, err := a.newSession(cmd, artifacts, nil)
	if err != nil {
		return nil, err
	}
	session.keep(session.recorder.Bench(reports.Bench{Seed: flags.seed}))
	return session, nil
}

// runBench runs scenarios, records them and judges them by the gates. Its error says that the environment, and not a
// subject, is at fault.
func (a *app) runBench(ctx context.Context, env *clusters.Environment, flags benchFlags, scenarios []measure.Scenario, session *session, steps *steps) error {
	return a.inEnvironment(ctx, env, session, steps, func(watch *watch.Watch) error {
		sink := &measured{session: session, say: steps.Print}
		sink.progress(scenarios, steps)
		err := bench.Run(ctx, flags.options(env, session, scenarios, watch), steps, sink)
		sink.end(ctx, err)
		if ctx.Err() == nil {
			flags.judge(sink.bench, session, reportEnvironment(env), steps.Print)
		}
		return err
	})
}

func (f benchFlags) options(env *clusters.Environment, session *session, scenarios []measure.Scenario, watch *watch.Watch) bench.Options {
	return bench.Options{Environment: env, Run: session.id(), Scenarios: scenarios, Seed: f.seed, Workers: f.workers, Watch: watch}
}

// inEnvironment measures in a watched environment that answers, and keeps its logs.
func (a *app) inEnvironment(ctx context.Context, env *clusters.Environment, session *session, steps *steps, measure func(*watch.Watch) error) error {
	if err := session.environment(env); err != nil {
		return err
	}
	if err := reach(ctx, env); err != nil {
		return err
	}
	watch, unwatch, err := a.startWatch(ctx, env, session, steps)
	if err != nil {
		return err
	}
	err = measure(watch)
	unwatch()
	if watch.Err() == nil {
		session.logs(ctx, env)
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil //nolint:nilerr // reported as an interrupted run, not as a broken environment
	}
	return err
}

// measured records a scenario and keeps it for the gates.
type measured struct {
	*session
	bench reports.Bench
	// say prints a line between the steps.
	say func(line string)

	// task shows the progress of all scenarios; nil if it is not shown.
	task  clusters.Task
	total int
	bad   int
	left  *estimate.Estimate
}

// progress shows how many of the scenarios are measured, and the estimated time for the others.
func (m *measured) progress(scenarios []measure.Scenario, steps *steps) {
	if len(scenarios) < 2 {
		return // its own step says the same
	}
	var names []string
	for _, s := range scenarios {
		names = append(names, s.Name)
	}
	m.task, m.total, m.left = steps.Start("Benchmark"), len(names), m.scenariosLeft(names)
	if step, ok := m.task.(*step); ok {
		step.estimate(m.left.Left)
	}
	m.task.Detail("0 of %d scenarios", m.total)
}

// end ends what progress began.
func (m *measured) end(ctx context.Context, err error) {
	if m.task == nil {
		return
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	m.task.End(err)
}

// Generators implements bench.Sink.
func (m *measured) Generators(seed uint64, machines []reports.Machine, generator reports.Generator) {
	m.bench.Seed, m.bench.Machines, m.bench.Generator = seed, machines, generator
	m.keep(m.recorder.Bench(m.bench))
}

// Scenario implements bench.Sink.
func (m *measured) Scenario(record reports.Scenario) {
	m.bench.Scenarios = append(m.bench.Scenarios, record)
	m.keep(m.recorder.Scenario(record))
	redacted := record.Redacted()
	m.events.write("scenario", event{Scenario: &redacted})
	if m.task != nil {
		m.left.End(record.Name, record.Duration)
		if record.Outcome == reports.Fail || record.Outcome == reports.Error {
			m.bad++
		}
		m.task.Detail("%d of %d scenarios, %d failed", len(m.bench.Scenarios), m.total, m.bad)
	}
	if record.Duration > 0 {
		m.timeline.Add(timeline.Span{Track: "scenarios", Name: record.Name, Started: record.Started, Took: record.Duration, Failed: record.Outcome == reports.Fail})
	}
}

// Plan implements bench.ABSink.
func (m *measured) Plan(lines []string) {
	for _, line := range lines {
		m.say(line)
	}
}

// Differences implements bench.ABSink.
func (m *measured) Differences(differences []reports.Difference) {
	m.keep(m.recorder.Differences("", 0, differences))
}

// listedScenario is a scenario with its size, for programs.
type listedScenario struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Title   string `json:"title"`
	About   string `json:"about"`
	Source  string `json:"source"`
	// Rates in requests a second; Duration of a repeat in seconds.
	Rates      []float64 `json:"rates,omitempty"`
	Duration   float64   `json:"duration,omitempty"`
	Repeats    int       `json:"repeats,omitempty"`
	Identities int       `json:"identities,omitempty"`
	Pods       int       `json:"pods,omitempty"`
	Metrics    []string  `json:"metrics"`
	// Primary are its primary measures, as "CASES METRIC".
	Primary []string `json:"primary"`
	Needs   []string `json:"needs,omitempty"`
}

// listScenarios prints scenarios with what they show.
func (a *app) listScenarios(list []measure.Scenario) error {
	if a.output == "json" {
		listed := make([]listedScenario, 0, len(list))
		for _, s := range list {
			row := listedScenario{
				Name: s.Name, Subject: s.Subject, Title: s.Title, About: s.About, Source: s.Source,
				Rates: s.Size.Rates, Duration: s.Size.Duration.Seconds(), Repeats: s.Size.Repeats, Identities: s.Size.Identities, Pods: s.Size.Pods,
			}
			for _, metric := range measure.Standard() {
				row.Metrics = append(row.Metrics, metric.Name)
			}
			row.Metrics = append(row.Metrics, s.Metrics...)
			for _, primary := range s.Primary {
				row.Primary = append(row.Primary, primary.String())
			}
			for _, capability := range s.Needs {
				row.Needs = append(row.Needs, string(capability))
			}
			listed = append(listed, row)
		}
		return a.printJSON(listed)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, s := range list {
		var primary []string
		for _, p := range s.Primary {
			primary = append(primary, p.String())
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Name, s.Subject, s.Title, strings.Join(primary, ", ")); err != nil {
			return err
		}
	}
	return table.Flush()
}
