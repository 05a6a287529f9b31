package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/reports"
)

// leave writes the files of a run into a folder of its own.
func leave(t *testing.T, change func(*reports.Run)) string {
	t.Helper()
	samples := func(value float64) []float64 {
		return []float64{value, value * 1.01, value * 0.99, value * 1.02, value * 0.98}
	}
	start := time.Date(2026, time.November, 24, 9, 0, 0, 0, time.UTC)
	run := reports.Run{
		ID: "r", Started: start, Ended: start.Add(time.Minute),
		Subjects:     []reports.Subject{{Role: "agent", Image: "agent:1", Digest: "sha256:1"}},
		Requirements: []reports.Requirement{{ID: "AGT-01", Level: "MUST", Profile: "agent", Statement: "Answers"}},
		Specs:        []reports.Spec{{Suite: "agent", Name: "Agent answers", Requirements: []string{"AGT-01"}, Outcome: reports.Pass}},
		Bench: &reports.Bench{
			Seed: 1, Machines: []reports.Machine{{Name: "node", CPU: "EPYC", Cores: 2}},
			Scenarios: []reports.Scenario{{Name: "warm", Outcome: reports.Pass, Cases: []reports.Case{{Name: "rate=900", Metrics: []reports.Metric{
				{Name: "p99", Unit: "sec", Better: "lower", Value: 0.002, Samples: samples(0.002)},
				{Name: "rss", Unit: "B", Better: "lower", Value: 14e6, Samples: samples(14e6)},
				{Name: "max", Unit: "sec", Better: "lower", Value: 1, Samples: []float64{1}},
			}}}}},
		},
	}
	if change != nil {
		change(&run)
	}
	dir := t.TempDir()
	if err := reports.WriteDir(dir, reports.NewFindings(run)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// slower multiplies the p99 of the run.
func slower(factor float64) func(*reports.Run) {
	return func(run *reports.Run) {
		metric := &run.Bench.Scenarios[0].Cases[0].Metrics[0]
		for i := range metric.Samples {
			metric.Samples[i] *= factor
		}
		metric.Value *= factor
	}
}

func TestCompare(t *testing.T) {
	old := leave(t, nil)
	for _, row := range []struct {
		name   string
		change func(*reports.Run)
		flags  []string
		code   int
		says   []string
	}{
		{"the same", nil, []string{"--fail-on-regression"}, exitHeld,
			[]string{"Requirements: none flipped.", "2 of 3 measures: no difference shown", "1 of 3 measures: too few measurements", "not shown to be worse"}},
		{"slower", slower(1.25), nil, exitHeld, []string{"warm/rate=900 p99  2.00 ms  2.50 ms  × 1.25  0.008  worse", "The new run is worse."}},
		{"slower, gated", slower(1.25), []string{"--fail-on-regression"}, exitFailed, []string{"The new run is worse."}},
		{"slower within the tolerance", slower(1.25), []string{"--fail-on-regression", "--tolerance", "30%"}, exitHeld, []string{"worse, tolerated", "not shown to be worse"}},
		{"slower beyond it", slower(1.25), []string{"--fail-on-regression", "--tolerance", "0.2"}, exitFailed, []string{"worse"}},
		{"slower, or the generator", func(run *reports.Run) { slower(2)(run); run.Bench.Scenarios[0].Cases[0].Limited = "it sent half" },
			[]string{"--fail-on-regression"}, exitEnvironment, []string{"worse, or the generator's limit", "or its generator was the limit"}},
		{"faster", slower(0.5), []string{"--fail-on-regression"}, exitHeld, []string{"× 0.5  0.008  better"}},
		{"all measures", nil, []string{"--all"}, exitHeld, []string{"warm/rate=900 rss  14.0 MB  14.0 MB  × 1    1.000  no difference shown"}},
		{"requirement fails", func(run *reports.Run) { run.Specs[0].Outcome = reports.Fail }, []string{"--fail-on-regression"}, exitFailed,
			[]string{" ✗ AGT-01 pass → fail: Answers", "The new run is worse."}},
		{"requirement undecided", func(run *reports.Run) { run.Specs[0].Outcome = reports.NotSupported }, []string{"--fail-on-regression"}, exitHeld,
			[]string{" - AGT-01 pass → not supported: Answers"}},
		{"unlike things", func(run *reports.Run) {
			run.Bench.Seed, run.Bench.Machines[0].Cores, run.Subjects[0].Digest = 2, 64, "sha256:2"
		}, nil, exitHeld, []string{"agent: agent:1@sha256:1 → agent:1@sha256:2", "Warning: unlike things are compared: machines: EPYC, 2 cores → EPYC, 64 cores", "seed: 1 → 2"}},
		{"scenario broke", func(run *reports.Run) { run.Bench.Scenarios[0].Outcome = reports.Error }, nil, exitHeld, []string{"only the old run measured warm"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, nil, append([]string{"compare", old, leave(t, row.change)}, row.flags...)...)
			if code != row.code || stderr != "" {
				t.Errorf("exit code %d, want %d\n%s", code, row.code, stderr)
			}
			for _, text := range row.says {
				if !strings.Contains(stdout, text) {
					t.Errorf("standard output lacks %q:\n%s", text, stdout)
				}
			}
		})
	}
}

func TestCompareTakesEachFileOfARun(t *testing.T) {
	old, slow := leave(t, nil), leave(t, slower(2))
	var first reports.Comparison
	for i, paths := range [][2]string{
		{old, slow}, {filepath.Join(old, "results.json"), filepath.Join(slow, "bench.json")}, {filepath.Join(old, "bench.json"), slow},
	} {
		code, stdout, stderr := invoke(t, nil, "compare", paths[0], paths[1], "-o", "json", "--fail-on-regression")
		if code != exitFailed {
			t.Fatalf("%q: exit code %d\n%s", paths, code, stderr)
		}
		var comparison reports.Comparison
		if err := json.Unmarshal([]byte(stdout), &comparison); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(stdout, "null") {
			t.Errorf("a list is null:\n%s", stdout)
		}
		if i == 0 {
			first = comparison
		}
		if diff := cmp.Diff(first.Benchmarks, comparison.Benchmarks); diff != "" || len(comparison.Benchmarks) != 3 || !comparison.Regressed {
			t.Errorf("%q: %+v\n%s", paths, comparison, diff)
		}
	}
}

func TestCompareInEachForm(t *testing.T) {
	old, slow := leave(t, nil), leave(t, slower(2))
	for form, says := range map[string]string{
		"text": "The new run is worse.\n", "markdown": "## ❌ The new run is worse.\n", "html": "<h1 class=\"verdict fail\">", "json": "\"regressed\": true",
	} {
		for flag, want := range map[string]int{"--all": exitHeld, "--fail-on-regression": exitFailed} {
			code, stdout, stderr := invoke(t, nil, "compare", old, slow, "-o", form, flag)
			if code != want || stderr != "" || !strings.Contains(stdout, says) {
				t.Errorf("%s %s: exit code %d, want %d and %q\n%s%s", form, flag, code, want, says, stdout, stderr)
			}
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	only := func(change func(*reports.Run)) string { return leave(t, change) }
	specs, bench := only(func(run *reports.Run) { run.Bench = nil }), only(func(run *reports.Run) { run.Specs = nil })
	other := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(other, []byte(`{"schema":"other"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args []string
		says string
	}{
		{[]string{specs}, "takes an OLD run and a NEW one"},
		{[]string{specs, bench}, "has specs only"},
		{[]string{specs, "absent"}, "such as _artifacts/latest"},
		{[]string{specs, other}, `schema "other"`},
		{[]string{specs, specs, "--tolerance", "some"}, `"some" is no share`},
		{[]string{specs, specs, "--tolerance", "-5%"}, "negative"},
		{[]string{specs, specs, "-o", "xml"}, `"xml" is not text, json, markdown or html`},
	} {
		code, _, stderr := invoke(t, nil, append([]string{"compare"}, row.args...)...)
		if code != exitUsage || !strings.Contains(stderr, row.says) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s", row.args, code, exitUsage, row.says, stderr)
		}
	}
}

func TestReportIsRebuiltByteByByte(t *testing.T) {
	dir := leave(t, nil)
	contents := func() map[string]string {
		t.Helper()
		files := map[string]string{}
		for _, name := range []string{"results.json", "report.html", "junit.xml", "conformance.yaml", "bench.json", "bench.txt"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(data)
		}
		return files
	}
	want := contents()
	for name := range want {
		if name != "results.json" {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	code, stdout, stderr := invoke(t, nil, "report", dir)
	if code != exitHeld || !strings.Contains(stdout, "Pass: the one requirement that was decided holds; 1 scenario measured.") || !strings.Contains(stdout, "bench.txt") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if diff := cmp.Diff(want, contents()); diff != "" {
		t.Error(diff)
	}
}

func TestReportWithoutResults(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := invoke(t, nil, "report", dir)
	if code != exitUsage || !strings.Contains(stderr, "no results.json in "+dir) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), []byte(`{"schema":"epi.results/v1","novel":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = invoke(t, nil, "report", dir)
	if code != exitUsage || !strings.Contains(stderr, `unknown field "novel"`) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
