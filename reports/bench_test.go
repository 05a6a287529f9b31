package reports

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"
)

func TestRecorderKeepsTheBenchmarkAsItGoes(t *testing.T) {
	dir := t.TempDir()
	want := measured()
	start := want
	start.Bench = nil
	recorder, err := NewRecorder(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	onDisk := func() Bench {
		t.Helper()
		run, err := ReadDir(dir)
		if err != nil || run.Bench == nil {
			t.Fatalf("%v, bench %v", err, run.Bench)
		}
		return *run.Bench
	}
	bench := want.Bench
	if err := errors.Join(recorder.Bench(Bench{Seed: bench.Seed}), recorder.Machines(bench.Machines), recorder.Generator(bench.Generator)); err != nil {
		t.Fatal(err)
	}
	if got := onDisk(); got.Seed != 42 || len(got.Machines) != 1 || got.Generator != bench.Generator {
		t.Errorf("before the first scenario: %+v", got)
	}
	for i, scenario := range bench.Scenarios {
		if err := recorder.Scenario(scenario); err != nil {
			t.Fatal(err)
		}
		if got := len(onDisk().Scenarios); got != i+1 {
			t.Fatalf("%d scenarios on disk after %d", got, i+1)
		}
	}
	differences := gated().Bench.Differences
	if err := errors.Join(recorder.Thresholds(bench.Thresholds), recorder.Differences("old", 0.1, differences)); err != nil {
		t.Fatal(err)
	}
	findings, err := recorder.Finish(false)
	if err != nil {
		t.Fatal(err)
	}
	run := findings.Run
	want.Ended = run.Ended
	want.Bench.Baseline, want.Bench.Tolerance, want.Bench.Differences = "old", 0.1, differences
	if diff := cmp.Diff(want.sorted(), run); diff != "" {
		t.Errorf("finished run:\n%s", diff)
	}
	wanted := []string{"bench.json", "bench.txt", "junit.xml", "report.html", "results.json"}
	if diff := cmp.Diff(wanted, folderNames(t, dir)); diff != "" {
		t.Errorf("files of a run that only measured:\n%s", diff)
	}
}

func folderNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestRecorderRedactsTheBenchmark(t *testing.T) {
	dir := t.TempDir()
	const secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
	run := measured()
	run.Bench.Scenarios[0].Reason = "start " + secret
	recorder, err := NewRecorder(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	scenario := herd()
	scenario.Failure = &Failure{Message: "got " + secret}
	scenario.Notes = []string{secret}
	scenario.Reason = secret
	scenario.Cases[0].Errors = map[string]int64{"401 " + secret: 2}
	scenario.Cases[0].Limited = secret
	scenario.Size = map[string]string{"token": secret}
	if err := errors.Join(recorder.Scenario(scenario), recorder.Thresholds([]Threshold{{Expression: "x", Outcome: Error, Reason: secret}})); err != nil {
		t.Fatal(err)
	}
	if _, err := recorder.Finish(false); err != nil {
		t.Fatal(err)
	}
	for name, content := range folder(t, dir) {
		if strings.Contains(content, "c2lnbmF0dXJl") {
			t.Errorf("%s holds the token", name)
		}
	}
	if scenario.Notes[0] != secret || scenario.Size["token"] != secret || scenario.Cases[0].Errors["401 "+secret] != 2 {
		t.Error("redaction changed the caller's scenario")
	}
}

// A measure that is no number must neither be dropped silently nor prevent the record.
func TestRecorderTakesNoMeasureThatIsNoNumber(t *testing.T) {
	recorder, err := NewRecorder(t.TempDir(), begun("r"))
	if err != nil {
		t.Fatal(err)
	}
	scenario := warm()
	scenario.Cases[1].Metrics[1].Value = math.NaN()
	scenario.Cases[2].Series[0].P99 = math.Inf(1)
	scenario.Cases[2].Tracks = []Track{{Name: "rss", Unit: "B", Points: []Point{{0, 1}, {1, math.NaN()}, {2, 3}}}}
	if err := recorder.Scenario(scenario); err != nil {
		t.Fatal(err)
	}
	findings, err := recorder.Finish(false)
	if err != nil {
		t.Fatal(err)
	}
	run := findings.Run
	got := run.Bench.Scenarios[0]
	if got.Outcome != Error || got.Reason != "p99 of warm/rate=900 is NaN; an interval of the series of warm/rate=5000 is +Inf; "+
		"a point of the track of rss of warm/rate=5000 is NaN" {
		t.Errorf("%s: %s", got.Outcome, got.Reason)
	}
	if len(got.Cases[1].Metrics) != 6 || len(got.Cases[2].Series) != 9 {
		t.Errorf("%d metrics, %d intervals are left", len(got.Cases[1].Metrics), len(got.Cases[2].Series))
	}
	if points := got.Cases[2].Tracks[0].Points; !slices.Equal(points, []Point{{0, 1}, {2, 3}}) || len(scenario.Cases[2].Tracks[0].Points) != 3 {
		t.Errorf("the track is %v, and the caller's %v", points, scenario.Cases[2].Tracks[0].Points)
	}
}

func TestBenchComesBack(t *testing.T) {
	dir := t.TempDir()
	run := gated()
	if err := WriteDir(dir, NewFindings(run)); err != nil {
		t.Fatal(err)
	}
	want := run.sorted()
	for _, path := range []string{dir, filepath.Join(dir, ResultsFile)} {
		got, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.sorted()); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	got, err := Open(filepath.Join(dir, BenchFile))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Bench, got.Bench.sorted()); diff != "" {
		t.Errorf("bench.json:\n%s", diff)
	}
	if got.ID != run.ID || len(got.Specs) != 0 || got.Subjects[0].Digest == "" || !got.Ended.Equal(run.Ended) {
		t.Errorf("bench.json: %+v", got)
	}
	if again := written(t, WriteBench, got); !bytes.Equal(again, written(t, WriteBench, run)) {
		t.Error("bench.json differs when written again")
	}
}

func TestOpenRefuses(t *testing.T) {
	for content, says := range map[string]string{
		`{"schema":"epi.results/v9"}`: `schema "epi.results/v9"`,
		`{"schema":"epi.bench/v1","scenarios":[{"name":"a","outcome":"pass"},{"name":"a","outcome":"pass"}]}`:                                             `scenarios[1]: name "a" is there twice`,
		`{"schema":"epi.bench/v1","scenarios":[{"name":"a","outcome":"pass","duration":-1,"cases":[{"name":"c"},{"name":"c"}]}]}`:                         `case "c" is there twice`,
		`{"schema":"epi.bench/v1","scenarios":[{"name":"a","outcome":"pass","cases":[{"metrics":[{"name":"p","better":"more"}]}]}]}`:                      `better "more"`,
		`{"schema":"epi.bench/v1","scenarios":[{"name":"a","outcome":"pass","cases":[{"distribution":[{"of":1.5,"seconds":1}],"series":[{"p50":-1}]}]}]}`: `no quantile: 1.5`,
		`{"schema":"epi.bench/v1","thresholds":[{"expression":"x","outcome":"ok"}]}`:                                                                      `thresholds[0] "x": outcome "ok"`,
		`{"schema":"epi.bench/v1","novel":1}`: `unknown field "novel"`,
		"epi: 1":                              "invalid character",
	} {
		path := filepath.Join(t.TempDir(), "any.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "any.json") {
			t.Errorf("%s: error %v, want the file and %q", content, err, says)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want an error for what is not there, got %v", err)
	}
	for name, write := range map[string]error{"bench.json": WriteBench(&bytes.Buffer{}, passing()), "bench.txt": WriteBenchText(&bytes.Buffer{}, NewFindings(passing()))} {
		if !errors.Is(write, ErrNoBench) {
			t.Errorf("%s of a run that measured nothing: %v", name, write)
		}
	}
}

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

func TestQuantities(t *testing.T) {
	for _, row := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0.00082, "sec", "0.820 ms"}, {0.0000041, "sec", "4.10 µs"}, {12.5, "sec", "12.5 s"}, {0.4434, "sec", "443 ms"}, {0, "sec", "0 ms"},
		{7.1e6, "B", "7.10 MB"}, {4096, "B", "4.10 kB"}, {0, "B", "0 B"}, {1.46e6, "B/min", "1.46 MB/min"}, {-3000, "B/min", "-3.00 kB/min"}, {0, "B/min", "0 B/min"}, {4096, "B/identity", "4.10 kB/identity"},
		{0.0132, "ratio", "1.32%"}, {0, "ratio", "0%"}, {1, "ratio", "100%"},
		{0.13, "sec/1000req", "0.130 s/1000req"}, {10000, "req/s", "10000 req/s"}, {1.46, "calls/identity", "1.46 calls/identity"},
		{3, "calls", "3 calls"}, {9.999, "", "10.0"}, {99.97, "", "100"}, {0.00001, "x", "1e-05 x"},
	} {
		if got := Quantity(row.value, row.unit); got != row.want {
			t.Errorf("%g %s: got %q, want %q", row.value, row.unit, got, row.want)
		}
	}
}

func TestSpreads(t *testing.T) {
	for want, m := range map[string]Metric{
		"":       {Value: 1, Samples: []float64{1}},
		"±0%":    {Value: 2, Samples: []float64{2, 2}},
		"±<1%":   {Value: 1000, Samples: []float64{1000, 1001}},
		"±12%":   {Value: 100, Samples: []float64{95, 112}},
		"±>999%": {Value: 1, Samples: []float64{1, 100}},
		"to 3":   {Value: 0, Unit: "calls", Samples: []float64{0, 3}},
	} {
		if got := m.spread(); got != want {
			t.Errorf("%+v: got %q, want %q", m, got, want)
		}
	}
}

// Conformance depends on requirements: a slow subject, or a missing benchmark, changes nothing.
func TestConformanceKnowsNoBenchmark(t *testing.T) {
	run := gated()
	with := written(t, of(WriteConformance), run)
	run.Bench = nil
	if diff := cmp.Diff(string(written(t, of(WriteConformance), run)), string(with)); diff != "" {
		t.Error(diff)
	}
}
