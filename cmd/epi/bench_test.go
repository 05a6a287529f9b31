package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/bench/scenario"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

func TestAgentsAreAnImageAndItsArguments(t *testing.T) {
	agents, err := givenAgents([]string{"reference  --max-cache-size=0 -v trace", "registry/agent:1"})
	if err != nil {
		t.Fatal(err)
	}
	if a := agents[0]; a.Image != "" || !slices.Equal(a.Args, []string{"--max-cache-size=0", "-v", "trace"}) {
		t.Errorf("A is %+v", a)
	}
	if b := agents[1]; b.Image != "registry/agent:1" || len(b.Args) != 0 {
		t.Errorf("B is %+v", b)
	}
}

func TestOnlyAgentsOfKindAreSwapped(t *testing.T) {
	if err := canSwap(&clusters.Environment{Provider: kindProvider}); err != nil {
		t.Error(err)
	}
	err := canSwap(&clusters.Environment{Provider: "existing", Name: "blue"})
	if exitCode(t.Context(), err) != exitUsage || !strings.Contains(err.Error(), "blue") {
		t.Errorf("a cluster of the user's: %v", err)
	}
}

// A run measures the smoke set on kind. It puts no load on a user's cluster unless that is requested.
func TestWhatARunMeasures(t *testing.T) {
	smoke, all := len(scenario.Smoke()), len(scenario.All())
	for name, row := range map[string]struct {
		bench    []string
		provider string
		want     int
	}{
		"kind":            {nil, kindProvider, smoke},
		"existing":        {nil, "existing", 0},
		"existing, asked": {[]string{"warm"}, "existing", 1},
		"none":            {[]string{"none"}, kindProvider, 0},
		"all":             {[]string{"all"}, kindProvider, all},
		"two":             {[]string{"warm", "herd-same"}, kindProvider, 2},
	} {
		flags := runBenchFlags{bench: row.bench}
		list, err := flags.choose(row.provider)
		if err != nil || len(list) != row.want {
			t.Errorf("%s: %d scenarios, want %d; %v", name, len(list), row.want, err)
		}
	}
}

// measuredBench is a benchmark of warm with these p99s in its repeats.
func measuredBench(samples ...float64) reports.Bench {
	return reports.Bench{Scenarios: []reports.Scenario{{Name: "warm", Outcome: reports.Pass, Cases: []reports.Case{{
		Name: "rate=900", Metrics: []reports.Metric{{Name: "p99", Unit: "sec", Better: "lower", Value: slices.Max(samples), Samples: samples}},
	}}}}}
}

func TestGatesDecideTheExitCode(t *testing.T) {
	dir := t.TempDir()
	baseline := filepath.Join(dir, "bench.json")
	var file bytes.Buffer
	before := measuredBench(.001, .0011, .0012, .0011, .001)
	before.Scenarios = append(before.Scenarios, reports.Scenario{Name: "herd-same", Outcome: reports.Pass}) // it was not selected, so it is not missing
	if err := reports.WriteBench(&file, reports.Run{Schema: reports.Schema, Bench: &before}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(baseline, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	same, slow := []float64{.0011, .001, .0011, .0012, .001}, []float64{.004, .0041, .0042, .004, .0041}
	other := measuredBench(same...)
	other.Scenarios[0].Cases[0].Name = "rate=5"
	for name, row := range map[string]struct {
		gates gates
		bench reports.Bench
		code  int
		says  string
	}{
		"holds":                              {gates{slo: []string{"warm.p99<5ms"}, baseline: baseline}, measuredBench(same...), exitHeld, "warm.p99<5ms"},
		"misses a threshold":                 {gates{slo: []string{"warm.p99<1ms"}}, measuredBench(same...), exitFailed, "warm.p99<1ms"},
		"is worse":                           {gates{baseline: baseline}, measuredBench(slow...), exitFailed, "worse"},
		"is worse, but within the tolerance": {gates{baseline: baseline, tolerance: 9}, measuredBench(slow...), exitHeld, ""},
		"lacks what the baseline has":        {gates{baseline: baseline}, other, exitEnvironment, "warm/rate=900 p99"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			var out, errs bytes.Buffer
			a := newApp(&out, &errs, func(string) (string, bool) { return "", false })
			session, err := a.newSession(&cobra.Command{}, "runs", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := row.gates.check([]measure.Scenario{scenario.Warm}); err != nil {
				t.Fatal(err)
			}
			sink := &measured{session: session}
			sink.Generators(1, nil, reports.Generator{})
			sink.Scenario(row.bench.Scenarios[0])
			row.gates.judge(sink.bench, session, reports.Environment{}, func(string) {})
			if code := exitCode(t.Context(), session.finish(t.Context())); code != row.code {
				t.Errorf("exit code %d, want %d:\n%s%s", code, row.code, &out, &errs)
			}
			if !strings.Contains(out.String(), row.says) {
				t.Errorf("the summary lacks %q:\n%s", row.says, &out)
			}
		})
	}
}

// A baseline shows nothing with fewer repeats.
func TestABaselineGetsEnoughRepeats(t *testing.T) {
	dir := t.TempDir()
	baseline := filepath.Join(dir, "bench.json")
	var file bytes.Buffer
	bench := measuredBench(1)
	if err := reports.WriteBench(&file, reports.Run{Schema: reports.Schema, Bench: &bench}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(baseline, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for repeats, want := range map[int]int{0: fewestRepeats, 2: 2, 7: 7} {
		flags := benchFlags{scenarios: []string{"smoke"}, size: measure.Size{Repeats: repeats}, gates: gates{baseline: baseline}}
		list, err := flags.choose()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Size.Repeats != want {
				t.Errorf("--repeats %d: %s has %d, want %d", repeats, s.Name, s.Size.Repeats, want)
			}
		}
	}
}

// A benchmark that could not begin says so, and does not mention specs that were not requested.
func TestABenchmarkThatMeasuredNothingIsNoVerdict(t *testing.T) {
	state := t.TempDir()
	env := &clusters.Environment{Provider: kindProvider, Name: "gone", Kubeconfig: filepath.Join(state, "none")}
	if err := clusters.SaveEnvironment(clusters.Dirs{State: filepath.Join(state, "state")}, env); err != nil {
		t.Fatal(err)
	}
	t.Chdir(state)
	var out, errs bytes.Buffer
	a := newApp(&out, &errs, func(string) (string, bool) { return "", false })
	code := run(t.Context(), a, []string{"bench", "--name", "gone", "--state-dir", filepath.Join(state, "state"), "--cache-dir", state})
	if code != exitEnvironment || !strings.Contains(out.String(), "kubeconfig") || strings.Contains(out.String(), "spec") {
		t.Errorf("exit code %d:\n%s%s", code, &out, &errs)
	}
}
