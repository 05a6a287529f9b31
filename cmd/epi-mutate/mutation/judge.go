package mutation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/epi/reports"
)

// Verdict is the result of a mutant.
type Verdict string

// The verdicts.
const (
	// Killed: every requirement that the mutant declares to violate failed.
	Killed Verdict = "killed"
	// Survived: one of them held, so its specs are too weak, or the mutant declares too much.
	Survived Verdict = "survived"
	// Undone: the mutant did not compile or come up, or specs of its declared requirements had no verdict.
	Undone Verdict = "error"
	// LeftOut: its specs take minutes, and slow specs were not requested.
	LeftOut Verdict = "left out"
)

// manyCollateral is the number of other failing requirements from which a mutant is reported as too blunt.
const manyCollateral = 8

// Result is a run's result for one mutant.
type Result struct {
	Name    string  `json:"name"`
	Subject Subject `json:"subject"`
	Does    string  `json:"does"`
	Verdict Verdict `json:"verdict"`
	// Declared are the requirements that had to fail. Failed are all that did.
	Declared []string `json:"declared"`
	Failed   []string `json:"failed"`
	// Collateral failed without being declared.
	Collateral []string `json:"collateral"`
	// Undecided are requirements whose specs had no verdict.
	Undecided []string `json:"undecided"`
	// Problem says what went wrong. Warning says what is unusual.
	Problem string `json:"problem,omitempty"`
	Warning string `json:"warning,omitempty"`
	// Ran is the number of specs that ran. Specs are those that did not pass, with the reasons.
	Ran   int       `json:"ran"`
	Specs []Finding `json:"specs"`
	Took  Took      `json:"seconds"`
}

// Finding is a spec that did not pass.
type Finding struct {
	Spec         string          `json:"spec"`
	Requirements []string        `json:"requirements"`
	Outcome      reports.Outcome `json:"outcome"`
	// Why is the message, or the reason why it was not run.
	Why     string  `json:"why"`
	Seconds float64 `json:"seconds"`
}

// Took has the durations of the parts, in seconds. Mutants are built while others are examined.
type Took struct {
	Build float64 `json:"build"`
	Swap  float64 `json:"swap"`
	Specs float64 `json:"specs"`
}

// judge compares the results of specs with the mutant's declaration.
func judge(m Mutant, specs []reports.Spec) Result {
	result := Result{
		Name: m.Name, Subject: m.Subject, Does: m.Does, Declared: m.Violates,
		Ran: len(specs), Failed: []string{}, Collateral: []string{}, Undecided: []string{}, Specs: []Finding{},
	}
	outcomes := outcomesOf(specs)
	for _, id := range slices.Sorted(maps.Keys(outcomes)) {
		switch outcome := outcomes[id]; {
		case outcome == reports.Fail:
			result.Failed = append(result.Failed, id)
			if !slices.Contains(m.Violates, id) {
				result.Collateral = append(result.Collateral, id)
			}
		case !outcome.Decided():
			result.Undecided = append(result.Undecided, id)
		}
	}
	for _, spec := range specs {
		if spec.Outcome != reports.Pass {
			result.Specs = append(result.Specs, finding(spec))
		}
	}
	if m.Mechanical {
		result.Collateral = []string{} // it declares nothing, so no failure is collateral
		result.Verdict, result.Problem = mechanical(result)
		return result
	}
	result.Verdict = Killed
	var held, undecided, skipped []string
	for _, id := range m.Violates {
		switch outcomes[id] {
		case reports.Fail:
		case reports.Pass:
			held = append(held, id)
		case reports.Skipped:
			skipped = append(skipped, id)
		default:
			undecided = append(undecided, id)
		}
	}
	switch {
	case len(held) > 0:
		result.Verdict, result.Problem = Survived, strings.Join(held, " ")+" held"
	case len(undecided) > 0:
		result.Verdict, result.Problem = Undone, "no verdict about "+strings.Join(undecided, " ")
	case len(skipped) > 0:
		result.Verdict, result.Problem = LeftOut, "what decides "+strings.Join(skipped, " ")+" takes minutes; run it with --slow"
	}
	if n := len(result.Collateral); n > manyCollateral {
		result.Warning = fmt.Sprintf("fails %d requirements beside what it declares: too blunt to show that the specs distinguish causes", n)
	}
	return result
}

// mechanical judges a mutant that declares nothing: any failure kills it.
func mechanical(result Result) (Verdict, string) {
	switch {
	case len(result.Failed) > 0:
		return Killed, ""
	case result.Ran == 0:
		return Undone, "no spec ran"
	case slices.ContainsFunc(result.Specs, func(f Finding) bool { return f.Outcome == reports.Error }):
		return Undone, "nothing failed, and no verdict about " + strings.Join(result.Undecided, " ")
	default:
		return Survived, "nothing failed"
	}
}

// enough says that more specs would not change the result: everything declared failed, and either nothing else is needed or
// so much else failed that the mutant is too blunt.
func enough(m Mutant, scope Scope, specs []reports.Spec) bool {
	result := judge(m, specs)
	if result.Verdict != Killed {
		return false
	}
	return m.Mechanical || scope == ScopeDeclared || len(result.Collateral) > manyCollateral
}

func finding(spec reports.Spec) Finding {
	why := spec.Reason
	if spec.Failure != nil {
		why = spec.Failure.Message
	}
	return Finding{Spec: spec.Name, Requirements: spec.Requirements, Outcome: spec.Outcome, Why: why, Seconds: spec.Duration.Seconds()}
}

// outcomesOf is the outcome of each requirement of the specs. A requirement fails if any of its specs failed. Otherwise a
// spec without a verdict makes it undecided.
func outcomesOf(specs []reports.Spec) map[string]reports.Outcome {
	worst := []reports.Outcome{reports.Fail, reports.Error, reports.Pass, reports.NotRun, reports.Skipped, reports.NotSupported}
	outcomes := map[string]reports.Outcome{}
	for _, spec := range specs {
		for _, id := range spec.Requirements {
			before, known := outcomes[id]
			if !known || slices.Index(worst, spec.Outcome) < slices.Index(worst, before) {
				outcomes[id] = spec.Outcome
			}
		}
	}
	return outcomes
}
