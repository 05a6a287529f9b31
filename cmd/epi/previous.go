package main

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/podidentity/epi/cmd/epi/estimate"
	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/reports/history"
)

// mostEarlier is the number of earlier runs that are read, because the user waits for each.
const mostEarlier = 20

// earlier are the runs in the folders beside that of this one, the newest first. It leaves out an unreadable one, which may
// be of another version of epi or incomplete.
func (s *session) earlier() iter.Seq[reports.Run] {
	return func(yield func(reports.Run) bool) {
		entries, err := os.ReadDir(filepath.Dir(s.dir))
		if err != nil {
			return
		}
		looked := 0
		for _, entry := range slices.Backward(entries) {
			if !entry.IsDir() || entry.Name() >= s.id() {
				continue
			}
			if looked++; looked > mostEarlier {
				return
			}
			if run, ok := s.readEarlier(entry.Name()); ok && !yield(run) {
				return
			}
		}
	}
}

// readEarlier reads the run in a folder beside that of this one, once, for the estimates and the last screen. It returns
// false for a run that cannot be read, or that has not ended by itself and may change.
func (s *session) readEarlier(folder string) (reports.Run, bool) {
	if run, ok := s.read[folder]; ok {
		return run, true
	}
	run, err := reports.ReadDir(filepath.Join(filepath.Dir(s.dir), folder))
	if err != nil || run.Interrupted || run.Ended.IsZero() {
		return run, false
	}
	if s.read == nil {
		s.read = map[string]reports.Run{}
	}
	s.read[folder] = run
	return run, true
}

// previous is the last complete run of the same subjects in the same kind of environment that has results of the same kind
// as run; false if there is none.
func (s *session) previous(run reports.Run) (reports.Run, bool) {
	for earlier := range s.earlier() {
		decided := len(run.Specs) > 0 && slices.ContainsFunc(earlier.Specs, func(spec reports.Spec) bool { return spec.Outcome.Decided() })
		if history.Comparable(run, earlier) && (decided || len(run.Specs) == 0 && earlier.Bench != nil && len(earlier.Bench.Scenarios) > 0) {
			return earlier, true
		}
	}
	return reports.Run{}, false
}

// phasesBefore are the durations of the steps of the last complete run; empty if there is none.
func (s *session) phasesBefore() map[string]time.Duration {
	before := map[string]time.Duration{}
	for earlier := range s.earlier() {
		for _, phase := range earlier.Phases {
			if phase.Error == "" {
				before[phase.Name] = phase.Duration
			}
		}
		if len(before) > 0 {
			break
		}
	}
	return before
}

// steps shows the steps of the run, with an estimate of each from the last run.
func (s *session) steps() *steps {
	shown := s.app.newSteps(s.phase)
	shown.before = s.phasesBefore()
	return shown
}

// specsLeft estimates the time for the specs of these names, from their last run in such an environment.
func (s *session) specsLeft(names []string) *estimate.Estimate {
	run := s.recorder.Run()
	run.Specs = []reports.Spec{{}} // it is about specs
	earlier, _ := s.previous(run)
	before := map[string]time.Duration{}
	var from, to time.Time
	for _, spec := range earlier.Specs {
		if !spec.Outcome.Decided() && spec.Duration == 0 && spec.Outcome != reports.NotSupported && spec.Outcome != reports.Skipped {
			continue // its duration is not known
		}
		before[spec.Name] = spec.Duration
		if spec.Duration == 0 {
			continue
		}
		if from.IsZero() || spec.Started.Before(from) {
			from = spec.Started
		}
		if end := spec.Started.Add(spec.Duration); end.After(to) {
			to = end
		}
	}
	return estimate.New(names, before, to.Sub(from))
}

// scenariosLeft estimates the time for the scenarios of these names, from their last run in such an environment.
func (s *session) scenariosLeft(names []string) *estimate.Estimate {
	earlier, _ := s.previous(s.recorder.Run())
	before := map[string]time.Duration{}
	var whole time.Duration
	if earlier.Bench != nil {
		for _, scenario := range earlier.Bench.Scenarios {
			if scenario.Outcome == reports.Pass {
				before[scenario.Name] = scenario.Duration
				whole += scenario.Duration
			}
		}
	}
	return estimate.New(names, before, whole)
}

// since has the changes since the last run of the same subjects; nil if there was none.
func (s *session) since(run reports.Run) *reports.Since {
	earlier, ok := s.previous(run)
	if !ok {
		return nil
	}
	c, err := compared(earlier, run, defaultTolerance)
	if err != nil {
		return nil // benchmarks that cannot be compared are no news
	}
	return &reports.Since{Run: earlier, Comparison: c}
}
