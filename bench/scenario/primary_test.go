package scenario

import (
	"path"
	"slices"
	"testing"

	"github.com/podidentity/epi/bench/measure"
)

// Each scenario has one to three primary measures, which it records.
func TestEachScenarioHasPrimaryMeasures(t *testing.T) {
	for _, s := range All() {
		if n := len(s.Primary); n < 1 || n > 3 {
			t.Errorf("%s has %d primary measures, want 1 to 3", s.Name, n)
		}
		for _, p := range s.Primary {
			standard := slices.ContainsFunc(measure.Standard(), func(m measure.Metric) bool { return m.Name == p.Metric })
			if !standard && !slices.Contains(s.Metrics, p.Metric) {
				t.Errorf("%s: primary measure %s is none of its metrics", s.Name, p)
			}
			if _, err := path.Match(p.Case, ""); err != nil {
				t.Errorf("%s: pattern %q: %v", s.Name, p.Case, err)
			}
		}
	}
}

func TestPrimaryMeasuresOfCases(t *testing.T) {
	for _, row := range []struct {
		of           measure.Scenario
		name, metric string
		want         bool
	}{
		{Warm, "rate=900", "p50", true},
		{Warm, "rate=900", "p99", false},
		{Warm, "rate=900/connections=new", "p50", false},
		{HerdSame, "refused", "calls", true},
		{HerdSame, "delay=20ms", "calls", false},
		{Throttled, "", "failed", true},
		{Admission, "associations=10/rate=500", "cpu", true},
	} {
		if got := row.of.IsPrimary(row.name, row.metric); got != row.want {
			t.Errorf("%s: %q %s: %t", row.of.Name, row.name, row.metric, got)
		}
	}
}
