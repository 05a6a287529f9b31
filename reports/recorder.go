package reports

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// ErrFinished is the error of additions to a record that is closed.
var ErrFinished = errors.New("the run has finished")

// Recorder keeps the record of a run during the run. After each addition results.json has everything so far, so a run that
// crashes leaves results too. It redacts secrets in additions. Its methods may be called concurrently.
type Recorder struct {
	dir string

	mu       sync.Mutex
	run      Run
	finished bool
}

// NewRecorder starts the record of run in dir, which it creates if necessary.
func NewRecorder(dir string, run Run) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start record of run %s: %w", run.ID, err)
	}
	run = run.copied()
	run.Schema = Schema
	for i := range run.Specs {
		run.Specs[i] = run.Specs[i].redacted()
	}
	for i := range run.Phases {
		run.Phases[i] = run.Phases[i].redacted()
	}
	for i := range run.Problems {
		run.Problems[i] = run.Problems[i].redacted()
	}
	if run.Bench != nil {
		*run.Bench = run.Bench.redacted()
	}
	r := &Recorder{dir: dir, run: run}
	return r, r.change(func(*Run) {})
}

// Environment records the subjects and the environment when they are known.
func (r *Recorder) Environment(environment Environment, subjects []Subject) error {
	return r.change(func(run *Run) {
		run.Environment, run.Subjects = environment, slices.Clone(subjects)
	})
}

// Deviations records the subjects' known deviations.
func (r *Recorder) Deviations(deviations []Deviation) error {
	return r.change(func(run *Run) { run.Deviations = slices.Clone(deviations) })
}

// Clients records the AWS clients of the client matrix.
func (r *Recorder) Clients(clients []Client) error {
	return r.change(func(run *Run) { run.Clients = slices.Clone(clients) })
}

// Add records a spec.
func (r *Recorder) Add(spec Spec) error {
	spec = spec.redacted()
	spec.Requirements = slices.Clone(spec.Requirements)
	return r.change(func(run *Run) { run.Specs = append(run.Specs, spec) })
}

// Repeat begins another round of the specs, counted from 1. The results of the round before are dropped.
func (r *Recorder) Repeat(times int) error {
	return r.change(func(run *Run) { run.Specs, run.Repeats = nil, times })
}

// Absences records when parts of the environment were absent. It replaces the earlier record of them.
func (r *Recorder) Absences(absences []Absence) error {
	absences = slices.Clone(absences)
	for i := range absences {
		absences[i].Reason = Redact(absences[i].Reason)
	}
	return r.change(func(run *Run) { run.Absences = absences })
}

// Starts records the starts of pods, and AWS's calls meanwhile. It replaces the earlier record of them.
func (r *Recorder) Starts(pods []PodStart, calls []Calls) error {
	return r.change(func(run *Run) { run.Pods, run.Calls = slices.Clone(pods), slices.Clone(calls) })
}

// Phase records a step of the run that has ended.
func (r *Recorder) Phase(phase Phase) error {
	phase = phase.redacted()
	return r.change(func(run *Run) { run.Phases = append(run.Phases, phase) })
}

// Problem records an error outside any spec. The run then cannot pass.
func (r *Recorder) Problem(problem Problem) error {
	problem = problem.redacted()
	return r.change(func(run *Run) { run.Problems = append(run.Problems, problem) })
}

// Run returns the run so far.
func (r *Recorder) Run() Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.run.copied()
}

// Finish closes the record, writes all reports (see WriteDir) and returns the findings. A second call writes them again and
// changes nothing else.
func (r *Recorder) Finish(interrupted bool) (*Findings, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.finished {
		r.finished = true
		r.run.Interrupted = interrupted
		r.run.Ended = time.Now()
		if r.run.Ended.Before(r.run.Started) {
			r.run.Ended = r.run.Started
		}
	}
	findings := NewFindings(r.run.copied())
	return findings, WriteDir(r.dir, findings)
}

// change applies an addition and writes the results. It writes while it holds the lock, so that an older state never
// replaces a newer one.
func (r *Recorder) change(apply func(*Run)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return fmt.Errorf("record run %s: %w", r.run.ID, ErrFinished)
	}
	apply(&r.run)
	return writeFile(r.dir, ResultsFile, func(w io.Writer) error { return WriteJSON(w, r.run) })
}

// copied returns the run with its own lists.
func (r Run) copied() Run {
	r.Subjects = slices.Clone(r.Subjects)
	r.Deviations = slices.Clone(r.Deviations)
	r.Selection = slices.Clone(r.Selection)
	r.Phases = slices.Clone(r.Phases)
	r.Requirements = slices.Clone(r.Requirements)
	r.Specs = slices.Clone(r.Specs)
	r.Problems = slices.Clone(r.Problems)
	r.Absences = slices.Clone(r.Absences)
	r.Pods = slices.Clone(r.Pods)
	r.Calls = slices.Clone(r.Calls)
	r.Bench = r.Bench.copied()
	return r
}

// Bench begins the record of a benchmark: its seed, its variants, and everything that is known already.
func (r *Recorder) Bench(bench Bench) error {
	bench = bench.copied().redacted()
	return r.change(func(run *Run) { run.Bench = &bench })
}

// Machines records the nodes of the benchmark.
func (r *Recorder) Machines(machines []Machine) error {
	return r.changeBench(func(bench *Bench) { bench.Machines = slices.Clone(machines) })
}

// Generator records the calibration of the load generators.
func (r *Recorder) Generator(generator Generator) error {
	return r.changeBench(func(bench *Bench) { bench.Generator = generator })
}

// Scenario records a scenario that has ended. Measures that are no numbers are left out, and the outcome is then Error:
// JSON cannot express them, and they cannot be judged.
func (r *Recorder) Scenario(scenario Scenario) error {
	scenario = scenario.copied().finite().redacted()
	return r.changeBench(func(bench *Bench) { bench.Scenarios = append(bench.Scenarios, scenario) })
}

// Thresholds records the results of all thresholds.
func (r *Recorder) Thresholds(thresholds []Threshold) error {
	thresholds = redactedThresholds(thresholds)
	return r.changeBench(func(bench *Bench) { bench.Thresholds = thresholds })
}

// Differences records the results of the comparison of variants, or with a baseline. Baseline and tolerance are empty
// without one.
func (r *Recorder) Differences(baseline string, tolerance float64, differences []Difference) error {
	return r.changeBench(func(bench *Bench) {
		bench.Baseline, bench.Tolerance, bench.Differences = Redact(baseline), tolerance, slices.Clone(differences)
		for i, difference := range differences {
			bench.Differences[i].Limited = Redact(difference.Limited)
		}
	})
}

// changeBench changes the run's benchmark, beginning one if there is none.
func (r *Recorder) changeBench(apply func(*Bench)) error {
	return r.change(func(run *Run) {
		if run.Bench == nil {
			run.Bench = &Bench{}
		}
		apply(run.Bench)
	})
}

// copied returns the benchmark with its own lists; nil of nil.
func (b *Bench) copied() *Bench {
	if b == nil {
		return nil
	}
	own := *b
	own.Machines = slices.Clone(b.Machines)
	own.Scenarios = slices.Clone(b.Scenarios)
	for i, scenario := range own.Scenarios {
		own.Scenarios[i] = scenario.copied()
	}
	own.Thresholds = slices.Clone(b.Thresholds)
	own.Variants = slices.Clone(b.Variants)
	own.Differences = slices.Clone(b.Differences)
	return &own
}

func (s Scenario) copied() Scenario {
	s.Size = maps.Clone(s.Size)
	s.Notes = slices.Clone(s.Notes)
	s.Cases = slices.Clone(s.Cases)
	for i, c := range s.Cases {
		s.Cases[i].Metrics = slices.Clone(c.Metrics)
		for k, metric := range c.Metrics {
			s.Cases[i].Metrics[k].Samples = slices.Clone(metric.Samples)
			s.Cases[i].Metrics[k].Counts = slices.Clone(metric.Counts)
		}
		s.Cases[i].Requests = slices.Clone(c.Requests)
		s.Cases[i].Errors = maps.Clone(c.Errors)
		s.Cases[i].Distribution = slices.Clone(c.Distribution)
		s.Cases[i].Series = slices.Clone(c.Series)
		s.Cases[i].Tracks = slices.Clone(c.Tracks)
		for k, track := range c.Tracks {
			s.Cases[i].Tracks[k].Points = slices.Clone(track.Points)
		}
	}
	return s
}
