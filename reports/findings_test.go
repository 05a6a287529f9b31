package reports

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Writers share the findings of a run. None of them changes what the others write.
func TestWritersShareTheFindings(t *testing.T) {
	type writer struct {
		name  string
		write func(io.Writer, *Findings) error
	}
	for name, run := range samples() {
		list := []writer{
			{"annotations", WriteAnnotations}, {"job summary", WriteJobSummary},
			{"summary", func(w io.Writer, findings *Findings) error { return WriteSummary(w, findings, SummaryOptions{}) }},
		}
		for _, file := range files {
			if file.of == nil || file.of(run) {
				list = append(list, writer{file.name, file.write})
			}
		}
		slices.Reverse(list) // of the order in which epi writes them
		shared := NewFindings(run)
		for _, w := range list {
			var alone, together bytes.Buffer
			if err := w.write(&alone, NewFindings(run)); err != nil {
				t.Fatal(err)
			}
			if err := w.write(&together, shared); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(alone.Bytes(), together.Bytes()) {
				t.Errorf("%s: %s of shared findings differs:\n%s", name, w.name, cmp.Diff(alone.String(), together.String()))
			}
		}
		if diff := cmp.Diff(NewFindings(run), shared, cmp.AllowUnexported(Findings{}, Verdict{}, cause{}), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: the writers changed the findings:\n%s", name, diff)
		}
	}
}

// Specs that the environment left undecided are no failures, and no cause names them.
func TestFailuresLeaveOutWhatTheEnvironmentLeftUndecided(t *testing.T) {
	run := failing()
	before := NewFindings(run)
	run.Specs = append([]Spec{{
		Suite: "agent", Name: "Agent answers", Requirements: []string{"AGT-01"}, Outcome: Error,
		Failure: &Failure{Message: "not decided: the node is away", Cause: CauseEnvironment},
	}}, run.Specs...)
	after := NewFindings(run)
	names := func(findings *Findings) []string {
		var list []string
		for _, i := range findings.Failures {
			list = append(list, findings.Run.Specs[i].Name)
		}
		return list
	}
	if diff := cmp.Diff(names(before), names(after)); diff != "" || len(before.Failures) == 0 {
		t.Errorf("failures:\n%s", diff)
	}
	if len(after.causes) != len(before.causes) {
		t.Errorf("%d causes, want %d", len(after.causes), len(before.causes))
	}
	if after.Verdict.Specs.Errored != before.Verdict.Specs.Errored+1 {
		t.Errorf("the verdict does not count it: %+v", after.Verdict.Specs)
	}
}
