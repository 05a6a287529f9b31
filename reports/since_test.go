package reports

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestSummarySaysWhatChanged(t *testing.T) {
	flips := []Flip{
		{ID: "AGT-01", Old: Pass, New: Fail, Statement: "Answers", Broke: true}, {ID: "AGT-02", Old: Skipped, New: Fail, Statement: "Renews", Broke: true},
		{ID: "AGT-03", New: Fail, Statement: "Is new", Broke: true}, {ID: "INJ-02", Old: Fail, New: Pass, Statement: "Injects"},
		{ID: "INJ-05", Old: Pass, New: Skipped, Statement: "Is skipped now"}, {ID: "INJ-06", Old: Skipped, New: Pass, Statement: "Is decided now"},
	}
	var many []Flip
	for range 9 {
		many = append(many, flips[0])
	}
	measure := func(verdict string, regressed bool) Difference {
		return Difference{Scenario: "warm", Metric: "p99", Unit: "sec", Old: 0.002, New: 0.004, Ratio: 2, P: 0.008, Verdict: verdict, Regressed: regressed}
	}
	limited := measure("worse", false)
	limited.Limited = "it sent half"
	for name, row := range map[string]struct {
		comparison Comparison
		specs      func(spec *Spec)
		says       []string
		not        []string
	}{
		"nothing": {Comparison{}, nil, []string{"Since 20261122-100000: nothing changed\n"}, []string{"slower"}},
		"requirements": {Comparison{Requirements: flips}, nil, []string{
			"Since 20261122-100000:\n  ✗ AGT-01 fails, and held before: Answers\n  ✗ AGT-02 fails, and was skipped before: Renews\n  ✗ AGT-03 fails, and was not there before: Is new\n  ✓ INJ-02 holds again: Injects\n"},
			[]string{"INJ-05", "INJ-06"}},
		"many":      {Comparison{Requirements: many}, nil, []string{"    … and 4 more\n"}, nil},
		"what came": {Comparison{Changes: []string{"agent: a:1 → a:2"}}, nil, []string{"Since 20261122-100000 (agent: a:1 → a:2): nothing changed\n"}, nil},
		"digests": {Comparison{Changes: []string{"agent: a@sha256:" + strings.Repeat("a", 64) + " → a@sha256:" + strings.Repeat("b", 64)}}, nil,
			[]string{"Since 20261122-100000 (agent: a@sha256:aaaaaaaaaaaa… → a@sha256:bbbbbbbbbbbb…)"}, nil},
		"a benchmark": {Comparison{Benchmarks: []Difference{measure("worse", true), measure("better", false)}}, nil, []string{"  ! worse: warm p99, 2.00 → 4.00 ms, × 2 (p=0.008)\n", "  ✓ better: warm p99"}, nil},
		"measures of chance": {Comparison{Benchmarks: []Difference{measure("no difference shown", false), measure("too few measurements", false), measure("worse", false), limited}}, nil,
			[]string{"nothing changed"}, nil},
		"a spec that took long":     {Comparison{}, func(spec *Spec) { spec.Duration = 20 * time.Second }, []string{"  ! slower: 5.1s → 20.0s, INJ-01 INJ-02 Webhook injects both\n"}, nil},
		"a spec that took longer":   {Comparison{}, func(spec *Spec) { spec.Duration = 10 * time.Second }, []string{"nothing changed"}, nil},
		"a spec that fails instead": {Comparison{}, func(spec *Spec) { spec.Duration, spec.Outcome = 30*time.Second, Fail }, []string{"nothing changed"}, nil},
		"what names say":            {Comparison{Requirements: []Flip{{ID: "A\x1b[31m", Old: Pass, New: Fail, Statement: "a\nb\u202e"}}}, nil, []string{"✗ A fails, and held before: a b\\u202e\n"}, nil},
	} {
		earlier, run := passing(), passing()
		earlier.ID = "20261122-100000"
		run.Specs = append([]Spec{}, run.Specs...)
		run.Specs[0].Name, earlier.Specs[0].Name = "Webhook injects both", "Webhook injects both"
		if row.specs != nil {
			row.specs(&run.Specs[0])
		}
		for _, width := range []int{40, 80, 120} {
			var b bytes.Buffer
			if err := WriteSummary(&b, NewFindings(run), SummaryOptions{Width: width, Since: &Since{Run: earlier, Comparison: row.comparison}}); err != nil {
				t.Fatal(err)
			}
			for _, want := range row.says {
				if width >= 80 && !strings.Contains(b.String(), want) {
					t.Errorf("%s: the summary lacks %q:\n%s", name, want, b.String())
				}
			}
			_, since, ok := strings.Cut(b.String(), "Since")
			if !ok {
				t.Fatalf("%s: the summary does not say what changed since the last run:\n%s", name, b.String())
			}
			for _, not := range row.not {
				if strings.Contains(since, not) {
					t.Errorf("%s: the summary mentions %q:\n%s", name, not, b.String())
				}
			}
			for line := range strings.Lines("Since" + since) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
					t.Errorf("%s: a line of %d cells at a width of %d: %q", name, n, width, line)
				}
			}
		}
	}
}

func TestSummaryOfTheFirstRunSaysNothingOfChanges(t *testing.T) {
	if said := string(written(t, plainSummary, passing())); strings.Contains(said, "Since") {
		t.Errorf("%s", said)
	}
}
