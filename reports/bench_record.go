package reports

import (
	"maps"
	"slices"
	"strings"
)

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

func (r Run) hasBench() bool { return r.Bench != nil }

// onlyBench says whether the run has measurements and selected no spec.
func (r Run) onlyBench() bool { return r.Bench != nil && len(r.Specs) == 0 }

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

// sorted returns a copy in the order of every writer. Scenarios keep the order of their execution, because one can affect
// the next.
func (b *Bench) sorted() *Bench {
	b = b.copied()
	if b == nil {
		return nil
	}
	b.Machines = orEmpty(slices.SortedStableFunc(slices.Values(b.Machines), func(x, y Machine) int { return strings.Compare(x.Name, y.Name) }))
	b.Scenarios = orEmpty(b.Scenarios)
	for i, scenario := range b.Scenarios {
		b.Scenarios[i].Started = scenario.Started.UTC()
		b.Scenarios[i].Cases = orEmpty(scenario.Cases)
		for k, c := range scenario.Cases {
			b.Scenarios[i].Cases[k].Metrics = orEmpty(c.Metrics)
			for m, metric := range c.Metrics {
				c.Metrics[m].Samples = orEmpty(metric.Samples)
			}
		}
	}
	for i, threshold := range b.Thresholds {
		b.Thresholds[i].Measured = orEmpty(threshold.Measured)
	}
	return b
}

// redacted returns the benchmark without secrets in its texts.
func (b Bench) redacted() Bench {
	for i, scenario := range b.Scenarios {
		b.Scenarios[i] = scenario.finite().redacted()
	}
	b.Thresholds = redactedThresholds(b.Thresholds)
	for i, variant := range b.Variants {
		b.Variants[i].Image = Redact(variant.Image)
		b.Variants[i].Args = slices.Clone(variant.Args)
		for k, arg := range variant.Args {
			b.Variants[i].Args[k] = Redact(arg)
		}
	}
	b.Baseline = Redact(b.Baseline)
	return b
}

func (s Scenario) redacted() Scenario {
	s.Reason = Redact(s.Reason)
	if s.Failure != nil {
		s.Failure = &Failure{Message: Redact(s.Failure.Message), Location: s.Failure.Location}
	}
	for key, value := range s.Size {
		s.Size[key] = Redact(value)
	}
	for i, note := range s.Notes {
		s.Notes[i] = Redact(note)
	}
	for i, c := range s.Cases {
		s.Cases[i].Limited = Redact(c.Limited)
		if c.Errors == nil {
			continue
		}
		kinds := map[string]int64{}
		for kind, n := range c.Errors {
			kinds[Redact(kind)] += n
		}
		s.Cases[i].Errors = kinds
	}
	return s
}

func redactedThresholds(thresholds []Threshold) []Threshold {
	thresholds = slices.Clone(thresholds)
	for i, threshold := range thresholds {
		thresholds[i].Measured = slices.Clone(threshold.Measured)
		thresholds[i].Reason = Redact(threshold.Reason)
	}
	return thresholds
}
