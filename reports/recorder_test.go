package reports

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecorderLeavesValidResultsAtEveryMoment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	want := passing()
	start := begun(want.ID)
	start.Phases, start.Subjects, start.Environment = nil, nil, Environment{}
	recorder, err := NewRecorder(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	onDisk := func() Run {
		t.Helper()
		run, err := ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	if run := onDisk(); run.ID != want.ID || NewFindings(run).Verdict.Outcome != Error {
		t.Errorf("a run that has just begun: %+v", NewFindings(run).Verdict)
	}
	if err := recorder.Environment(want.Environment, want.Subjects); err != nil {
		t.Fatal(err)
	}
	for i, phase := range want.Phases {
		if err := recorder.Phase(phase); err != nil {
			t.Fatal(err)
		}
		if got := len(onDisk().Phases); got != i+1 {
			t.Fatalf("%d phases on disk after %d", got, i+1)
		}
	}
	for i, spec := range want.Specs {
		if err := recorder.Add(spec); err != nil {
			t.Fatal(err)
		}
		run := onDisk()
		if len(run.Specs) != i+1 || NewFindings(run).Verdict.Outcome != Error {
			t.Fatalf("after %d specs: %d on disk, verdict %+v", i+1, len(run.Specs), NewFindings(run).Verdict)
		}
	}
	if err := recorder.Starts(want.Pods, want.Calls); err != nil {
		t.Fatal(err)
	}
	findings, err := recorder.Finish(false)
	if err != nil {
		t.Fatal(err)
	}
	run := findings.Run
	want.Ended = run.Ended
	if diff := cmp.Diff(want.sorted(), run); diff != "" {
		t.Errorf("finished run:\n%s", diff)
	}
	if diff := cmp.Diff(run, onDisk()); diff != "" {
		t.Errorf("on disk:\n%s", diff)
	}
	if files := folder(t, dir); len(files) != 4 {
		t.Errorf("want the four reports and nothing else, got %d files", len(files))
	}
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	recorder, err := NewRecorder(dir, begun("r"))
	if err != nil {
		t.Fatal(err)
	}
	const workers, each = 8, 10
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for n := range each {
				if err := recorder.Add(specAt("suite", fmt.Sprintf("%d-%d", worker, n), 1, 1, worker, "INJ-01")); err != nil {
					t.Error(err)
				}
				if _, err := ReadDir(dir); err != nil {
					t.Errorf("read while others write: %v", err)
				}
			}
		})
	}
	group.Wait()
	findings, err := recorder.Finish(true)
	if err != nil {
		t.Fatal(err)
	}
	run := findings.Run
	if len(run.Specs) != workers*each || !run.Interrupted {
		t.Errorf("%d specs, interrupted %v", len(run.Specs), run.Interrupted)
	}
}

func TestRecorderClosesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder, err := NewRecorder(t.TempDir(), Run{ID: "r", Started: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // of the bubble's clock
		first, err := recorder.Finish(true)
		if err != nil {
			t.Fatal(err)
		}
		if took := first.Run.duration(); took != time.Minute {
			t.Errorf("the run took %v", took)
		}
		time.Sleep(time.Minute)
		second, err := recorder.Finish(false)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first.Run, second.Run); diff != "" {
			t.Errorf("finished again:\n%s", diff)
		}
		for _, err := range []error{recorder.Add(Spec{}), recorder.Phase(Phase{}), recorder.Problem(Problem{}), recorder.Environment(Environment{}, nil)} {
			if !errors.Is(err, ErrFinished) {
				t.Errorf("want ErrFinished, got %v", err)
			}
		}
	})
}

func TestRecorderRedacts(t *testing.T) {
	dir := t.TempDir()
	token, key := exampleJWT(), exampleSecretKey
	secret := "saw " + token + " and " + key
	start := begun("r")
	start.Problems = []Problem{{secret, secret, secret}}
	start.Phases = []Phase{{Name: "early", Error: secret}}
	start.Specs = []Spec{{Name: "early", Outcome: Skipped, Reason: secret}}
	recorder, err := NewRecorder(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	given := Spec{Name: "n", Outcome: Fail, Reason: secret, Output: secret, Failure: &Failure{Message: secret, Location: "f.go:1"}, Steps: []Step{{Text: secret}}}
	if err := errors.Join(recorder.Add(given), recorder.Phase(Phase{Name: "p", Error: secret}), recorder.Problem(Problem{secret, secret, secret})); err != nil {
		t.Fatal(err)
	}
	if given.Failure.Message != secret || given.Steps[0].Text != secret {
		t.Error("the caller's spec was changed")
	}
	findings, err := recorder.Finish(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteSummary(mustCreate(t, filepath.Join(dir, "summary.txt")), findings, SummaryOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, content := range folder(t, dir) {
		if strings.Contains(content, token[:30]) || strings.Contains(content, key[:20]) {
			t.Errorf("%s holds a secret", name)
		}
		if !strings.Contains(content, "redacted") {
			t.Errorf("%s does not say that something was redacted", name)
		}
	}
}

func mustCreate(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	return file
}

func TestRecorderSaysWhatItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRecorder(file, Run{ID: "r"}); err == nil {
		t.Error("no error for a folder that is a file")
	}
}

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
