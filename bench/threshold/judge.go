package threshold

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/reports"
)

// Judge checks a benchmark against the conditions and returns a record for each, in their order. A condition fails if it
// does not hold for one of its cases. It is undecided if the scenario was not completed, if it did not measure the metric,
// or if a case above the limit measured the generator and not the subject.
func Judge(conditions []Condition, bench reports.Bench) []reports.Threshold {
	judged := make([]reports.Threshold, 0, len(conditions))
	for _, c := range conditions {
		judged = append(judged, c.judge(bench))
	}
	return judged
}

func (c Condition) judge(bench reports.Bench) reports.Threshold {
	t := reports.Threshold{Expression: c.Text}
	undecided := func(outcome reports.Outcome, format string, args ...any) reports.Threshold {
		t.Outcome, t.Reason = outcome, fmt.Sprintf(format, args...)
		return t
	}
	i := slices.IndexFunc(bench.Scenarios, func(s reports.Scenario) bool { return s.Name == c.Scenario })
	if i < 0 {
		return undecided(reports.NotRun, "scenario %s did not run", c.Scenario)
	}
	scenario := bench.Scenarios[i]
	if !scenario.Outcome.Decided() {
		reason := fmt.Sprintf("scenario %s: %s", c.Scenario, scenario.Outcome.Label())
		if scenario.Reason != "" {
			reason += ": " + scenario.Reason
		} else if scenario.Failure != nil {
			reason += ": " + scenario.Failure.Message
		}
		return undecided(scenario.Outcome, "%s", reason)
	}
	var without, cases, limited []string
	failed := false
	for _, measured := range scenario.Cases {
		cases = append(cases, measured.Name)
		if !c.selects(measured.Name) {
			continue
		}
		k := slices.IndexFunc(measured.Metrics, func(m reports.Metric) bool { return m.Name == c.Metric })
		if k < 0 {
			without = append(without, measured.Name)
			continue
		}
		metric := measured.Metrics[k]
		if err := c.fits(metric.Unit); err != nil {
			return undecided(reports.Error, "%s", err)
		}
		holds := c.holds(metric.Value)
		t.Measured = append(t.Measured, reports.Measured{Case: measured.Name, Value: metric.Value, Unit: metric.Unit, Holds: holds})
		switch {
		case holds:
		case measured.LimitOf(c.Metric) != "":
			limited = append(limited, strings.TrimPrefix(measured.Name+": "+measured.Limited, ": "))
		default:
			failed = true
		}
	}
	switch {
	case failed: // one case that does not hold is enough, independently of the others
		t.Outcome = reports.Fail
	case len(t.Measured) == 0 && len(without) == 0:
		return undecided(reports.Error, "no case of %s is %q: there are %s", c.Scenario, c.Case, list(cases))
	case len(t.Measured) == 0:
		return undecided(reports.Error, "%s gave no %s", c.Scenario, c.Metric)
	case len(without) > 0:
		return undecided(reports.Error, "%s gave no %s in %s", c.Scenario, c.Metric, list(without))
	case len(limited) > 0:
		return undecided(reports.Error, "the generator was the limit: %s", strings.Join(limited, "; "))
	default:
		t.Outcome = reports.Pass
	}
	return t
}

func list(cases []string) string {
	if len(cases) == 0 || len(cases) == 1 && cases[0] == "" {
		return "no cases"
	}
	return strings.Join(cases, ", ")
}
