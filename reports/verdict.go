package reports

import (
	"fmt"
	"strings"
)

// Verdict is what a run says as a whole.
type Verdict struct {
	// Outcome is Pass, Fail or Error.
	Outcome Outcome
	// Reasons say why there is no verdict about the subjects, when Outcome is Error.
	Reasons []string
	// Specs and Requirements count their outcomes.
	Specs, Requirements Counts
	// Failed are the IDs of the requirements that failed, sorted; also when Outcome is Error.
	Failed []string
}

// Verdict decides the run. It is an Error, which wins over Fail, if the run had a problem or did
// not come to its end, if a spec could not be decided, if selected specs were not run although
// none failed, or if not a single spec passed or failed. It is a Fail if any spec failed.
func (r Run) Verdict() Verdict {
	var v Verdict
	for _, spec := range r.Specs {
		v.Specs.add(spec.Outcome)
	}
	for _, result := range r.RequirementResults() {
		v.Requirements.add(result.Outcome)
		if result.Outcome == Fail {
			v.Failed = append(v.Failed, result.ID)
		}
	}
	for _, problem := range r.Problems {
		v.Reasons = append(v.Reasons, fmt.Sprintf("%s: %s", problem.Doing, firstLine(problem.Message)))
	}
	switch {
	case r.Interrupted:
		v.Reasons = append(v.Reasons, "the run was interrupted")
	case r.Ended.IsZero():
		v.Reasons = append(v.Reasons, "the run did not come to its end")
	}
	if n := v.Specs.Errored; n > 0 {
		v.Reasons = append(v.Reasons, plural(n, "spec")+" could not be decided")
	}
	if n := v.Specs.NotRun; n > 0 && v.Specs.Failed == 0 && len(v.Reasons) == 0 {
		v.Reasons = append(v.Reasons, plural(n, "selected spec")+" not run")
	}
	if v.Specs.Decided() == 0 && len(v.Reasons) == 0 {
		v.Reasons = append(v.Reasons, "no spec passed or failed")
	}
	switch {
	case len(v.Reasons) > 0:
		v.Outcome = Error
	case v.Specs.Failed > 0:
		v.Outcome = Fail
	default:
		v.Outcome = Pass
	}
	return v
}

// ExitCode is what `epi test` exits with: 0 all held, 1 a requirement failed, 3 no verdict.
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
	return v.word() + ": " + v.finding() + "."
}

func (v Verdict) word() string {
	return strings.ToUpper(string(v.Outcome[:1])) + string(v.Outcome[1:])
}

// finding is the sentence without the verdict's word and without its full stop.
func (v Verdict) finding() string {
	counts, noun := v.Requirements, "requirement"
	if counts.Total() == 0 || counts.Decided() == 0 && v.Specs.Decided() > 0 {
		counts, noun = v.Specs, "spec"
	}
	var said string
	switch v.Outcome {
	case Pass:
		said = fmt.Sprintf("%s that %s decided %s", all(counts.Decided(), noun), was(counts.Decided()), hold(counts.Decided()))
	case Fail:
		said = fmt.Sprintf("%d of %s %s not hold", counts.Failed, plural(counts.Decided(), "decided "+noun), do(counts.Failed))
		if counts.Passed > 0 {
			said += fmt.Sprintf(", %d %s", counts.Passed, hold(counts.Passed))
		}
	default:
		said = "no verdict, because " + lowerFirst(strings.Join(v.Reasons, "; "))
		if counts.Decided() > 0 {
			said += fmt.Sprintf("; %s", counts.list(noun, Fail, Pass))
		}
	}
	if rest := counts.list("", Error, NotSupported, Skipped, NotRun); rest != "" {
		said += "; " + rest
	}
	return said
}

// list counts the given outcomes, leaving out what there is none of: "1 failed, 3 passed".
func (c Counts) list(noun string, of ...Outcome) string {
	var parts []string
	for _, outcome := range of {
		n := c.Of(outcome)
		if n == 0 {
			continue
		}
		counted := fmt.Sprint(n)
		if noun != "" && len(parts) == 0 {
			counted = plural(n, noun)
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
		return o.Words()
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
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

// lowerFirst lets a text that may start with a capital follow "because"; names in capitals stay.
func lowerFirst(s string) string {
	if len(s) < 2 || s[1] < 'a' || s[1] > 'z' {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
