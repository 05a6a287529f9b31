package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"k8s.io/client-go/kubernetes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/clusters/recognition"
	"github.com/podidentity/epi/clusters/room"
	"github.com/podidentity/epi/cmd/epi/timeline"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/artifacts"
	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/reports"
)

// logsTime bounds the collection of logs at the end of a run.
const logsTime = 20 * time.Second

// session is a recorded run: all results go to its recorder at once, so that reports exist also if the run ends early.
type session struct {
	app      *app
	dir      string
	recorder *reports.Recorder
	// junit is an additional file for the JUnit report; "" for none.
	junit string
	// timeline has the run's steps and the use of the processors, until unwatch.
	timeline *timeline.Timeline
	unwatch  func()
	// events go to programs during the run; nil for people.
	events *events
	// read are the earlier runs that were read, by the name of their folder.
	read map[string]reports.Run
	// end ends the run's context if the run cannot be recorded any more.
	end context.CancelCauseFunc

	mu sync.Mutex
	// broken is the first error of the record.
	broken error
}

// errUnrecorded is the cause of the end of a run that cannot be recorded. The verdict shows the reason.
var errUnrecorded = fmt.Errorf("the run cannot be recorded any more: %w", context.Canceled)

// errRemoved is the cause of the end of a run whose folder was removed. A later write, for example of a spec's record, may
// create the folder again, and cannot restore its content.
var errRemoved = errors.New("its folder was removed")

// bound is the context of work that is recorded: it ends with ctx, and when the record cannot be written, because its
// results would be lost.
func (s *session) bound(ctx context.Context) context.Context {
	ctx, end := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = end
	if s.broken != nil {
		end(errUnrecorded)
	}
	go s.watchFolder(ctx)
	return ctx
}

// lookAtFolder is how often the folder of a run is checked, because minutes may pass between two records.
const lookAtFolder = time.Second

// watchFolder ends the run when its folder is removed, or when its disk is full.
func (s *session) watchFolder(ctx context.Context) {
	ticker := time.NewTicker(lookAtFolder)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_, err := os.Stat(s.dir)
		switch {
		case err == nil:
			err = room.Check(s.dir)
		case errors.Is(err, fs.ErrNotExist):
			err = errRemoved
		}
		if err != nil {
			s.keep(err)
			return
		}
	}
}

// newSession starts the record of a run of cmd in a new folder below artifacts.
func (a *app) newSession(cmd *cobra.Command, artifacts string, selection []string) (*session, error) {
	started := a.now()
	if err := a.checkRoom(artifactsPlace(artifacts)); err != nil {
		return nil, err
	}
	dir, err := reports.NewDir(artifacts, started)
	if err != nil {
		return nil, usageError("flag --artifacts: %w", err)
	}
	recorder, err := reports.NewRecorder(dir, reports.Run{
		ID: filepath.Base(dir), Started: started, Epi: build(), Selection: selection,
		Requirements: catalogue(),
	})
	if err == nil {
		err = writeConfig(filepath.Join(dir, defaultConfigFile), cmd)
	}
	if err != nil {
		return nil, a.cannotStart("start record of the run", err, artifactsPlace(dir))
	}
	return a.watched(dir, recorder), nil
}

// watched is the session of a record with a started timeline.
func (a *app) watched(dir string, recorder *reports.Recorder) *session {
	s := &session{app: a, dir: dir, recorder: recorder, timeline: &timeline.Timeline{}}
	var ctx context.Context // what an interrupted run still does is reported too
	ctx, s.unwatch = context.WithCancel(context.Background())
	go s.timeline.Watch(ctx)
	s.startEvents()
	return s
}

// writeConfig writes the effective configuration of cmd as a file for --config. The folders of this machine's state are not
// in it, unless the user chose them.
func writeConfig(file string, cmd *cobra.Command) error {
	values := map[string]any{}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		switch list, isList := flag.Value.(pflag.SliceValue); {
		case !reads(cmd, flag), slices.Contains(never, flag.Name) && flag.Value.String() == "":
		case isList:
			values[flag.Name] = append([]string{}, list.GetSlice()...) // null is no value
		default:
			values[flag.Name] = plainValue(flag.Value)
		}
	})
	data, err := yaml.Marshal(values)
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// plainValue is a flag's value in the form of a file: numbers and booleans without quotes.
func plainValue(value pflag.Value) any {
	text := value.String()
	switch value.Type() {
	case "bool":
		return text == "true"
	case "int", "uint64":
		return json.Number(text)
	default:
		return text
	}
}

// catalogue is the catalogue of requirements in the form of the reports.
func catalogue() []reports.Requirement {
	var list []reports.Requirement
	for _, r := range requirement.All() {
		list = append(list, reports.Requirement{
			ID: r.ID, Level: string(r.Level), Profile: string(r.Profile), Statement: r.Statement, Source: r.Source,
			Runs: string(r.Runs), Since: r.Since,
		})
	}
	return list
}

// reportEnvironment is the environment in the form of the reports.
func reportEnvironment(env *clusters.Environment) reports.Environment {
	environment := reports.Environment{
		Provider: env.Provider, Name: env.Name, Region: env.Region,
		KubernetesVersion: env.KubernetesVersion, NodeImage: env.NodeImage, NodeImageOrigin: env.NodeImageOrigin,
		Nodes: env.Nodes, IMDSHopLimit: env.IMDSHopLimit, Engine: env.Engine, AWS: "aws",
	}
	if env.Has(clusters.EmulatorControl) {
		environment.AWS = "emulator"
	}
	for _, capability := range env.Capabilities {
		if !capability.IsClient() { // the client matrix reports those
			environment.Capabilities = append(environment.Capabilities, string(capability))
		}
	}
	return environment
}

// environment records what the run is about to test.
func (s *session) environment(env *clusters.Environment) error {
	return errors.Join(s.subjects(env, env.Subjects), s.recorder.Clients(clientsOf(env)))
}

// subjects records the subjects and their known deviations.
func (s *session) subjects(env *clusters.Environment, list []clusters.Subject) error {
	var subjects []reports.Subject
	var deviations []reports.Deviation
	for _, subject := range list {
		subjects = append(subjects, reports.Subject{
			Role: subject.Role, Image: subject.Image, Digest: subject.Digest, Reference: subject.Reference, Absent: subject.Absent,
			Product: subject.Product, Version: subject.Version, Compat: string(subject.Compat),
		})
		for _, known := range requirement.KnownOf(subject.Product, subject.Version) {
			deviations = append(deviations, reports.Deviation{
				Requirement: known.Requirement, Role: subject.Role, Product: subject.Product, Version: subject.Version, Does: known.Does, Link: known.Link,
			})
		}
	}
	return errors.Join(s.recorder.Environment(reportEnvironment(env), subjects), s.recorder.Deviations(deviations))
}

// recognise records the versions of the user's subjects. It needs a cluster that answers.
func (s *session) recognise(ctx context.Context, env *clusters.Environment) error {
	config, err := kubeconfig.Read(env.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reach environment %q: %w", env.Name, err)
	}
	cluster, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the cluster: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	list := slices.Clone(env.Subjects)
	for i := range list {
		if err := recognition.Fill(ctx, cluster, &list[i]); err != nil {
			return err
		}
	}
	return s.subjects(env, list)
}

// clientsOf are the environment's AWS clients in the form of the reports.
func clientsOf(env *clusters.Environment) []reports.Client {
	var list []reports.Client
	for _, c := range env.Clients {
		list = append(list, reports.Client{
			Name: c.Name, SDK: c.SDK, Version: c.Version, Floor: c.Floor, Source: c.Source, TooOld: c.TooOld,
			Image: cmp.Or(c.Image, env.ProbeImage), Digest: c.Digest, Limits: c.Limits, Missing: c.Missing,
		})
	}
	return list
}

// phase records a finished step.
func (s *session) phase(p phase) {
	recorded := reports.Phase{Name: p.name, Started: p.started, Duration: p.took}
	if p.err != nil {
		recorded.Error = p.err.Error()
	}
	s.keep(s.recorder.Phase(recorded))
	recorded = recorded.Redacted()
	s.events.write("step", event{Step: &recorded})
	s.timeline.Add(timeline.Span{Track: "steps", Name: p.name, Started: p.started, Took: p.took, Failed: p.err != nil})
}

// spec records the result of a spec.
func (s *session) spec(spec reports.Spec) {
	s.keep(s.recorder.Add(spec))
	redacted := spec.Redacted()
	s.events.write("spec", event{Spec: &redacted})
	if spec.Duration > 0 {
		s.timeline.Add(timeline.Span{Track: "specs", Name: spec.Name, Started: spec.Started, Took: spec.Duration, Failed: spec.Outcome == reports.Fail})
	}
}

// traceFile is the timeline in the folder of a run.
const traceFile = "trace.json"

// writeTimeline writes the timeline beside the reports.
func (s *session) writeTimeline() error {
	file, err := os.Create(filepath.Join(s.dir, traceFile))
	if err != nil {
		return fmt.Errorf("write timeline: %w", err)
	}
	return errors.Join(s.timeline.Write(file), file.Close())
}

// removingEnvironment is the last part of a run.
const removingEnvironment = "remove environment"

// problem records an error of the run itself; nil is none.
func (s *session) problem(doing string, err error) {
	if err == nil || s.unrecorded() != nil && doing != removingEnvironment {
		return // the reason why a run cannot be recorded is reported with the verdict
	}
	problem := reports.Problem{Doing: doing, Message: err.Error(), Remedy: s.app.remedyOf(err)}.Redacted()
	s.keep(s.recorder.Problem(problem))
	s.events.write("problem", event{Problem: &problem})
}

// logs keeps the logs of the cluster's system programs and the calls that AWS received. Logs are no verdict: missing ones
// are reported in their folder.
func (s *session) logs(ctx context.Context, env *clusters.Environment) {
	if s.unrecorded() != nil {
		return // there is no record beside which to keep them
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logsTime)
	defer cancel()
	err := func() error {
		reached, err := framework.New(ctx, env, framework.Options{Run: s.id()})
		if err != nil {
			return err
		}
		collector := artifacts.Collector{Dir: s.dir, Redact: reports.Redact, Cluster: reached.Clientset, Control: reached.Control}
		return collector.Logs(ctx)
	}()
	if err != nil {
		s.keep(os.MkdirAll(filepath.Join(s.dir, "logs"), 0o755))
		s.keep(os.WriteFile(filepath.Join(s.dir, "logs", "errors.txt"), []byte(reports.Redact(err.Error())+"\n"), 0o644))
	}
}

// keep remembers that the record could not be written, which finish reports, and ends the run. The first error counts,
// because the others follow from it.
func (s *session) keep(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return
	}
	s.broken = firstOf(err)
	if errors.Is(err, fs.ErrNotExist) && !fileExists(s.dir) {
		s.broken = errRemoved
	}
	if s.end != nil {
		s.end(errUnrecorded)
	}
}

// firstOf is the first of joined errors.
func firstOf(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) == 0 {
		return err
	}
	return firstOf(joined.Unwrap()[0])
}

// unrecorded is the problem of the record; nil if there is none.
func (s *session) unrecorded() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// finish writes the reports, prints the verdict and returns it as the error of the command; nil if all held.
func (s *session) finish(ctx context.Context) error {
	if s.end != nil {
		s.end(nil)
	}
	s.unwatch()
	findings, err := s.recorder.Finish(ctx.Err() != nil)
	s.keep(err)
	// A failed write is reported here, because it could not be recorded before.
	unrecorded := func(problem reports.Problem) {
		run := findings.Run
		run.Problems = append(slices.Clip(run.Problems), problem)
		findings = reports.NewFindings(run)
	}
	recorded := len(findings.Run.Problems)
	if s.broken != nil {
		unrecorded(s.app.unwritten("record the run", s.broken, artifactsPlace(s.dir)))
	}
	if s.junit != "" {
		if err := reports.WriteJUnitFile(s.junit, findings); err != nil {
			unrecorded(s.app.unwritten("write JUnit report", err, storage{filepath.Dir(s.junit), "another file with --junit-report"}))
		}
	}
	for _, problem := range findings.Run.Problems[recorded:] {
		s.events.write("problem", event{Problem: &problem})
	}
	if s.broken == nil {
		if err := s.writeTimeline(); err != nil {
			_, _ = fmt.Fprintf(s.app.err, "Warning: %v\n", err)
		}
		if err := reports.PointLatest(s.dir); err != nil {
			_, _ = fmt.Fprintf(s.app.err, "Warning: %v\n", err) // the reports exist nevertheless
		}
	}
	verdict := findings.Verdict
	code, means := verdict.ExitCode(), meaning(verdict.ExitCode())
	if ctx.Err() != nil {
		code, means = exitCode(ctx, nil), meaning(exitInterrupted)
	}
	err = s.print(findings, code)
	if s.app.inActions() {
		if err := s.app.annotateActions(findings); err != nil {
			_, _ = fmt.Fprintf(s.app.err, "Warning: %v\n", err) // the reports exist nevertheless
		}
	}
	switch {
	case err == nil && verdict.ExitCode() != exitHeld:
		// A user who calls epi through another program, such as make, may see another code.
		_, _ = fmt.Fprintf(s.app.err, "Exit code %d: %s\n", code, means)
		return &codedError{code: verdict.ExitCode(), err: errors.New(verdict.Sentence()), reported: true}
	case err != nil && verdict.ExitCode() == exitFailed: // a failure stays a failure, also if its report could not be written
		return &codedError{code: exitFailed, err: err}
	}
	return err
}

// print writes the results for people, or for programs with --output json.
func (s *session) print(findings *reports.Findings, code int) error {
	// It does not use the link latest, because another run may have ended since.
	var files []string
	for _, name := range reports.Files(findings.Run) {
		if file := filepath.Join(s.dir, name); fileExists(file) {
			files = append(files, s.app.relative(file))
		}
	}
	if s.events != nil {
		verdict := findings.Verdict
		s.events.write("end", event{
			Dir: s.app.relative(s.dir), Outcome: verdict.Outcome, Summary: verdict.Sentence(), ExitCode: &code, Failed: verdict.Failed, Files: files,
		})
		return s.events.broken()
	}
	options := reports.SummaryOptions{Dir: s.app.relative(s.dir), Files: files, Width: s.app.width()}
	options.Color, options.Since = s.app.colourOn(s.app.out), s.since(findings.Run)
	write := func() error { return reports.WriteSummary(s.app.out, findings, options) }
	if s.app.inActions() {
		return grouped(s.app.out, "What the run found", write)
	}
	return write()
}

// relative is a path as the user would type it here.
func (a *app) relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(short, "..") {
		return short
	}
	return path
}
