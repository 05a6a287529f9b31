package reports

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// outcomesOf is a complete run with a spec of each outcome, all for requirement R-1.
func outcomesOf(outcomes ...Outcome) Run {
	run := Run{Schema: Schema, ID: "r", Started: at(0), Ended: at(60), Requirements: []Requirement{{ID: "R-1", Level: Must, Profile: "agent"}}}
	for i, outcome := range outcomes {
		spec := specAt("suite", "claim "+strings.Repeat("I", i+1), float64(i), 1, 1, "R-1")
		spec.Outcome = outcome
		if !outcome.Decided() {
			spec.Reason = "because of " + outcome.Label()
		}
		run.Specs = append(run.Specs, spec)
	}
	return run
}

func TestRequirementOutcome(t *testing.T) {
	for _, row := range []struct {
		specs  []Outcome
		want   Outcome
		reason string
	}{
		{nil, NotRun, "no spec ran"},
		{[]Outcome{Pass}, Pass, ""},
		{[]Outcome{Pass, Pass}, Pass, ""},
		{[]Outcome{Pass, Fail}, Fail, ""},
		{[]Outcome{Error, Fail, Pass}, Fail, ""},
		{[]Outcome{Pass, Error}, Error, "because of error"},
		{[]Outcome{Pass, Skipped}, Pass, "1 of 2 specs skipped: because of skipped"},
		{[]Outcome{NotSupported, Pass, NotRun}, Pass, "1 of 3 specs not run: because of not run; 1 of 3 specs not supported: because of not supported"},
		{[]Outcome{NotSupported, NotSupported}, NotSupported, "because of not supported"},
		// For undecided specs the worst outcome counts.
		{[]Outcome{NotSupported, Skipped}, Skipped, "because of skipped"},
		{[]Outcome{NotSupported, Skipped, NotRun}, NotRun, "because of not run"},
		// An invalid outcome is never a pass.
		{[]Outcome{"passed"}, Error, "because of passed"},
	} {
		results := NewFindings(outcomesOf(row.specs...)).Requirements
		if len(results) != 1 || results[0].Outcome != row.want || results[0].Reason != row.reason {
			t.Errorf("%v: want %s (%s), got %+v", row.specs, row.want, row.reason, results)
		}
	}
}

func TestRequirementsWithoutCatalogueOrSpec(t *testing.T) {
	run := outcomesOf(Pass)
	run.Requirements = append(run.Requirements, Requirement{ID: "R-2", Level: Must, Profile: "agent"})
	run.Specs[0].Requirements = []string{"X-9", "R-1"}
	results := NewFindings(run).Requirements
	if len(results) != 3 {
		t.Fatalf("want 3 results, got %+v", results)
	}
	for i, want := range []struct {
		id      string
		outcome Outcome
		reason  string
	}{
		{"R-1", Pass, ""},
		{"R-2", NotRun, "no spec of this run covers it"},
		{"X-9", Pass, "not in the catalogue of this run"},
	} {
		if got := results[i]; got.ID != want.id || got.Outcome != want.outcome || got.Reason != want.reason {
			t.Errorf("result %d: want %v, got %+v", i, want, got)
		}
	}
}

func TestRequirementOrder(t *testing.T) {
	var run Run
	for _, id := range []string{"SDK-1", "AGT-10", "AGT-9", "odd", "AGT-9b", "INJ-2"} {
		profile := map[string]string{"SDK": "client", "AGT": "agent", "INJ": "webhook"}[id[:3]]
		run.Requirements = append(run.Requirements, Requirement{ID: id, Profile: profile})
	}
	var got []string
	for _, result := range NewFindings(run).Requirements {
		got = append(got, result.ID)
	}
	if want := []string{"INJ-2", "AGT-9", "AGT-10", "AGT-9b", "SDK-1", "odd"}; !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
}

func TestVerdict(t *testing.T) {
	with := func(run Run, change func(*Run)) Run { change(&run); return run }
	for name, row := range map[string]struct {
		run      Run
		outcome  Outcome
		exit     int
		sentence string
	}{
		"all hold":          {passing(), Pass, 0, "Pass: all 9 requirements that were decided hold; 1 not supported, 1 skipped."},
		"one holds":         {outcomesOf(Pass), Pass, 0, "Pass: the one requirement that was decided holds."},
		"some fail":         {failing(), Fail, 1, "Fail: 4 of 8 decided requirements do not hold, 4 hold; 2 not supported, 1 skipped."},
		"one fails":         {outcomesOf(Fail), Fail, 1, "Fail: 1 of 1 decided requirement does not hold."},
		"fail and not run":  {outcomesOf(Fail, NotRun), Fail, 1, "Fail: 1 of 1 decided requirement does not hold."},
		"no specs":          {outcomesOf(), Error, 3, "Error: no verdict, because no spec passed or failed; 1 not run."},
		"nothing decided":   {outcomesOf(Skipped, NotSupported), Error, 3, "Error: no verdict, because no spec passed or failed; 1 skipped."},
		"selected, not run": {outcomesOf(Pass, NotRun), Error, 3, "Error: no verdict, because 1 selected spec not run; 1 requirement passed."},
		// PRODUCT.md: 1 whenever a requirement or a threshold failed, also with other problems.
		"fail and error":       {undecided(), Fail, 1, "Fail: 4 of 7 decided requirements do not hold, 3 hold; 1 undecided by error, 2 not supported, 1 skipped; besides, 1 spec could not be decided."},
		"fail and problem":     {with(failing(), func(r *Run) { r.Problems = []Problem{{Doing: "tear down", Message: "Timed out\nmore"}} }), Fail, 1, "Fail: 4 of 8 decided requirements do not hold, 4 hold; 2 not supported, 1 skipped; besides, tear down: Timed out."},
		"fail and interrupted": {with(outcomesOf(Fail, NotRun), func(r *Run) { r.Interrupted = true }), Fail, 1, "Fail: 1 of 1 decided requirement does not hold; besides, the run was interrupted."},
		"fail and crashed":     {with(outcomesOf(Fail), func(r *Run) { r.Ended = time.Time{} }), Fail, 1, "Fail: 1 of 1 decided requirement does not hold; besides, the run did not come to its end."},
		"no fail, a problem":   {with(passing(), func(r *Run) { r.Problems = []Problem{{Doing: "tear down", Message: "Timed out\nmore"}} }), Error, 3, "Error: no verdict, because tear down: Timed out; 9 requirements passed; 1 not supported, 1 skipped."},
		"interrupted":          {interrupted(), Error, 3, "Error: no verdict, because the run was interrupted; 3 requirements passed; 8 not run."},
		"crashed":              {crashed(), Error, 3, "Error: no verdict, because the run did not come to its end; 3 requirements passed; 8 not run."},
		"unknown outcome":      {outcomesOf("passed"), Error, 3, "Error: no verdict, because 1 spec could not be decided; 1 undecided by error."},
		"without catalogue":    {with(outcomesOf(Pass, Pass), func(r *Run) { r.Requirements, r.Specs[0].Requirements, r.Specs[1].Requirements = nil, nil, nil }), Pass, 0, "Pass: all 2 specs that were decided hold."},

		"measured":                {measured(), Pass, 0, "Pass: 3 scenarios measured, 3 thresholds hold."},
		"measured, no limits":     {with(measured(), func(r *Run) { r.Bench.Thresholds, r.Bench.Scenarios = nil, r.Bench.Scenarios[:1] }), Pass, 0, "Pass: 1 scenario measured."},
		"generator was the limit": {with(measured(), func(r *Run) { r.Bench.Scenarios[0].Cases[1].Limited = "x" }), Pass, 0, "Pass: 3 scenarios measured (1 limited by the generator), 3 thresholds hold."},
		"threshold fails":         {with(measured(), func(r *Run) { r.Bench.Thresholds[1].Outcome = Fail }), Fail, 1, "Fail: 3 scenarios measured; 1 of 3 thresholds does not hold, 2 hold."},
		"all thresholds fail": {with(measured(), func(r *Run) {
			r.Bench.Thresholds = r.Bench.Thresholds[:2]
			r.Bench.Thresholds[0].Outcome, r.Bench.Thresholds[1].Outcome = Fail, Fail
		}), Fail, 1, "Fail: 3 scenarios measured; 2 thresholds do not hold."},
		"scenario fails":          {with(measured(), func(r *Run) { r.Bench.Scenarios[2].Outcome = Fail }), Fail, 1, "Fail: 1 of 3 scenarios failed, 2 measured; 3 thresholds hold."},
		"worse than before":       {with(measured(), func(r *Run) { r.Bench.Differences = gated().Bench.Differences }), Fail, 1, "Fail: 3 scenarios measured; 3 thresholds hold; 1 measure is worse than in the baseline."},
		"scenario broke":          {versus(), Error, 3, "Error: no verdict, because 1 scenario broke; 1 threshold could not be judged; 1 of 5 scenarios not run, 3 measured; 3 of 4 thresholds hold."},
		"one fails, one breaks":   {with(gated(), func(r *Run) { r.Bench.Scenarios[0].Outcome = Error }), Fail, 1, "Fail: all 9 requirements that were decided hold; 1 not supported, 1 skipped; 1 of 5 scenarios failed, 3 measured (1 limited by the generator); 1 of 3 thresholds does not hold, 2 hold; 1 measure is worse than in the baseline; besides, 1 scenario broke."},
		"missed, and broke":       {with(versus(), func(r *Run) { r.Bench.Thresholds[1].Outcome = Fail }), Fail, 1, "Fail: 1 of 5 scenarios not run, 3 measured; 1 of 4 thresholds does not hold, 2 hold; besides, 1 scenario broke; 1 threshold could not be judged."},
		"specs and bench":         {with(gated(), func(r *Run) { r.Bench = measured().Bench }), Pass, 0, "Pass: all 9 requirements that were decided hold; 1 not supported, 1 skipped; 3 scenarios measured, 3 thresholds hold."},
		"spec and bench fail":     {gated(), Fail, 1, "Fail: all 9 requirements that were decided hold; 1 not supported, 1 skipped; 1 of 5 scenarios failed, 4 measured (1 limited by the generator); 1 of 3 thresholds does not hold, 2 hold; 1 measure is worse than in the baseline."},
		"scenario not run":        {with(measured(), func(r *Run) { r.Bench.Scenarios[1].Outcome = NotRun }), Error, 3, "Error: no verdict, because 1 selected scenario not run; 1 of 3 scenarios not run, 2 measured; 3 thresholds hold."},
		"threshold not judged":    {with(measured(), func(r *Run) { r.Bench.Thresholds[1].Outcome = NotSupported }), Error, 3, "Error: no verdict, because 1 threshold not judged; 3 scenarios measured; 1 of 3 thresholds not supported, 2 hold."},
		"worse, or the generator": {with(measured(), func(r *Run) { r.Bench.Differences = []Difference{{Verdict: "worse", Limited: "x"}} }), Error, 3, "Error: no verdict, because 1 measure worse than in the baseline may be the generator's; 3 scenarios measured; 3 thresholds hold."},
		"nothing was measured":    {with(measured(), func(r *Run) { r.Bench = &Bench{} }), Error, 3, "Error: no verdict, because no scenario was measured."},
		"specs, nothing measured": {with(passing(), func(r *Run) { r.Bench = &Bench{Scenarios: []Scenario{{Name: "x", Outcome: NotSupported}}} }), Pass, 0, "Pass: all 9 requirements that were decided hold; 1 not supported, 1 skipped; 1 scenario not supported."},
		"nothing whatsoever":      {empty(), Error, 3, "Error: no verdict, because the run did not come to its end."},
	} {
		verdict := NewFindings(row.run).Verdict
		if verdict.Outcome != row.outcome || verdict.ExitCode() != row.exit || verdict.Sentence() != row.sentence {
			t.Errorf("%s: want %s, %d, %q\ngot %s, %d, %q", name, row.outcome, row.exit, row.sentence, verdict.Outcome, verdict.ExitCode(), verdict.Sentence())
		}
	}
	if failed := NewFindings(undecided()).Verdict.Failed; !slices.Equal(failed, []string{"INJ-01", "INJ-02", "AGT-01", "ABAC-01"}) {
		t.Errorf("an error must not hide what failed: %v", failed)
	}
}

func TestProfileResult(t *testing.T) {
	for want, counts := range map[string]Counts{
		"":          {},
		"pass":      {Passed: 2},
		"partial":   {Passed: 2, Skipped: 1},
		"undecided": {NotSupported: 1, NotRun: 1},
		"error":     {Passed: 1, Errored: 1},
		"fail":      {Passed: 1, Errored: 1, Failed: 1},
	} {
		if got := (LevelResult{Counts: counts}).Result(); got != want {
			t.Errorf("%+v: want %q, got %q", counts, want, got)
		}
	}
}

func TestFailuresInTheOrderOfRequirements(t *testing.T) {
	findings := NewFindings(undecided())
	var names []string
	for _, i := range findings.Failures {
		names = append(names, findings.Run.Specs[i].Suite)
	}
	if want := []string{"injection", "authorization", "imds"}; !slices.Equal(names, want) {
		t.Errorf("want %v, got %v", want, names)
	}
}
