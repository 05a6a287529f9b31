package reports

import "fmt"

// text is a difference in a sentence, without its scenario, case and metric.
func (d Difference) text() string {
	s := scaleOf(d.Unit, d.Old, d.New)
	unit := s.unit
	if unit != "" && unit != "%" {
		unit = " " + unit
	}
	text := fmt.Sprintf("%s → %s%s", s.format(d.Old), s.format(d.New), plain(unit))
	if d.Ratio > 0 {
		text += fmt.Sprintf(", × %.3g", d.Ratio)
		if d.Low > 0 && d.High > 0 {
			text += fmt.Sprintf(" [%.3g to %.3g]", d.Low, d.High)
		}
	}
	if d.Change != nil {
		text += fmt.Sprintf(" [%s to %s%s]", signed(s, d.Change.Low), signed(s, d.Change.High), plain(unit))
	}
	p := fmt.Sprintf("p=%.3f", d.P)
	if d.P < 0.0005 {
		p = "p<0.001"
	}
	if d.Pairs > 0 {
		p += fmt.Sprintf(", pairs: %d", d.Pairs)
	}
	text += " (" + p + ")"
	if d.Limited != "" {
		text += "; the generator was the limit: " + plain(d.Limited)
	}
	return text
}

// signed is a change with its sign.
func signed(s scale, change float64) string {
	if change < 0 {
		return "−" + s.format(-change)
	}
	return "+" + s.format(change)
}

// about names the measure, and says if an A/B run was not made to decide it.
func (d Difference) about() string {
	if d.Pairs > 0 && !d.Primary {
		return plain(d.About()) + " (secondary)"
	}
	return plain(d.About())
}

// verdict is the difference's in words, such as "the same within 25%".
func (d Difference) verdict() string {
	switch {
	case d.Primary && d.Verdict == NoDifference:
		return "not concluded"
	case d.Verdict != Same || d.Within <= 0:
		return plain(d.Verdict)
	case d.Change != nil:
		return fmt.Sprintf("%s within %s", Same, plain(Quantity(d.Within, d.Unit)))
	default:
		return fmt.Sprintf("%s within %.3g%%", Same, 100*d.Within)
	}
}

// About names the measure, such as "warm/rate=900 p99".
func (d Difference) About() string {
	return Scenario{Name: d.Scenario}.caseName(Case{Name: d.Case}) + " " + d.Metric
}

// silent says that a comparison showed nothing. Such comparisons are counted and not listed, unless the run was made for
// them.
func (d Difference) silent() bool {
	return !d.Primary && (d.Verdict == NoDifference || d.Verdict == TooFew)
}
