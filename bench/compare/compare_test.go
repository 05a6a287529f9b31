package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podidentity/epi/reports"
)

// bench is a benchmark with one scenario of one case.
func bench(metrics ...reports.Metric) reports.Bench {
	return reports.Bench{Scenarios: []reports.Scenario{{Name: "warm", Outcome: reports.Pass, Cases: []reports.Case{{Name: "rate=900", Metrics: metrics}}}}}
}

func metric(better string, samples ...float64) reports.Metric {
	return reports.Metric{Name: "m", Unit: "sec", Better: better, Samples: samples}
}

// around is ten samples near a value.
func around(value float64) []float64 {
	var samples []float64
	for i := range 10 {
		samples = append(samples, value*(1+float64(i-5)/1000))
	}
	return samples
}

// spread is ten samples within 5% of a value.
func spread(value float64) []float64 {
	var samples []float64
	for i := range 10 {
		samples = append(samples, value*(1+float64(i-5)/100))
	}
	return samples
}

func TestBenches(t *testing.T) {
	for name, row := range map[string]struct {
		better    string
		old, new  []float64
		tolerance float64
		verdict   string
		regressed bool
	}{
		"lower is better, slower":    {"lower", around(1), around(1.5), 0.1, "worse", true},
		"lower is better, faster":    {"lower", around(1), around(0.5), 0.1, "better", false},
		"higher is better, less":     {"higher", around(1), around(0.8), 0.1, "worse", true},
		"higher is better, more":     {"higher", around(1), around(1.5), 0.1, "better", false},
		"worse within the tolerance": {"lower", around(1), around(1.05), 0.1, "worse", false},
		"less within the tolerance":  {"higher", around(1), around(0.95), 0.1, "worse", false},
		// Worse by 12% in the middle, but not surely by 10%.
		"about the tolerance": {"lower", around(1), spread(1.12), 0.1, "worse", false},
		"no tolerance":        {"lower", around(1), around(1.05), 0, "worse", true},
		"the same":            {"lower", around(1), around(1), 0, "no difference shown", false},
		"too few":             {"lower", []float64{1}, []float64{9}, 0, "too few measurements", false},
		"neither is better":   {"", around(1), around(2), 0, "different", false},
		"from nothing":        {"lower", make([]float64, 10), around(0.01), 10, "worse", true},
		"nothing twice":       {"lower", make([]float64, 10), make([]float64, 10), 0, "no difference shown", false},
	} {
		got, err := Benches(bench(metric(row.better, row.old...)), bench(metric(row.better, row.new...)), row.tolerance)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if d := got[0]; d.Verdict != row.verdict || d.Regressed != row.regressed || d.About() != "warm/rate=900 m" {
			t.Errorf("%s: %+v, want %s, regressed %t", name, d, row.verdict, row.regressed)
		}
	}
}

// Two equal runs of 300 measures with a noise of 10% each. A gate that fails on some measure in every run would be useless.
func TestEqualRunsHardlyEverRegress(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	noisy := func() reports.Bench {
		var metrics []reports.Metric
		for n := range 300 {
			m := reports.Metric{Name: fmt.Sprint(n), Unit: "sec", Better: "lower"}
			for range 4 {
				m.Samples = append(m.Samples, math.Exp(0.1*random.NormFloat64()))
			}
			metrics = append(metrics, m)
		}
		return bench(metrics...)
	}
	const runs = 50
	failed, worse := 0, 0
	for range runs {
		differences, err := Benches(noisy(), noisy(), 0.1)
		if err != nil {
			t.Fatal(err)
		}
		regressed := false
		for _, d := range differences {
			regressed = regressed || d.Regressed
			if d.Verdict == "worse" {
				worse++
			}
		}
		if regressed {
			failed++
		}
	}
	t.Logf("%d of %d runs failed; %.1f measures a run were shown to be worse", failed, runs, float64(worse)/runs)
	if failed > runs/4 {
		t.Errorf("%d of %d runs failed", failed, runs)
	}
}

// If the generator was the limit, the subject neither fails nor passes.
func TestWhatTheGeneratorLimitedIsNoRegression(t *testing.T) {
	after := bench(metric("lower", around(2)...))
	after.Scenarios[0].Cases[0].Limited = "it sent half"
	got, err := Benches(bench(metric("lower", around(1)...)), after, 0.1)
	if err != nil || got[0].Regressed || got[0].Limited != "it sent half" || got[0].Verdict != "worse" {
		t.Errorf("%+v, %v", got, err)
	}
	after.Scenarios[0].Cases[0].LimitedTail = true
	if got, err = Benches(bench(metric("lower", around(1)...)), after, 0.1); err != nil || !got[0].Regressed || got[0].Limited != "" {
		t.Errorf("the slowest alone: %+v, %v", got, err)
	}
	after.Scenarios[0].Cases[0].Metrics[0].Samples = around(1)
	if got, err = Benches(bench(metric("lower", around(1)...)), after, 0.1); err != nil || got[0].Limited != "" {
		t.Errorf("nothing got worse: %+v, %v", got, err)
	}
}

func TestBenchesGivesMediansAndTheirRatio(t *testing.T) {
	got, err := Benches(bench(metric("lower", 1, 2, 9)), bench(metric("lower", 4, 5, 6)), 0)
	want := []reports.Difference{{Scenario: "warm", Case: "rate=900", Metric: "m", Unit: "sec", Old: 2, New: 5, Ratio: 2.5, P: 0.7, Verdict: "too few measurements"}}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err = Benches(bench(metric("lower", 0, 0)), bench(metric("lower", 1, 1)), 0)
	if err != nil || got[0].Ratio != 0 {
		t.Errorf("%+v, %v: a ratio to 0 is no number", got, err)
	}
}

// A measure that only one run has is not compared, and a measure that the new run lacks is reported.
func TestWhatIsNotInBoth(t *testing.T) {
	before := bench(metric("lower", around(1)...), reports.Metric{Name: "rss", Unit: "B", Samples: around(5)})
	before.Scenarios = append(before.Scenarios,
		reports.Scenario{Name: "soak", Outcome: reports.Pass, Cases: []reports.Case{{Metrics: []reports.Metric{metric("lower", around(1)...), {Name: "n"}}}}},
		reports.Scenario{Name: "broke-before", Outcome: reports.Error, Cases: []reports.Case{{Metrics: []reports.Metric{metric("lower", around(1)...)}}}})
	after := bench(metric("lower", around(1)...))
	after.Scenarios = append(after.Scenarios,
		reports.Scenario{Name: "soak", Outcome: reports.Error, Cases: before.Scenarios[1].Cases},
		reports.Scenario{Name: "broke-before", Outcome: reports.Pass, Cases: before.Scenarios[2].Cases})
	got, err := Benches(before, after, 0)
	if err != nil || len(got) != 1 {
		t.Errorf("%+v, %v: want the one measure that both have", got, err)
	}
	if diff := cmp.Diff([]string{"warm/rate=900 rss", "soak"}, Gone(before, after)); diff != "" {
		t.Error(diff)
	}
	if got := Gone(before, before); got != nil {
		t.Errorf("nothing is gone, got %q", got)
	}
	if _, err := Benches(bench(metric("lower")), bench(metric("lower", 1)), 0); err != nil {
		t.Errorf("no samples: %v", err)
	}
}

func run(outcomes map[string]reports.Outcome) reports.Run {
	var r reports.Run
	for id, outcome := range outcomes {
		r.Requirements = append(r.Requirements, reports.Requirement{ID: id, Statement: "says " + id})
		r.Specs = append(r.Specs, reports.Spec{Name: id, Outcome: outcome, Reason: "because", Requirements: []string{id}})
	}
	return r
}

func TestRequirements(t *testing.T) {
	before := run(map[string]reports.Outcome{"A-1": reports.Pass, "A-2": reports.Fail, "A-3": reports.Pass, "A-4": reports.Skipped, "A-6": reports.Fail})
	after := run(map[string]reports.Outcome{"A-1": reports.Pass, "A-2": reports.Pass, "A-3": reports.NotSupported, "A-4": reports.Fail, "A-5": reports.Fail, "A-6": reports.Fail, "A-7": reports.Pass})
	want := []reports.Flip{
		{ID: "A-4", Old: reports.Skipped, New: reports.Fail, Statement: "says A-4", Broke: true},
		{ID: "A-5", New: reports.Fail, Statement: "says A-5", Broke: true},
		{ID: "A-2", Old: reports.Fail, New: reports.Pass, Statement: "says A-2"},
		{ID: "A-3", Old: reports.Pass, New: reports.NotSupported, Statement: "says A-3", Reason: "because"},
	}
	if diff := cmp.Diff(want, Requirements(before, after), cmpopts.IgnoreFields(reports.Flip{}, "Reason")); diff != "" {
		t.Error(diff)
	}
	if got := Requirements(before, reports.Run{Requirements: after.Requirements}); got != nil {
		t.Errorf("a run without specs decided nothing, got %+v", got)
	}
}

func TestUnlikeAndChanges(t *testing.T) {
	machine := reports.Machine{Name: "a", CPU: "EPYC", Cores: 2}
	before := reports.Run{Subjects: []reports.Subject{{Role: "agent", Image: "agent:1", Digest: "sha256:1"}, {Role: "webhook", Image: "w"}}, Bench: &reports.Bench{
		Seed: 1, Machines: []reports.Machine{machine}, Generator: reports.Generator{Pods: 1},
		Scenarios: []reports.Scenario{{Name: "warm", Size: map[string]string{"duration": "10s", "rates": "900"}}, {Name: "gone", Size: map[string]string{"n": "1"}}},
	}}
	if got := append(Unlike(before, before), Changes(before, before)...); got != nil {
		t.Errorf("a run is like itself, got %q", got)
	}
	machine.Name, machine.Cores = "b", 4
	after := reports.Run{Epi: reports.Epi{Version: "v2"}, Environment: reports.Environment{KubernetesVersion: "v1.40.0"},
		Subjects: []reports.Subject{{Role: "agent", Image: "agent:1", Digest: "sha256:2"}, {Role: "webhook", Absent: true}}, Bench: &reports.Bench{
			Seed: 2, Machines: []reports.Machine{machine}, Generator: reports.Generator{Pods: 2},
			Scenarios: []reports.Scenario{{Name: "warm", Size: map[string]string{"duration": "60s", "rates": "900", "repeats": "5"}}},
		}}
	if diff := cmp.Diff([]string{
		"Kubernetes: none → v1.40.0", "machines: EPYC, 2 cores → EPYC, 4 cores", "seed: 1 → 2", "load generators: 1 → 2",
		"warm duration: 10s → 60s", "warm repeats: none → 5",
	}, Unlike(before, after)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"agent: agent:1@sha256:1 → agent:1@sha256:2", "webhook: w → absent", "epi: none → v2"}, Changes(before, after)); diff != "" {
		t.Error(diff)
	}
	after.Bench = nil
	if got := Unlike(before, after); len(got) != 1 || !strings.HasPrefix(got[0], "Kubernetes") {
		t.Errorf("without a benchmark: %q", got)
	}
}
