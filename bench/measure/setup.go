package measure

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/epi/bench/generator"
	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/meter"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/workload"
	"github.com/podidentity/epi/reports"
)

// Setup is what a scenario works with: the environment, and the generators and identities that all
// scenarios of a run share.
type Setup struct {
	*framework.Env
	Size Size
	// Seed of everything random.
	Seed       uint64
	Fleet      *generator.Fleet
	Identities *IdentityPool

	subject string
	task    clusters.Task
	cases   caseList
	// reportedUnmetered: the record already says why nothing is metered.
	reportedUnmetered bool
}

// RunOptions are what Execute needs besides the scenario.
type RunOptions struct {
	Environment *clusters.Environment
	// Run names the run.
	Run        string
	Seed       uint64
	Fleet      *generator.Fleet
	Identities *IdentityPool
	// Watch, if set, is asked about the environment before anything is recorded.
	Watch Watch
	// Task shows the progress.
	Task clusters.Task
}

// Execute runs a scenario and returns its record.
func (s Scenario) Execute(ctx context.Context, options RunOptions) reports.Scenario {
	record, cases := s.execute(ctx, options)
	record.Cases = cases.record()
	return record
}

// execute runs a scenario and returns its record, and its cases.
func (s Scenario) execute(ctx context.Context, options RunOptions) (reports.Scenario, caseList) {
	record := s.blank()
	record.Started, record.Size = time.Now(), s.Size.record()
	if why := s.lacks(options.Environment); why != "" {
		record.Outcome, record.Reason = reports.NotSupported, why
		return record, nil
	}
	setup := &Setup{
		Size: s.Size, Seed: options.Seed, Fleet: options.Fleet, Identities: options.Identities,
		subject: s.Subject, task: options.Task,
	}
	attempt := Do(ctx, func(ctx context.Context, attempt *Attempt) {
		env, err := framework.New(ctx, options.Environment, framework.Options{Run: options.Run, T: attempt})
		if err != nil {
			attempt.Fatalf("%v", err)
		}
		setup.Env = env
		s.Run(ctx, setup)
	})
	attempt.recordTo(&record)
	if options.Watch != nil && settle(ctx, options.Watch, &record) {
		return record, nil
	}
	return record, setup.cases
}

// settle marks a record as undecided if the environment was absent meanwhile. The record then says nothing about the
// subject.
func settle(ctx context.Context, watch Watch, record *reports.Scenario) (undecided bool) {
	if !record.Outcome.Decided() && record.Outcome != reports.Error {
		return false
	}
	reason, sure := watch.Settle(ctx, record.Started, time.Now(), record.Outcome != reports.Pass)
	switch {
	case reason == "":
		return false
	case !sure:
		record.Notes = append(record.Notes, reason)
		return false
	}
	record.Outcome, record.Failure = reports.Error, &reports.Failure{Message: "not decided: " + reason, Cause: reports.CauseEnvironment}
	return true
}

// Watch knows when the environment was absent. Measurements of that time say nothing about the subject.
type Watch interface {
	// Settle returns as soon as it is known whether the environment was present between two times. The reason is "" if it
	// was, and otherwise says what was missing. With hurry it checks at once. sure is false if the environment may have
	// been present and slow.
	Settle(ctx context.Context, from, to time.Time, hurry bool) (reason string, sure bool)
}

// blank is the record of a scenario that has no result yet.
func (s Scenario) blank() reports.Scenario {
	return reports.Scenario{Name: s.Name, Title: s.Title, About: s.About, Source: s.Source, Subject: s.Subject}
}

// NotRun is the record of a scenario that was not executed.
func (s Scenario) NotRun(reason string) reports.Scenario {
	record := s.blank()
	record.Outcome, record.Reason = reports.NotRun, reason
	return record
}

// lacks says what the environment lacks for the scenario; "" for nothing.
func (s Scenario) lacks(env *clusters.Environment) string {
	for _, subject := range env.Subjects {
		if subject.Role == s.Subject && subject.Absent {
			return fmt.Sprintf("the environment was brought up without %s", s.Subject)
		}
	}
	return env.Lacks(s.Needs...)
}

// record is the size as the reports have it.
func (s Size) record() map[string]string {
	record := map[string]string{}
	if len(s.Rates) > 0 {
		var rates []string
		for _, rate := range s.Rates {
			rates = append(rates, strconv.FormatFloat(rate, 'g', -1, 64))
		}
		record["rates"] = strings.Join(rates, ", ")
	}
	if s.Duration > 0 {
		record["duration"] = s.Duration.String()
	}
	for name, n := range map[string]int{"repeats": s.Repeats, "identities": s.Identities, "pods": s.Pods} {
		if n > 0 {
			record[name] = strconv.Itoa(n)
		}
	}
	return record
}

// Case returns the case of a name, such as "rate=900". The first call creates it.
func (s *Setup) Case(format string, args ...any) *Case {
	return s.cases.of(fmt.Sprintf(format, args...))
}

// Progress shows what is being done.
func (s *Setup) Progress(format string, args ...any) { s.task.Detail(format, args...) }

// Tokens are n new tokens, which the agent has never seen.
func (s *Setup) Tokens(ctx context.Context, n int) []string {
	s.T.Helper()
	s.Progress("asking the API server for %d tokens", n)
	tokens, err := s.Identities.Tokens(ctx, n)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	return tokens
}

// Warm requests the credentials of each token once from the agent of each generator's node, at a low rate. A refusal is the
// agent's failure.
func (s *Setup) Warm(ctx context.Context, tokens []string) {
	s.T.Helper()
	const rate = 200
	job := s.Credentials(tokens).Steady(rate, time.Duration(len(tokens))*time.Second/rate)
	result, err := s.Fleet.RunEach(ctx, job)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	for _, phase := range result.Phases {
		if failed := phase.Failed(); failed > 0 {
			s.T.Blamef("the agent refused %d of %d tokens at %d a second: %s", failed, phase.Requests, rate, phase.Kinds())
		}
	}
}

// Load makes a load with all generators and returns its result.
func (s *Setup) Load(ctx context.Context, job load.Job) *load.Result {
	s.T.Helper()
	job.Seed = s.Seed
	result, err := s.Fleet.Run(ctx, job)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	return result
}

// Measure makes a load, and meters the subject and EKS Auth during it.
func (s *Setup) Measure(ctx context.Context, job load.Job) Sample {
	s.T.Helper()
	sample := s.Observe(ctx, identities(job), func(ctx context.Context) *load.Result { return s.Load(ctx, job) })
	sample.Limited = s.Fleet.Limited(job, sample.Result)
	return sample
}

// Observe meters the subject and EKS Auth while something is done for that many identities. The result of
// what may be nil.
func (s *Setup) Observe(ctx context.Context, identities int, what func(context.Context) *load.Result) Sample {
	s.T.Helper()
	containers := s.Containers(ctx)
	before, metered := s.meter(ctx, containers)
	calls := s.calls(ctx)
	sample := Sample{Result: what(ctx), Identities: identities, Calls: -1, Metered: metered}
	after, _ := s.meter(ctx, containers)
	for id, usage := range after {
		sample.CPU += time.Duration((usage.CPUSeconds - before[id].CPUSeconds) * float64(time.Second))
		sample.RSS += usage.RSSBytes
	}
	if calls >= 0 {
		sample.Calls = s.calls(ctx) - calls
	}
	return sample
}

func (s *Setup) Containers(ctx context.Context) []generator.Container {
	s.T.Helper()
	var list []generator.Container
	for _, pod := range workload.SubjectPods(ctx, s.Env, s.subject) {
		list = append(list, generator.ContainerOf(&pod))
	}
	return list
}

// meter reads the usage of the containers. It returns false if the cluster does not give access to it, which the record
// says once.
func (s *Setup) meter(ctx context.Context, containers []generator.Container) (map[string]meter.Usage, bool) {
	s.T.Helper()
	usage, err := s.Fleet.Meter(ctx, containers)
	if err != nil && !s.reportedUnmetered {
		s.reportedUnmetered = true
		s.T.Report("CPU time and memory could not be read", err)
	}
	return usage, err == nil
}

// AssumeRole is the name of EKS Auth's operation.
const AssumeRole = "AssumeRoleForPodIdentity"

// calls is the number of calls that EKS Auth has received so far, with any answer; -1 if it is unknown.
func (s *Setup) calls(ctx context.Context) int {
	s.T.Helper()
	if s.Control == nil {
		return -1
	}
	counts, err := s.Control.Counts(ctx)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	total := 0
	for _, count := range counts {
		if count.Operation == AssumeRole {
			total += int(count.Calls)
		}
	}
	return total
}

// Memory is the current resident memory of the subject in bytes; false if the cluster does not give access to it.
func (s *Setup) Memory(ctx context.Context) (bytes int64, metered bool) {
	s.T.Helper()
	usage, metered := s.meter(ctx, s.Containers(ctx))
	for _, used := range usage {
		bytes += used.RSSBytes
	}
	return bytes, metered
}

// Fault makes AWS's side behave as all of the rules say, until restore is called or the scenario ends. It needs
// clusters.EmulatorControl.
func (s *Setup) Fault(ctx context.Context, rules ...control.Fault) (restore func()) {
	s.T.Helper()
	var set []*cloud.Fault
	for _, rule := range rules {
		set = append(set, cloud.AddFault(ctx, s.Env, rule))
	}
	return func() {
		for _, fault := range set {
			fault.Remove(context.WithoutCancel(ctx))
		}
	}
}

// identities is the number of tokens that a load uses.
func identities(job load.Job) int {
	if job.Target.HTTP == nil {
		return 0
	}
	return len(job.Target.HTTP.Tokens)
}
