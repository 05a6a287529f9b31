package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// RequirementResult is a requirement of the catalogue with the run's results about it.
type RequirementResult struct {
	Requirement
	Outcome Outcome
	// Reason for the outcome, if the outcome alone does not give it.
	Reason string
	// Known are the subjects' known deviations, for a failed requirement.
	Known []Deviation
	// Specs are the specs that cover it, sorted by suite and name.
	Specs []Spec
	// Duration is the sum of the specs' durations.
	Duration time.Duration
}

// requirementResults joins the catalogue with the specs of the sorted run, sorted by profile and ID.
//
// A requirement fails if any of its specs failed. Otherwise it is an error if any spec was. Otherwise it passes if at least
// one spec passed. An undecided requirement has the worst outcome of its specs: not run, then skipped, then not supported.
// A requirement without a spec was not run. A spec may name a requirement that the run's catalogue lacks, which gets a
// result without a statement.
func (r Run) requirementResults() []RequirementResult {
	covering := map[string][]Spec{}
	for _, spec := range r.Specs {
		for _, id := range spec.Requirements {
			covering[id] = append(covering[id], spec)
		}
	}
	results := make([]RequirementResult, 0, len(r.Requirements))
	for _, requirement := range r.Requirements {
		results = append(results, r.judge(requirement, covering[requirement.ID]))
		delete(covering, requirement.ID)
	}
	for id, specs := range covering {
		result := r.judge(Requirement{ID: id}, specs)
		result.Reason = joinReasons([]string{"not in the catalogue of this run", result.Reason})
		results = append(results, result)
	}
	slices.SortStableFunc(results, func(a, b RequirementResult) int { return compareRequirements(a.Requirement, b.Requirement) })
	return results
}

// judge decides one requirement by the specs that cover it.
func (r Run) judge(requirement Requirement, specs []Spec) RequirementResult {
	result := RequirementResult{Requirement: requirement, Specs: specs, Outcome: NotRun}
	by := map[Outcome][]Spec{}
	for _, spec := range specs {
		outcome := spec.Outcome
		if !outcome.Valid() {
			outcome = Error
		}
		by[outcome] = append(by[outcome], spec)
		result.Duration += spec.Duration
	}
	for _, outcome := range []Outcome{Fail, Error, Pass, NotRun, Skipped, NotSupported} {
		if len(by[outcome]) > 0 {
			result.Outcome = outcome
			break
		}
	}
	if result.Outcome == Fail {
		result.Known = r.known(requirement.ID)
	}
	switch {
	case len(specs) == 0 && len(r.Specs) == 0:
		result.Reason = "no spec ran"
	case len(specs) == 0 && (r.Interrupted || r.Ended.IsZero()):
		result.Reason = "no spec that covers it ended before the run did"
	case len(specs) == 0 && len(r.Selection) > 0:
		result.Reason = "not selected"
	case len(specs) == 0:
		result.Reason = "no spec of this run covers it"
	case result.Outcome == Pass:
		// If only a part passed, the reason says which part.
		var parts []string
		for _, outcome := range []Outcome{NotRun, Skipped, NotSupported} {
			if n := len(by[outcome]); n > 0 {
				part := fmt.Sprintf("%d of %d specs %s", n, len(specs), outcome.Label())
				if why := reasons(by[outcome]); why != "" {
					part += ": " + why
				}
				parts = append(parts, part)
			}
		}
		result.Reason = joinReasons(parts)
	default:
		result.Reason = reasons(by[result.Outcome])
	}
	return result
}

// reasons are the distinct reasons of specs, one after the other.
func reasons(specs []Spec) string {
	var list []string
	for _, spec := range specs {
		list = append(list, spec.why())
	}
	return joinReasons(list)
}

// whyLimit is the length of a one-line reason, in bytes. The whole message is elsewhere.
const whyLimit = 240

// why is the reason for a spec's outcome in one line. The first line of a failure says little ("Expected", "Timed out after
// 30s."), so it is the beginning of the whole message.
func (s Spec) why() string {
	text := s.Reason
	if text == "" && s.Failure != nil {
		text = s.Failure.Message
	}
	line := strings.Join(strings.Fields(text), " ")
	if len(line) <= whyLimit {
		return line
	}
	line = strings.ToValidUTF8(line[:whyLimit], "")
	if i := strings.LastIndexByte(line, ' '); i > whyLimit/2 {
		line = line[:i]
	}
	return line + " …"
}

// failures are the Failures of the findings of the sorted run: see there.
func (r Run) failures(catalogue map[string]Requirement) []int {
	first := func(spec int) Requirement {
		var list []Requirement
		for _, id := range r.Specs[spec].Requirements {
			if requirement, ok := catalogue[id]; ok {
				list = append(list, requirement)
			}
		}
		if len(list) == 0 {
			return Requirement{}
		}
		return slices.MinFunc(list, compareRequirements)
	}
	var failed, undecided []int
	for i, spec := range r.Specs {
		switch {
		case spec.away():
		case spec.Outcome == Fail:
			failed = append(failed, i)
		case spec.Outcome == Error || !spec.Outcome.Valid():
			undecided = append(undecided, i)
		}
	}
	for _, list := range [][]int{failed, undecided} {
		slices.SortStableFunc(list, func(a, b int) int { return compareRequirements(first(a), first(b)) })
	}
	return append(failed, undecided...)
}

func joinReasons(list []string) string {
	var distinct []string
	for _, reason := range list {
		if reason != "" && !slices.Contains(distinct, reason) {
			distinct = append(distinct, reason)
		}
	}
	return strings.Join(distinct, "; ")
}
