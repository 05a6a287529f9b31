package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/reports"
)

// Turns is a scenario that several variants of its subject play in turn: one record of all.
type Turns struct {
	scenario Scenario
	record   reports.Scenario
	cases    []*Case
	begun    bool
}

// InTurn returns the scenario's turns, of which none has been played yet.
func (s Scenario) InTurn() *Turns { return &Turns{scenario: s} }

// Play plays the scenario once more, with the variant that is in place, and returns the record of this
// turn alone.
func (t *Turns) Play(ctx context.Context, variant string, setting Setting) reports.Scenario {
	turn, cases := t.scenario.play(ctx, setting)
	turn.Cases = recordOf(cases)
	t.add(variant, turn, cases)
	return turn
}

func (t *Turns) add(variant string, turn reports.Scenario, cases []*Case) {
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
		t.caseOf(strings.TrimSuffix(fmt.Sprintf("variant=%s/%s", variant, c.name), "/")).merge(c)
	}
}

func (t *Turns) caseOf(name string) *Case {
	if i := slices.IndexFunc(t.cases, func(c *Case) bool { return c.name == name }); i >= 0 {
		return t.cases[i]
	}
	c := newCase(name)
	t.cases = append(t.cases, c)
	return c
}

// Record of all turns: each case of each variant, as "variant=A/rate=900", with the turns as its repeats.
// The outcome is Pass if all turns were that, else that of the first one that was not.
func (t *Turns) Record() reports.Scenario {
	record := t.record
	if !t.begun {
		record = t.scenario.Unplayed("the run ended before its turn")
	}
	record.Cases = recordOf(t.cases)
	return record
}

// Unplayed is the record of a scenario that was not run.
func (s Scenario) Unplayed(reason string) reports.Scenario {
	return reports.Scenario{
		Name: s.Name, Title: s.Title, About: s.About, Source: s.Source, Subject: s.Subject,
		Outcome: reports.NotRun, Reason: reason,
	}
}
