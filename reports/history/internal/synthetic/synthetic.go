// Package synthetic makes artificial runs for tests of analyses over many runs.
package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/podidentity/epi/reports"
)

// Start is when the first run begins.
var Start = time.Date(2026, time.September, 1, 3, 0, 0, 0, time.UTC)

// Options of a row of runs.
type Options struct {
	Runs int
	// Requirements is the number of the catalogue's requirements; 0 means 20.
	Requirements int
	// Measures is the number of cases with a p50 and a p99 in the benchmark; 0 means none.
	Measures int
	Seed     uint64
	// Change is applied to each run, with its number from 0.
	Change func(n int, run *reports.Run)
	// Slower multiplies the latencies of a run, by its number; nil for none.
	Slower func(n int) float64
}

// Runs returns runs at intervals of a day.
func Runs(o Options) []reports.Run {
	if o.Requirements == 0 {
		o.Requirements = 20
	}
	random := rand.New(rand.NewPCG(o.Seed, 1))
	var runs []reports.Run
	for n := range o.Runs {
		run := one(n, o, random)
		if o.Change != nil {
			o.Change(n, &run)
		}
		runs = append(runs, run)
	}
	return runs
}

func one(n int, o Options, random *rand.Rand) reports.Run {
	start := Start.AddDate(0, 0, n)
	run := reports.Run{
		ID: start.Format("20060102-150405"), Started: start, Ended: start.Add(4 * time.Minute),
		Epi: reports.Epi{Version: "v0.1.0", Revision: "30ed0da41c66", Go: "go1.26.0", Platform: "linux/amd64"},
		Environment: reports.Environment{
			Provider: "kind", Name: "epi", Region: "us-west-2", KubernetesVersion: "v1.36.3", NodeImage: "epi-node:v1.36.3", Nodes: 1, IMDSHopLimit: 1, AWS: "emulator",
		},
		Subjects: []reports.Subject{
			{Role: "agent", Image: "epi-agent:1", Digest: "sha256:" + strings.Repeat("a", 64), Reference: true},
			{Role: "webhook", Image: "epi-webhook:1", Digest: "sha256:" + strings.Repeat("b", 64), Reference: true},
		},
	}
	profiles := []string{"webhook", "agent", "platform", "client"}
	for i := range o.Requirements {
		id := ID(i)
		level := reports.Must
		if i%4 == 3 {
			level = reports.Should
		}
		run.Requirements = append(run.Requirements, reports.Requirement{
			ID: id, Level: level, Profile: profiles[i%len(profiles)], Statement: fmt.Sprintf("Claim %d holds for `pods` that ask", i), Source: "https://docs.aws.amazon.com/eks/",
		})
		spec := reports.Spec{
			Suite: "suite", Name: fmt.Sprintf("Subject keeps claim %d", i), Requirements: []string{id}, Outcome: reports.Pass,
			Started: start.Add(time.Duration(i) * time.Second), Duration: time.Duration(1+random.IntN(5000)) * time.Millisecond,
			Steps:  []reports.Step{{Text: "creating a pod", Duration: time.Second}, {Text: "asking for credentials", Duration: time.Millisecond}},
			Output: strings.Repeat("a line of output that says little\n", 10),
		}
		run.Specs = append(run.Specs, spec)
	}
	if o.Measures == 0 {
		return run
	}
	// A run has its own good or bad day, which its measures partly share.
	day := 0.05 * random.NormFloat64()
	slower := 1.0
	if o.Slower != nil {
		slower = o.Slower(n)
	}
	scenario := reports.Scenario{Name: "warm", Title: "Warm tokens", Subject: "agent", Outcome: reports.Pass, Size: map[string]string{"duration": "5s"}}
	for i := range o.Measures {
		c := reports.Case{Name: fmt.Sprintf("rate=%d", 100*(i+1))}
		for _, m := range []struct {
			name string
			of   float64
		}{{"p50", 0.001}, {"p99", 0.004}} {
			own := day + 0.05*random.NormFloat64()
			metric := reports.Metric{Name: m.name, Unit: "sec", Better: "lower"}
			for range 5 {
				metric.Samples = append(metric.Samples, m.of*slower*math.Exp(own+0.02*random.NormFloat64()))
			}
			metric.Value = metric.Samples[0]
			c.Metrics = append(c.Metrics, metric)
		}
		scenario.Cases = append(scenario.Cases, c)
	}
	run.Bench = &reports.Bench{
		Seed: 1, Machines: []reports.Machine{{Name: "node", CPU: "EPYC", Cores: 2}},
		Generator: reports.Generator{Pods: 1, Ceiling: 20000 * math.Exp(0.05*random.NormFloat64()), Rate: 900, P50: 0.0002 * math.Exp(0.05*random.NormFloat64()), P99: 0.001 * math.Exp(0.05*random.NormFloat64())},
		Scenarios: []reports.Scenario{scenario},
	}
	return run
}

// ID is that of the n-th requirement.
func ID(n int) string {
	return fmt.Sprintf("%s-%02d", []string{"INJ", "AGT", "AUT", "SDK"}[n%4], n/4+1)
}

// Set sets the outcome of a requirement's specs.
func Set(run *reports.Run, id string, outcome reports.Outcome) {
	for i, spec := range run.Specs {
		if spec.Requirements[0] != id {
			continue
		}
		run.Specs[i].Outcome = outcome
		if outcome == reports.Fail {
			run.Specs[i].Failure = &reports.Failure{Message: "got 500, want 200", Location: "suites/agent/cold.go:48"}
		}
	}
}
