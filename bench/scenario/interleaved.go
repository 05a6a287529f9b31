package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/reports"
)

// Interleaved is a scenario that several variants of its subject play in turn: one record of all.
type Interleaved struct {
	scenario Scenario
	record   reports.Scenario
	cases    caseList
	begun    bool
}

// Interleave returns the scenario's turns, of which none has been played yet.
func (s Scenario) Interleave() *Interleaved { return &Interleaved{scenario: s} }

// Execute plays the scenario once more, with the variant that is in place, and returns the record of this
// turn alone.
func (t *Interleaved) Execute(ctx context.Context, variant string, setting RunOptions) reports.Scenario {
	turn, cases := t.scenario.execute(ctx, setting)
	turn.Cases = cases.record()
	t.add(variant, turn, cases)
	return turn
}

func (t *Interleaved) add(variant string, turn reports.Scenario, cases caseList) {
	if !t.begun {
		t.begun, t.record = true, turn
		t.record.Notes = nil
	} else {
		t.record.Duration += turn.Duration
	}
	if t.record.Outcome == reports.Pass && turn.Outcome != reports.Pass {
		t.record.Outcome, t.record.Reason, t.record.Failure = turn.Outcome, turn.Reason, turn.Failure
	}
	for _, note := range turn.Notes {
		if note = variant + ": " + note; !slices.Contains(t.record.Notes, note) {
			t.record.Notes = append(t.record.Notes, note)
		}
	}
	for _, c := range cases {
		t.cases.of(strings.TrimSuffix(fmt.Sprintf("variant=%s/%s", variant, c.name), "/")).merge(c)
	}
}

// Record of all turns: each case of each variant, as "variant=A/rate=900", with the turns as its repeats.
// The outcome is Pass if all turns were that, else that of the first one that was not.
func (t *Interleaved) Record() reports.Scenario {
	record := t.record
	if !t.begun {
		record = t.scenario.NotRun("the run ended before its turn")
	}
	record.Cases = t.cases.record()
	return record
}
