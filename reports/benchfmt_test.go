package reports

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"
)

// Go's own reader of the format finds every sample under its name and unit, and reports no error.
func TestBenchTextIsGoBenchmarkFormat(t *testing.T) {
	for _, run := range []Run{measured(), gated(), versus(), hostileBench()} {
		reader := benchfmt.NewReader(bytes.NewReader(written(t, of(WriteBenchText), run)), BenchTextFile)
		values := map[string][]float64{}
		units := map[string]string{}
		for reader.Scan() {
			switch record := reader.Result().(type) {
			case *benchfmt.SyntaxError:
				t.Errorf("%s: %v", run.ID, record)
			case *benchfmt.UnitMetadata:
				units[record.Unit] = record.Value
			case *benchfmt.Result:
				if record.GetConfig("cpu") == "" || record.GetConfig("agent") != "" || record.Iters < 1 {
					t.Errorf("%s: %+v", run.ID, record)
				}
				for _, value := range record.Values {
					key := record.Name.String() + " " + value.Unit
					values[key] = append(values[key], value.Value)
				}
			}
		}
		if err := reader.Err(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, scenario := range run.Bench.Scenarios {
			for _, c := range scenario.Cases {
				for _, m := range c.Metrics {
					n++
					key := benchName(scenario, c) + " " + m.benchUnit()
					if diff := cmp.Diff(m.Samples, values[key]); diff != "" {
						t.Errorf("%s:\n%s", key, diff)
					}
					if units[m.benchUnit()] != m.Better {
						t.Errorf("%s: better %q, want %q", key, units[m.benchUnit()], m.Better)
					}
				}
			}
		}
		if n != len(values) || n == 0 {
			t.Errorf("%s: %d metrics came back of %d", run.ID, len(values), n)
		}
	}
}

func TestBenchNames(t *testing.T) {
	for want, named := range map[string][2]string{
		"Warm/rate=900":  {"warm", "rate=900"},
		"HerdSame":       {"herd-same", ""},
		"S3/nodes=1_2":   {"s3", "nodes=1-2"}, // not GOMAXPROCS
		"Éa/a_b":         {"éa", "a b"},
		"PodStart/n=1/m": {"pod-start", "n=1/m"},
	} {
		if got := benchName(Scenario{Name: named[0]}, Case{Name: named[1]}); got != want {
			t.Errorf("%q: got %q, want %q", named, got, want)
		}
	}
	for want, m := range map[string]Metric{
		"p99-sec":         {Name: "p99", Unit: "sec"},
		"cpu-sec/1000req": {Name: "cpu", Unit: "sec/1000req"},
		"rss-B":           {Name: "rss", Unit: "B"},
		"calls":           {Name: "calls", Unit: "calls"},
		"calls/identity":  {Name: "calls", Unit: "calls/identity"},
		"odd":             {Name: "odd"},
	} {
		if got := m.benchUnit(); got != want {
			t.Errorf("%+v: got %q, want %q", m, got, want)
		}
	}
}
