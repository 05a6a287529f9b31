package mutation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podidentity/epi/reports"
)

func spec(outcome reports.Outcome, requirements ...string) reports.Spec {
	return reports.Spec{Name: "a spec", Requirements: requirements, Outcome: outcome, Failure: &reports.Failure{Message: "because"}}
}

func TestJudgeHoldsFailuresAgainstWhatIsDeclared(t *testing.T) {
	m := Mutant{Name: "agent-m", Violates: []string{"AGT-01", "TOK-01"}}
	for name, row := range map[string]struct {
		specs []reports.Spec
		want  Result
	}{
		"all declared failed": {
			[]reports.Spec{spec(reports.Fail, "AGT-01"), spec(reports.Fail, "TOK-01"), spec(reports.Pass, "INJ-01")},
			Result{Verdict: Killed, Failed: []string{"AGT-01", "TOK-01"}},
		},
		"others failed too": {
			[]reports.Spec{spec(reports.Fail, "AGT-01", "TOK-01", "INJ-02"), spec(reports.Pass, "AGT-01"), spec(reports.Fail, "INJ-01")},
			Result{Verdict: Killed, Failed: []string{"AGT-01", "INJ-01", "INJ-02", "TOK-01"}, Collateral: []string{"INJ-01", "INJ-02"}},
		},
		"one declared held": {
			[]reports.Spec{spec(reports.Fail, "AGT-01"), spec(reports.Pass, "TOK-01")},
			Result{Verdict: Survived, Failed: []string{"AGT-01"}, Problem: "TOK-01 held"},
		},
		// An error blames epi and says nothing about the subject, so it kills nothing.
		"one declared is an error": {
			[]reports.Spec{spec(reports.Fail, "AGT-01"), spec(reports.Error, "TOK-01"), spec(reports.Pass, "TOK-01")},
			Result{Verdict: Undone, Failed: []string{"AGT-01"}, Undecided: []string{"TOK-01"}, Problem: "no verdict about TOK-01"},
		},
		"a failure counts whatever else is an error": {
			[]reports.Spec{spec(reports.Error, "AGT-01"), spec(reports.Fail, "AGT-01"), spec(reports.Fail, "TOK-01")},
			Result{Verdict: Killed, Failed: []string{"AGT-01", "TOK-01"}},
		},
		"what decides one takes minutes": {
			[]reports.Spec{spec(reports.Fail, "AGT-01"), spec(reports.Skipped, "TOK-01")},
			Result{Verdict: LeftOut, Failed: []string{"AGT-01"}, Undecided: []string{"TOK-01"}, Problem: "what decides TOK-01 takes minutes; run it with --slow"},
		},
		"nothing ran": {nil, Result{Verdict: Undone, Problem: "no verdict about AGT-01 TOK-01"}},
	} {
		got := judge(m, row.specs)
		if diff := cmp.Diff(row.want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Result{}, "Name", "Subject", "Does", "Declared", "Specs", "Ran")); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestJudgeWarnsOfBluntMutants(t *testing.T) {
	specs := []reports.Spec{spec(reports.Fail, "AGT-01")}
	m := Mutant{Violates: []string{"AGT-01"}}
	if got := judge(m, specs); got.Warning != "" {
		t.Errorf("warning %q without collateral", got.Warning)
	}
	specs = append(specs, spec(reports.Fail, "A-01", "A-02", "A-03", "A-04", "A-05", "A-06", "A-07", "A-08", "A-09"))
	if got := judge(m, specs); got.Warning == "" || got.Verdict != Killed {
		t.Errorf("verdict %s, warning %q with much collateral", got.Verdict, got.Warning)
	}
}

// A drawn mutant declares nothing: any failure kills it, and an error says nothing.
func TestJudgeOfWhatDeclaresNothing(t *testing.T) {
	m := Mutant{Name: "agent-operator-1", Mechanical: true}
	for name, row := range map[string]struct {
		specs []reports.Spec
		want  Verdict
		stop  bool
	}{
		"one failed":          {[]reports.Spec{spec(reports.Pass, "A-01"), spec(reports.Fail, "A-02")}, Killed, true},
		"one failed of a few": {[]reports.Spec{spec(reports.Error, "A-01"), spec(reports.Fail, "A-02")}, Killed, true},
		"all held":            {[]reports.Spec{spec(reports.Pass, "A-01"), spec(reports.Skipped, "A-02")}, Survived, false},
		"one is an error":     {[]reports.Spec{spec(reports.Pass, "A-01"), spec(reports.Error, "A-02")}, Undone, false},
		"nothing ran":         {nil, Undone, false},
	} {
		if got := judge(m, row.specs); got.Verdict != row.want || len(got.Collateral) > 0 || got.Warning != "" {
			t.Errorf("%s: %+v", name, got)
		}
		if got := enough(m, ScopeAll, row.specs); got != row.stop {
			t.Errorf("%s: enough %t", name, got)
		}
	}
}
