package reports

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// finite returns the scenario without measures that are no numbers. If there are any, its outcome is Error.
func (s Scenario) finite() Scenario {
	var problems []string
	for i, c := range s.Cases {
		keep := func(what string, values ...float64) bool {
			for _, value := range values {
				if !number(value) {
					problems = append(problems, fmt.Sprintf("%s of %s is %v", what, s.caseName(c), value))
					return false
				}
			}
			return true
		}
		s.Cases[i].Metrics = slices.DeleteFunc(c.Metrics, func(m Metric) bool {
			return !keep(m.Name, append([]float64{m.Value}, m.Samples...)...)
		})
		s.Cases[i].Distribution = slices.DeleteFunc(c.Distribution, func(q Quantile) bool {
			return !keep("a point of the distribution", q.Of, q.Seconds)
		})
		s.Cases[i].Series = slices.DeleteFunc(c.Series, func(v Interval) bool {
			return !keep("an interval of the series", v.From, v.Seconds, v.P50, v.P99)
		})
		for k, track := range c.Tracks {
			s.Cases[i].Tracks[k].Points = slices.DeleteFunc(track.Points, func(p Point) bool {
				return !keep("a point of the track of "+track.Name, p.At, p.Value)
			})
		}
	}
	if len(problems) > 0 {
		s.Outcome, s.Reason = Error, strings.Join(problems, "; ")
	}
	return s
}

// caseName is the name of a scenario's case in thresholds, such as "warm/rate=900".
func (s Scenario) caseName(c Case) string {
	if c.Name == "" {
		return s.Name
	}
	return s.Name + "/" + c.Name
}

func number(value float64) bool { return !math.IsNaN(value) && !math.IsInf(value, 0) }

// check reports all values that no run can have.
func (r Run) check() error {
	var errs []error
	seen := map[string]bool{}
	for i, requirement := range r.Requirements {
		switch {
		case requirement.ID == "":
			errs = append(errs, fmt.Errorf("requirements[%d]: no id", i))
		case seen[requirement.ID]:
			errs = append(errs, fmt.Errorf("requirements[%d]: id %q is there twice", i, requirement.ID))
		}
		seen[requirement.ID] = true
	}
	for i, spec := range r.Specs {
		if spec.Name == "" {
			errs = append(errs, fmt.Errorf("specs[%d]: no name", i))
		}
		if !spec.Outcome.Valid() {
			errs = append(errs, fmt.Errorf("specs[%d] %q: outcome %q is none of %v", i, spec.Name, spec.Outcome, outcomes))
		}
		if spec.Duration < 0 {
			errs = append(errs, fmt.Errorf("specs[%d] %q: negative duration", i, spec.Name))
		}
	}
	for i, phase := range r.Phases {
		if phase.Duration < 0 {
			errs = append(errs, fmt.Errorf("phases[%d] %q: negative duration", i, phase.Name))
		}
	}
	if r.Bench != nil {
		errs = append(errs, r.Bench.check())
	}
	return errors.Join(errs...)
}

// check reports all values that no benchmark can have.
func (b *Bench) check() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	seen := map[string]bool{}
	for i, s := range b.Scenarios {
		switch {
		case s.Name == "":
			refuse("scenarios[%d]: no name", i)
		case seen[s.Name]:
			refuse("scenarios[%d]: name %q is there twice", i, s.Name)
		}
		seen[s.Name] = true
		if !s.Outcome.Valid() {
			refuse("scenarios[%d] %q: outcome %q is none of %v", i, s.Name, s.Outcome, outcomes)
		}
		if s.Duration < 0 {
			refuse("scenarios[%d] %q: negative duration", i, s.Name)
		}
		cases := map[string]bool{}
		for _, c := range s.Cases {
			if cases[c.Name] {
				refuse("scenarios[%d] %q: case %q is there twice", i, s.Name, c.Name)
			}
			cases[c.Name] = true
			metrics := map[string]bool{}
			for _, m := range c.Metrics {
				if m.Name == "" || metrics[m.Name] {
					refuse("scenarios[%d] %q: case %q: metric %q is nameless or there twice", i, s.Name, c.Name, m.Name)
				}
				metrics[m.Name] = true
				if !slices.Contains([]string{"", "lower", "higher"}, m.Better) {
					refuse("scenarios[%d] %q: case %q: metric %q: better %q is not lower, higher or empty", i, s.Name, c.Name, m.Name, m.Better)
				}
			}
			for _, q := range c.Distribution {
				if q.Of < 0 || q.Of > 1 || q.Seconds < 0 {
					refuse("scenarios[%d] %q: case %q: no quantile: %g of %g s", i, s.Name, c.Name, q.Of, q.Seconds)
				}
			}
			for _, v := range c.Series {
				if v.Seconds < 0 || v.Requests < 0 || v.Failed < 0 || v.P50 < 0 || v.P99 < 0 {
					refuse("scenarios[%d] %q: case %q: the interval from %g s has a negative value", i, s.Name, c.Name, v.From)
				}
			}
		}
	}
	for i, threshold := range b.Thresholds {
		if !threshold.Outcome.Valid() {
			refuse("thresholds[%d] %q: outcome %q is none of %v", i, threshold.Expression, threshold.Outcome, outcomes)
		}
	}
	return errors.Join(errs...)
}
