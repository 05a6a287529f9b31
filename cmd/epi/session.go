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

// session is one run on record: everything it finds goes to its recorder as it happens, so that
// the reports exist also when the run ends before its end.
type session struct {
	app      *app
	dir      string
	recorder *reports.Recorder
	// junit is a file that gets the JUnit report as well; "" for none.
	junit string
	// timeline is what the run did when, and what used the processors until unwatch.
	timeline *timeline.Timeline
	unwatch  func()
	// events are what programs are given while the run goes on; nil for people.
	events *events
	// read are the earlier runs that were read, by their folder's name.
	read map[string]reports.Run
	// end ends the context of the run when it cannot be recorded any more.
	end context.CancelCauseFunc

	mu sync.Mutex
	// broken is the first error of the record.
	broken error
}

// errUnrecorded is why a run ends that cannot be recorded; what keeps it from being is reported with the verdict.
var errUnrecorded = fmt.Errorf("the run cannot be recorded any more: %w", context.Canceled)

// errRemoved is why a run ends whose folder was removed. Whatever is written afterwards, such as what is on record
// of a spec, may make the folder anew, and cannot bring back what was in it.
var errRemoved = errors.New("its folder was removed")

// bound is the context of what is recorded: it ends with ctx, and when the record cannot be written. What
// nobody can read afterwards is not worth its time.
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

// lookAtFolder is how often the folder of a run is looked at: minutes may pass between two records.
const lookAtFolder = time.Second

// watchFolder ends the run when its folder is removed, or its disk takes no more.
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

// newSession starts the record of a run of cmd in a folder of its own below artifacts.
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

// watched is the session of a record whose timeline has begun.
func (a *app) watched(dir string, recorder *reports.Recorder) *session {
	s := &session{app: a, dir: dir, recorder: recorder, timeline: &timeline.Timeline{}}
	var ctx context.Context // also what an interrupted run still does is reported
	ctx, s.unwatch = context.WithCancel(context.Background())
	go s.timeline.Watch(ctx)
	s.startEvents()
	return s
}

// writeConfig writes the effective configuration of cmd as a file that --config takes. Where the folders of
// this machine's state are is none of it, unless somebody chose them.
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

// plainValue is a flag's value as a person would write it in a file: numbers and truths without quotes.
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

// catalogue is the catalogue of requirements as the reports show it.
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

// reportEnvironment is the environment as the reports show it.
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

// subjects records what is tested, and what its versions are known not to do.
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

// recognise records which versions the subjects are that somebody brought. It needs a cluster that answers.
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

// clientsOf are the environment's AWS clients as the reports show them.
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

// spec records what became of a spec.
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
		return // what ends a run that cannot be recorded is reported with the verdict
	}
	problem := reports.Problem{Doing: doing, Message: err.Error(), Remedy: s.app.remedyOf(err)}.Redacted()
	s.keep(s.recorder.Problem(problem))
	s.events.write("problem", event{Problem: &problem})
}

// logs keeps what the cluster's own programs said and the calls that AWS got. Logs are no verdict:
// what cannot be had is reported in their folder.
func (s *session) logs(ctx context.Context, env *clusters.Environment) {
	if s.unrecorded() != nil {
		return // there is no record to keep them beside
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

// keep remembers that the record could not be written, for finish to tell, and ends the run. The first error
// is the one that counts: the others follow from it.
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

// unrecorded is what is wrong with the record; nil if nothing is.
func (s *session) unrecorded() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// finish writes the reports, prints the verdict and turns it into the error of the command: nil if
// all held.
func (s *session) finish(ctx context.Context) error {
	if s.end != nil {
		s.end(nil)
	}
	s.unwatch()
	run, err := s.recorder.Finish(ctx.Err() != nil)
	s.keep(err)
	// What could not be written down is reported here, since nothing could record it before.
	recorded := len(run.Problems)
	if s.broken != nil {
		run.Problems = append(run.Problems, s.app.unwritten("record the run", s.broken, artifactsPlace(s.dir)))
	}
	if s.junit != "" {
		if err := reports.WriteJUnitFile(s.junit, run); err != nil {
			run.Problems = append(run.Problems, s.app.unwritten("write JUnit report", err, storage{filepath.Dir(s.junit), "another file with --junit-report"}))
		}
	}
	for _, problem := range run.Problems[recorded:] {
		s.events.write("problem", event{Problem: &problem})
	}
	if s.broken == nil {
		if err := s.writeTimeline(); err != nil {
			_, _ = fmt.Fprintf(s.app.err, "Warning: %v\n", err)
		}
		if err := reports.PointLatest(s.dir); err != nil {
			_, _ = fmt.Fprintf(s.app.err, "Warning: %v\n", err) // the reports are there all the same
		}
	}
	verdict := run.Verdict()
	code, means := verdict.ExitCode(), meaning(verdict.ExitCode())
	if ctx.Err() != nil {
		code, means = exitCode(ctx, nil), meaning(exitInterrupted)
	}
	err = s.print(run, code)
	if s.app.inActions() {
		if err := s.app.annotateActions(run); err != nil {
			_, _ = fmt.Fprintf(s.app.err, "Warning: %v\n", err) // the reports are there all the same
		}
	}
	switch {
	case err == nil && verdict.ExitCode() != exitHeld:
		// Who calls epi through another program, such as make, may see another one.
		_, _ = fmt.Fprintf(s.app.err, "Exit code %d: %s\n", code, means)
		return &codedError{code: verdict.ExitCode(), err: errors.New(verdict.Sentence()), reported: true}
	case err != nil && verdict.ExitCode() == exitFailed: // what failed has failed, whatever became of its report
		return &codedError{code: exitFailed, err: err}
	}
	return err
}

// print writes what the run found, for people, or for programs with --output json.
func (s *session) print(run reports.Run, code int) error {
	// Not by way of the link latest: another run may have ended since.
	var files []string
	for _, name := range reports.Files(run) {
		if file := filepath.Join(s.dir, name); fileExists(file) {
			files = append(files, s.app.relative(file))
		}
	}
	if s.events != nil {
		verdict := run.Verdict()
		s.events.write("end", event{
			Dir: s.app.relative(s.dir), Outcome: verdict.Outcome, Summary: verdict.Sentence(), ExitCode: &code, Failed: verdict.Failed, Files: files,
		})
		return s.events.broken()
	}
	options := reports.SummaryOptions{Dir: s.app.relative(s.dir), Files: files, Width: s.app.width()}
	options.Color, options.Since = s.app.colourOn(s.app.out), s.since(run)
	write := func() error { return reports.WriteSummary(s.app.out, run, options) }
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
