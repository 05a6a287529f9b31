package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// runAt writes a run of an agent to a folder of artifacts.
func runAt(t *testing.T, artifacts, id string, change func(*reports.Run)) {
	t.Helper()
	dir := filepath.Join(artifacts, id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run := sampleRun(id)
	if change != nil {
		change(&run)
	}
	if err := reports.WriteDir(dir, reports.NewFindings(run)); err != nil {
		t.Fatal(err)
	}
}

func sampleRun(id string) reports.Run {
	start := time.Date(2026, time.November, 24, 9, 0, 0, 0, time.UTC)
	return reports.Run{
		ID: id, Started: start, Ended: start.Add(time.Minute), Environment: reports.Environment{Provider: "kind", AWS: "emulator"},
		Subjects:     []reports.Subject{{Role: "agent", Image: "registry/agent:1"}, {Role: "webhook", Reference: true}},
		Phases:       []reports.Phase{{Name: "Control plane", Started: start, Duration: 15 * time.Second}},
		Requirements: []reports.Requirement{{ID: "AGT-01", Level: "MUST", Profile: "agent", Statement: "Answers"}},
		Specs: []reports.Spec{
			{Suite: "agent", Name: "Agent answers", Requirements: []string{"AGT-01"}, Outcome: reports.Pass, Started: start, Duration: 10 * time.Second},
			{Suite: "agent", Name: "Agent renews", Outcome: reports.Pass, Started: start, Duration: 10 * time.Second},
		},
	}
}

func sessionIn(t *testing.T, artifacts, id string) *session {
	t.Helper()
	dir := filepath.Join(artifacts, id)
	recorder, err := reports.NewRecorder(dir, sampleRun(id))
	if err != nil {
		t.Fatal(err)
	}
	return &session{dir: dir, recorder: recorder}
}

// The last run is the last complete one of the same subjects, for any content of the folder.
func TestThePreviousRun(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*reports.Run)
		same   bool
	}{
		"the same":                {nil, true},
		"another version":         {func(r *reports.Run) { r.Subjects[0].Image = "elsewhere/agent:2" }, true},
		"other Kubernetes":        {func(r *reports.Run) { r.Environment.KubernetesVersion = "v1.30.0" }, true},
		"only some specs":         {func(r *reports.Run) { r.Selection = []string{"--focus=answers"} }, true},
		"another agent":           {func(r *reports.Run) { r.Subjects[0].Image = "registry/other:1" }, false},
		"the reference":           {func(r *reports.Run) { r.Subjects[0].Reference = true }, false},
		"no agent":                {func(r *reports.Run) { r.Subjects[0].Absent = true }, false},
		"another provider":        {func(r *reports.Run) { r.Environment.Provider = "eks" }, false},
		"damaged on purpose":      {func(r *reports.Run) { r.Selection = []string{"--break=role-without-policy"} }, false},
		"interrupted":             {func(r *reports.Run) { r.Interrupted = true }, false},
		"did not end":             {func(r *reports.Run) { r.Ended = time.Time{} }, false},
		"nothing decided":         {func(r *reports.Run) { r.Specs = r.Specs[:1]; r.Specs[0].Outcome = reports.NotRun }, false},
		"a benchmark and no more": {func(r *reports.Run) { r.Specs, r.Bench = nil, &reports.Bench{} }, false},
	} {
		artifacts := t.TempDir()
		runAt(t, artifacts, "20261101-000000", nil)
		runAt(t, artifacts, "20261102-000000", row.change)
		runAt(t, artifacts, "20261104-000000", nil) // later than this one
		for _, junk := range []string{"notes", "20261103-000000"} {
			if err := os.MkdirAll(filepath.Join(artifacts, junk), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(artifacts, "20261103-000000", "results.json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("20261102-000000", filepath.Join(artifacts, "latest")); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "20261102-000000", false: "20261101-000000"}[row.same]
		s := sessionIn(t, artifacts, "20261103-120000")
		if run, ok := s.previous(s.recorder.Run()); !ok || run.ID != want {
			t.Errorf("%s: the last run is %q, want %s", name, run.ID, want)
		}
	}
}

func TestTheFirstRunHasNoPrevious(t *testing.T) {
	s := sessionIn(t, t.TempDir(), "20261103-120000")
	if since := s.since(s.recorder.Run()); since != nil {
		t.Errorf("%+v", since)
	}
	if before := s.phasesBefore(); len(before) != 0 {
		t.Errorf("%v", before)
	}
	if left, known := s.specsLeft([]string{"Agent answers"}).Left(time.Now()); known {
		t.Errorf("%s are left", left)
	}
	if left, known := s.scenariosLeft([]string{"warm"}).Left(time.Now()); known {
		t.Errorf("%s are left", left)
	}
}

func TestEstimatesAreOfTheLastRun(t *testing.T) {
	artifacts := t.TempDir()
	runAt(t, artifacts, "20261101-000000", func(r *reports.Run) {
		r.Bench = &reports.Bench{Scenarios: []reports.Scenario{{Name: "warm", Outcome: reports.Pass, Duration: 7 * time.Second}}}
	})
	s := sessionIn(t, artifacts, "20261103-120000")
	// Two specs of 10 s, both at the same time.
	if left, known := s.specsLeft([]string{"Agent answers", "Agent renews"}).Left(time.Now()); !known || left != 10*time.Second {
		t.Errorf("specs: %s (%v)", left, known)
	}
	if left, known := s.scenariosLeft([]string{"warm"}).Left(time.Now()); !known || left != 7*time.Second {
		t.Errorf("scenarios: %s (%v)", left, known)
	}
	if before := s.phasesBefore(); before["Control plane"] != 15*time.Second {
		t.Errorf("phases: %v", before)
	}
}

// A step shows its estimate. On a narrow terminal its detail has a line of its own.
func TestStepsShowWhatIsLeft(t *testing.T) {
	now := time.Date(2026, time.November, 24, 9, 0, 0, 0, time.UTC)
	shown := &steps{now: func() time.Time { return now }, before: map[string]time.Duration{"Control plane": 15 * time.Second, "Suites": 200 * time.Second}}
	var tasks []clusters.Task
	for _, name := range []string{"Control plane", "Suites", "Nodes Ready"} {
		tasks = append(tasks, shown.Start(name))
	}
	tasks[1].Detail("41 of 118 specs, 2 not held; now: something with a long name that has no room")
	now = now.Add(4 * time.Second)
	for _, row := range []struct {
		columns, rows int
		want          string
	}{
		{100, 9, " • Control plane (4.0s, about 11s left)\n • Suites (4.0s, about 3m15s left): 41 of 118 specs, 2 not held; now: something with a long name th…\n • Nodes Ready (4.0s)"},
		{39, 9, " • Control plane (4.0s, about 11s left)\n • Suites (4.0s, about 3m15s left)\n   41 of 118 specs, 2 not held; now: s…\n • Nodes Ready (4.0s)"},
		{39, 3, " • Control plane (4.0s, about 11s left)\n • Suites (4.0s, about 3m15s left): 41…\n • Nodes Ready (4.0s)"},
		{39, 2, "   and 2 more\n • Nodes Ready (4.0s)"},
	} {
		if got := strings.Join(shown.Draw(row.columns, row.rows), "\n"); got != row.want {
			t.Errorf("%d × %d:\n%s\nwant\n%s", row.columns, row.rows, got, row.want)
		}
	}
	now = now.Add(20 * time.Second) // longer than the last time, so the rest is unknown
	if got := shown.Draw(80, 9)[0]; got != " • Control plane (24.0s)" {
		t.Errorf("%q", got)
	}
}
