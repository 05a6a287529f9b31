package reports

import (
	"cmp"
	"fmt"
	"strings"
)

// Verdict is the result of a whole run.
type Verdict struct {
	// Outcome is Pass, Fail or Error.
	Outcome Outcome
	// Reasons say what prevented the run from deciding everything that was requested. There is at least one if Outcome is
	// Error, there may be some with a Fail, and a Pass has none.
	Reasons []string
	// Specs and Requirements count their outcomes.
	Specs, Requirements Counts
	// Failed are the IDs of the requirements that failed, sorted.
	Failed []string
	// Known are known deviations of the subjects among them. They fail like the others.
	Known []Deviation
	// Scenarios and Thresholds count those of the benchmark; all are zero without one.
	Scenarios, Thresholds Counts
	// Limited is the number of scenarios with a case that measured the generator. Regressed is the number of measures that
	// are worse than the baseline's. Doubtful is the number of those that may be, but for which the generator was the
	// limit.
	Limited, Regressed, Doubtful int

	onlyBench bool
}

// verdict decides the run, of which these are the results. It is a Fail, which has priority over Error, if any spec, scenario or threshold failed, or a
// measure is worse than the baseline's. Other problems do not change that. It is an Error if the run had a problem or did
// not complete, if a spec, a scenario or a threshold could not be decided, if selected ones were not run, or if no spec
// passed or failed (in a run with measurements only: if no scenario was measured).
func (r Run) verdict(results []RequirementResult) Verdict {
	v := Verdict{onlyBench: r.onlyBench()}
	for _, spec := range r.Specs {
		v.Specs.add(spec.Outcome)
	}
	for _, result := range results {
		v.Requirements.add(result.Outcome)
		if result.Outcome == Fail {
			v.Failed = append(v.Failed, result.ID)
			v.Known = append(v.Known, result.Known...)
		}
	}
	if r.Bench != nil {
		v.bench(*r.Bench)
	}
	for _, problem := range r.Problems {
		v.Reasons = append(v.Reasons, fmt.Sprintf("%s: %s", problem.Doing, FirstLine(problem.Message)))
	}
	switch {
	case r.Interrupted:
		v.Reasons = append(v.Reasons, "the run was interrupted")
	case r.Ended.IsZero():
		v.Reasons = append(v.Reasons, "the run did not come to its end")
	}
	if n := v.Specs.Errored; n > 0 {
		v.Reasons = append(v.Reasons, Plural(n, "spec")+" could not be decided")
	}
	if n := v.Scenarios.Errored; n > 0 {
		v.Reasons = append(v.Reasons, Plural(n, "scenario")+" broke")
	}
	if n := v.Thresholds.Errored; n > 0 {
		v.Reasons = append(v.Reasons, Plural(n, "threshold")+" could not be judged")
	}
	if n := v.Doubtful; n > 0 {
		v.Reasons = append(v.Reasons, Plural(n, "measure")+" worse than in the baseline may be the generator's")
	}
	if len(v.Reasons) == 0 && !v.failed() {
		v.undecided()
	}
	switch {
	case v.failed():
		v.Outcome = Fail
	case len(v.Reasons) > 0:
		v.Outcome = Error
	default:
		v.Outcome = Pass
	}
	return v
}

func (v *Verdict) bench(bench Bench) {
	for _, scenario := range bench.Scenarios {
		v.Scenarios.add(scenario.Outcome)
		if len(scenario.limited()) > 0 {
			v.Limited++
		}
	}
	for _, threshold := range bench.Thresholds {
		v.Thresholds.add(threshold.Outcome)
	}
	for _, difference := range bench.Differences {
		if difference.Regressed {
			v.Regressed++
		}
		if difference.Limited != "" {
			v.Doubtful++
		}
	}
}

// failed says whether the subjects are at fault.
func (v *Verdict) failed() bool {
	return v.Specs.Failed > 0 || v.Scenarios.Failed > 0 || v.Thresholds.Failed > 0 || v.Regressed > 0
}

// undecided adds the reasons why a run without failures and errors is no pass.
func (v *Verdict) undecided() {
	if n := v.Specs.NotRun; n > 0 {
		v.Reasons = append(v.Reasons, Plural(n, "selected spec")+" not run")
	}
	if n := v.Scenarios.NotRun; n > 0 {
		v.Reasons = append(v.Reasons, Plural(n, "selected scenario")+" not run")
	}
	if n := v.Thresholds.Total() - v.Thresholds.Passed; n > 0 {
		v.Reasons = append(v.Reasons, Plural(n, "threshold")+" not judged")
	}
	switch {
	case len(v.Reasons) > 0:
	case v.onlyBench && v.Scenarios.Decided() == 0:
		v.Reasons = append(v.Reasons, "no scenario was measured")
	case !v.onlyBench && v.Specs.Decided() == 0:
		v.Reasons = append(v.Reasons, "no spec passed or failed")
	}
}

// ExitCode is the exit code of `epi test` and `epi bench`: 0 if all held, 1 if a requirement, a scenario or a threshold
// failed, also with other problems, and 3 without a verdict.
func (v Verdict) ExitCode() int {
	switch v.Outcome {
	case Pass:
		return 0
	case Fail:
		return 1
	default:
		return 3
	}
}

// Sentence is the verdict in one sentence with its counts, such as
// "Fail: 2 of 36 decided requirements do not hold, 34 hold; 3 not supported."
func (v Verdict) Sentence() string {
	return v.label() + ": " + v.finding() + "."
}

func (v Verdict) label() string {
	return strings.ToUpper(string(v.Outcome[:1])) + string(v.Outcome[1:])
}

// finding is the sentence without the verdict's word and without its full stop.
func (v Verdict) finding() string {
	var parts []string
	if v.Outcome == Error {
		parts = append(parts, "no verdict, because "+lowerFirst(strings.Join(v.Reasons, "; ")))
	}
	if !v.onlyBench {
		parts = append(parts, v.specFindings()...)
	}
	parts = append(parts, v.benchFindings()...)
	if v.Outcome == Fail && len(v.Reasons) > 0 {
		parts = append(parts, "besides, "+lowerFirst(strings.Join(v.Reasons, "; ")))
	}
	return strings.Join(parts, "; ")
}

// specFindings are the results of the requirements, or of the specs if that says more.
func (v Verdict) specFindings() []string {
	counts, noun := v.Requirements, "requirement"
	if counts.Total() == 0 || counts.Decided() == 0 && v.Specs.Decided() > 0 {
		counts, noun = v.Specs, "spec"
	}
	var parts []string
	switch {
	case v.Outcome == Error:
		if counts.Decided() > 0 {
			parts = append(parts, counts.list(noun, Fail, Pass))
		}
	case counts.Failed > 0:
		said := fmt.Sprintf("%d of %s %s not hold", counts.Failed, Plural(counts.Decided(), "decided "+noun), do(counts.Failed))
		if known := v.knownFailures(); known != "" && noun == "requirement" {
			said += " (" + known + ")"
		}
		if counts.Passed > 0 {
			said += fmt.Sprintf(", %d %s", counts.Passed, hold(counts.Passed))
		}
		parts = append(parts, said)
	case counts.Decided() > 0:
		parts = append(parts, fmt.Sprintf("%s that %s decided %s", all(counts.Decided(), noun), was(counts.Decided()), hold(counts.Decided())))
	}
	if rest := counts.list("", Error, NotSupported, Skipped, NotRun); rest != "" {
		parts = append(parts, rest)
	}
	return parts
}

// knownFailures counts the failed requirements that are known deviations: "1 known of v0.1.37".
func (v Verdict) knownFailures() string {
	failed := map[string]bool{}
	for _, deviation := range v.Known {
		failed[deviation.Requirement] = true
	}
	if len(failed) == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", len(failed), knownOf(v.Known))
}

// benchFindings are the results of scenarios and thresholds.
func (v Verdict) benchFindings() []string {
	var parts []string
	if v.Scenarios.Total() > v.Scenarios.Errored {
		said := v.Scenarios.text("scenario", map[Outcome]string{Fail: "failed", Pass: "measured"})
		if v.Limited > 0 {
			said += fmt.Sprintf(" (%d limited by the generator)", v.Limited)
		}
		if v.Outcome == Pass && v.Thresholds.Passed > 0 {
			said += fmt.Sprintf(", %s %s", Plural(v.Thresholds.Passed, "threshold"), hold(v.Thresholds.Passed))
		}
		parts = append(parts, said)
	}
	if v.Outcome != Pass && v.Thresholds.Total() > v.Thresholds.Errored {
		verbs := map[Outcome]string{Fail: "do not hold", Pass: hold(v.Thresholds.Passed)}
		if v.Thresholds.Failed == 1 {
			verbs[Fail] = "does not hold"
		}
		parts = append(parts, v.Thresholds.text("threshold", verbs))
	}
	if v.Regressed > 0 {
		is := "are"
		if v.Regressed == 1 {
			is = "is"
		}
		parts = append(parts, fmt.Sprintf("%s %s worse than in the baseline", Plural(v.Regressed, "measure"), is))
	}
	return parts
}

// text counts the outcomes in words, the bad ones first: "1 of 3 scenarios failed, 2 measured". Errors are among the
// reasons for the missing verdict.
func (c Counts) text(noun string, verbs map[Outcome]string) string {
	var parts []string
	for _, outcome := range outcomes {
		n := c.Of(outcome)
		if n == 0 || outcome == Error {
			continue
		}
		counted := fmt.Sprint(n)
		switch {
		case len(parts) > 0:
		case n == c.Total():
			counted = Plural(n, noun)
		default:
			counted += " of " + Plural(c.Total(), noun)
		}
		parts = append(parts, counted+" "+cmp.Or(verbs[outcome], outcome.Label()))
	}
	return strings.Join(parts, ", ")
}

// list counts the given outcomes, and leaves out zeros: "1 failed, 3 passed".
func (c Counts) list(noun string, of ...Outcome) string {
	var parts []string
	for _, outcome := range of {
		n := c.Of(outcome)
		if n == 0 {
			continue
		}
		counted := fmt.Sprint(n)
		if noun != "" && len(parts) == 0 {
			counted = Plural(n, noun)
		}
		parts = append(parts, counted+" "+participle(outcome))
	}
	return strings.Join(parts, ", ")
}

func participle(o Outcome) string {
	switch o {
	case Pass:
		return "passed"
	case Fail:
		return "failed"
	case Error:
		return "undecided by error"
	default:
		return o.Label()
	}
}

func all(n int, noun string) string {
	if n == 1 {
		return "the one " + noun
	}
	return fmt.Sprintf("all %d %ss", n, noun)
}

func was(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func hold(n int) string {
	if n == 1 {
		return "holds"
	}
	return "hold"
}

func do(n int) string {
	if n == 1 {
		return "does"
	}
	return "do"
}

// lowerFirst changes the first letter of a text so that it can follow "because". Names in capitals stay.
func lowerFirst(s string) string {
	if len(s) < 2 || s[1] < 'a' || s[1] > 'z' {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
