package measure

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/reports"
)

// Interleaved is a scenario that is executed with several variants of its subject alternately, with one
// record of all executions.
type Interleaved struct {
	scenario Scenario
	record   reports.Scenario
	cases    caseList
	begun    bool // there was an execution
}

// Interleave prepares the scenario for alternating executions. None has happened yet.
func (s Scenario) Interleave() *Interleaved { return &Interleaved{scenario: s} }

// Execute executes the scenario once more, with the variant that is in place, and returns the record of
// this execution alone.
func (i *Interleaved) Execute(ctx context.Context, variant string, options RunOptions) reports.Scenario {
	record, cases := i.scenario.execute(ctx, options)
	record.Cases = cases.record()
	i.add(variant, record, cases)
	return record
}

func (i *Interleaved) add(variant string, record reports.Scenario, cases caseList) {
	if !i.begun {
		i.begun, i.record = true, record
		i.record.Notes = nil
	} else {
		i.record.Duration += record.Duration
	}
	if i.record.Outcome == reports.Pass && record.Outcome != reports.Pass {
		i.record.Outcome, i.record.Reason, i.record.Failure = record.Outcome, record.Reason, record.Failure
	}
	for _, note := range record.Notes {
		if note = variant + ": " + note; !slices.Contains(i.record.Notes, note) {
			i.record.Notes = append(i.record.Notes, note)
		}
	}
	for _, c := range cases {
		i.cases.of(strings.TrimSuffix(fmt.Sprintf("variant=%s/%s", variant, c.name), "/")).merge(c)
	}
}

// Record of all executions: each case of each variant, as "variant=A/rate=900", with the executions as its
// repeats. The outcome is Pass if all executions passed, else that of the first one that did not.
func (i *Interleaved) Record() reports.Scenario {
	record := i.record
	if !i.begun {
		record = i.scenario.NotRun("the run ended before it")
	}
	record.Cases = i.cases.record()
	return record
}
