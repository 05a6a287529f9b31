package reports

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
