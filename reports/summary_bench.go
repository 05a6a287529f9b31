package reports

import (
	"fmt"
	"slices"
	"strings"
)

// bench writes the measurements: a table for each scenario, then thresholds and differences.
func (s *summary) bench() {
	bench := s.findings.Run.Bench
	if bench == nil {
		return
	}
	where := bench.where()
	if slices.ContainsFunc(bench.Scenarios, func(s Scenario) bool { return s.table().Spread }) {
		where = strings.TrimSpace(where + " ± is how far a repeat lies from the whole at most.")
	}
	if where != "" {
		s.text("", "", 0, where, dim)
		s.out.WriteByte('\n')
	}
	for _, scenario := range bench.Scenarios {
		s.scenario(scenario)
	}
	if len(bench.Thresholds) > 0 {
		s.text("", "", 0, "Thresholds", bold)
		for _, threshold := range bench.Thresholds {
			s.text(" ", s.mark(threshold.Outcome), 3, threshold.line(), "")
		}
		s.out.WriteByte('\n')
	}
	s.differences(*bench)
}

func (s *summary) scenario(scenario Scenario) {
	heading := plain(scenario.Name + ": " + scenario.Title)
	if scenario.Duration > 0 {
		heading += " (" + short(scenario.Duration) + ")"
	}
	s.text("", "", 0, heading, bold)
	if scenario.Outcome != Pass {
		why := scenario.Outcome.Label()
		if reason := scenario.why(); reason != "" {
			why += ": " + plain(reason)
		}
		s.text(" ", s.mark(scenario.Outcome), 3, why, "")
	}
	for _, line := range scenario.table().lines(s.width) {
		s.out.WriteString(line + "\n")
	}
	for _, c := range scenario.Cases {
		if failed := c.errors(); failed != "" {
			s.text(" ", s.paint(dim, "-"), 3, plain(scenario.caseName(c))+" failed: "+failed, "")
		}
	}
	for _, limited := range scenario.limited() {
		s.text(" ", s.paint(yellow, "!"), 3, limited, "")
	}
	for _, note := range scenario.Notes {
		s.text(" ", s.paint(dim, "-"), 3, plain(note), "")
	}
	s.out.WriteByte('\n')
}

func (s *summary) differences(bench Bench) {
	if len(bench.Differences) == 0 {
		return
	}
	s.text("", "", 0, bench.compared(), bold)
	unseen := map[string]int{}
	for _, difference := range bench.Differences {
		if difference.silent() {
			unseen[difference.Verdict]++
			continue
		}
		mark := s.paint(dim, "-")
		switch {
		case difference.Regressed:
			mark = s.paint(red, "✗")
		case difference.Verdict == Better:
			mark = s.paint(green, "✓")
		case difference.Verdict == Worse:
			mark = s.paint(yellow, "!")
		}
		s.text(" ", mark, 3, fmt.Sprintf("%s: %s, %s", difference.about(), difference.verdict(), difference.text()), "")
	}
	for _, verdict := range silentVerdicts {
		if n := unseen[verdict]; n > 0 {
			s.text(" ", s.paint(dim, "-"), 3, fmt.Sprintf("%s: %s", Plural(n, "measure"), verdict), "")
		}
	}
	s.out.WriteByte('\n')
}

// compared names what was compared.
func (b *Bench) compared() string {
	switch {
	case b.Baseline != "" && b.Tolerance > 0:
		return plain(fmt.Sprintf("Against the baseline %s, tolerance %.3g%%", b.Baseline, 100*b.Tolerance))
	case b.Baseline != "":
		return "Against the baseline " + plain(b.Baseline)
	case len(b.Variants) == 2:
		return plain(fmt.Sprintf("%s → %s: %s → %s", b.Variants[0].Name, b.Variants[1].Name, b.Variants[0].Image, b.Variants[1].Image))
	default:
		return "Differences"
	}
}

// where describes the machines and the limits of the generators.
func (b *Bench) where() string {
	var parts []string
	for _, m := range b.Machines {
		parts = append(parts, fmt.Sprintf("%s (%s, %s, %s)", m.Name, m.CPU, Plural(m.Cores, "core"), Quantity(float64(m.Memory), "B")))
	}
	var sentences []string
	if len(parts) > 0 {
		sentences = append(sentences, "Measured on "+strings.Join(parts, ", ")+".")
	}
	if g := b.Generator; g.Ceiling > 0 {
		sentences = append(sentences, fmt.Sprintf("The load generator reaches %.0f req/s on a handler that does nothing; there its own p99 is %s at %.0f req/s.", g.Ceiling, Quantity(g.P99, "sec"), g.Rate))
	}
	return plain(strings.Join(sentences, " "))
}

// line is the threshold with its measurements, or the reason why it was not judged.
func (t Threshold) line() string {
	text := plain(t.Expression)
	if t.Outcome != Pass {
		text += " " + map[Outcome]string{Fail: "does not hold"}[t.Outcome]
		if t.Outcome != Fail {
			text += t.Outcome.Label()
		}
	}
	if t.Reason != "" {
		text += ": " + plain(t.Reason)
	}
	if measured := t.text(false); measured != "" {
		text += " (" + measured + ")"
	}
	return text
}

func (s *summary) mark(outcome Outcome) string {
	switch outcome {
	case Pass:
		return s.paint(green, "✓")
	case Fail:
		return s.paint(red, "✗")
	case Skipped, NotSupported:
		return s.paint(dim, "-")
	default:
		return s.paint(yellow, "!")
	}
}
