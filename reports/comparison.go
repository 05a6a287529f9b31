package reports

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Comparison says what changed between two runs.
type Comparison struct {
	// Old and New are the runs under the user's names.
	Old string `json:"old"`
	New string `json:"new"`
	// Changes are the differences of the tested programs. Unlike says why the benchmarks are not comparable.
	Changes []string `json:"changes"`
	Unlike  []string `json:"unlike"`
	// Gone are measures and scenarios that only the old run has.
	Gone []string `json:"gone"`
	// Tolerance is the share by which a measure may get worse: 0.1 for 10%.
	Tolerance    float64      `json:"tolerance"`
	Requirements []Flip       `json:"requirements"`
	Benchmarks   []Difference `json:"benchmarks"`
	// Regressed says that a requirement fails that did not before, or that a benchmark is worse than the old one increased
	// by the tolerance.
	Regressed bool `json:"regressed"`
	// Doubtful says that a benchmark is worse where the generator, and not the subject, was the limit.
	Doubtful bool `json:"doubtful"`

	// ComparedSpecs says that both runs have specs.
	ComparedSpecs bool `json:"-"`
}

// Flip is a requirement whose outcome changed.
type Flip struct {
	ID string `json:"id"`
	// Old is empty if the old run did not have the requirement.
	Old Outcome `json:"old"`
	New Outcome `json:"new"`
	// Statement of the requirement, and the reason for its new outcome, if there is one.
	Statement string `json:"statement,omitempty"`
	Reason    string `json:"reason,omitempty"`
	// Broke says that it held or was undecided before, and fails now.
	Broke bool `json:"broke,omitempty"`
}

// was is the old outcome in words.
func (f Flip) was() string {
	if f.Old == "" {
		return "not there"
	}
	return f.Old.Label()
}

// sentence summarizes the comparison.
func (c Comparison) sentence() string {
	switch {
	case c.Regressed:
		return "The new run is worse."
	case c.Doubtful:
		return "The new run is worse, or its generator was the limit: measure again on a machine that is less busy, or at lower rates."
	default:
		return "The new run is not shown to be worse."
	}
}

// outcome is the comparison as an outcome; Error if it is not known whether the new run is worse.
func (c Comparison) outcome() Outcome {
	switch {
	case c.Regressed:
		return Fail
	case c.Doubtful:
		return Error
	default:
		return Pass
	}
}

// verdictIn is the verdict about a difference, with its reservations.
func (c Comparison) verdictIn(d Difference) string {
	switch {
	case d.Limited != "":
		return d.verdict() + ", or the generator's limit"
	case d.Verdict == Worse && !d.Regressed:
		return d.verdict() + ", tolerated"
	default:
		return d.verdict()
	}
}

// shown separates the differences that show something from the others, which it counts by verdict.
func (c Comparison) shown() (shown []Difference, silent map[string]int) {
	silent = map[string]int{}
	for _, d := range c.Benchmarks {
		if d.silent() {
			silent[d.Verdict]++
			continue
		}
		shown = append(shown, d)
	}
	// The worst come first, each kind in the order of the benchmark.
	rank := func(d Difference) int {
		switch {
		case d.Regressed:
			return 0
		case d.Limited != "":
			return 1
		case d.Verdict == Worse:
			return 2
		default:
			return 3
		}
	}
	slices.SortStableFunc(shown, func(a, b Difference) int { return cmp.Compare(rank(a), rank(b)) })
	return shown, silent
}

// silentVerdicts are the verdicts that show nothing about a measure, in the order of the reports.
var silentVerdicts = [...]string{NoDifference, TooFew}

// WriteComparison writes a comparison for a terminal. all also lists the measures about which nothing was shown.
func WriteComparison(w io.Writer, c Comparison, all bool) error {
	var b strings.Builder
	for _, change := range c.Changes {
		fmt.Fprintf(&b, "%s\n", line(change))
	}
	for _, unlike := range c.Unlike {
		fmt.Fprintf(&b, "Warning: unlike things are compared: %s\n", line(unlike))
	}
	for _, gone := range c.Gone {
		fmt.Fprintf(&b, "Warning: only the old run measured %s\n", line(gone))
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	c.textOfRequirements(&b)
	if err := c.textOfBenchmarks(&b, all); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	b.WriteString(c.sentence() + "\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

func (c Comparison) textOfRequirements(b *strings.Builder) {
	if !c.ComparedSpecs {
		return
	}
	if len(c.Requirements) == 0 {
		b.WriteString("Requirements: none flipped.\n\n")
		return
	}
	b.WriteString("Requirements that flipped:\n")
	for _, flip := range c.Requirements {
		mark := "-"
		switch {
		case flip.Broke:
			mark = "✗"
		case flip.New == Pass:
			mark = "✓"
		}
		fmt.Fprintf(b, " %s %s %s → %s: %s\n", mark, line(flip.ID), flip.was(), flip.New.Label(), line(flip.Statement))
	}
	b.WriteByte('\n')
}

func (c Comparison) textOfBenchmarks(b *strings.Builder, all bool) error {
	if len(c.Benchmarks) == 0 {
		return nil
	}
	listed, silent := c.shown()
	if all {
		listed = c.Benchmarks
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	if len(listed) > 0 {
		_, _ = fmt.Fprintln(table, "BENCHMARK\tOLD\tNEW\tRATIO\tP\tVERDICT")
	}
	for _, d := range listed {
		ratio := "–"
		if d.Ratio > 0 {
			ratio = fmt.Sprintf("× %.3g", d.Ratio)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.3f\t%s\n", line(d.About()), line(Quantity(d.Old, d.Unit)), line(Quantity(d.New, d.Unit)), ratio, d.P, c.verdictIn(d))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, verdict := range silentVerdicts {
		if n := silent[verdict]; n > 0 {
			fmt.Fprintf(b, "%d of %d measures: %s\n", n, len(c.Benchmarks), verdict)
		}
	}
	b.WriteByte('\n')
	return nil
}

// line is a text in one line that is safe to show.
func line(s string) string { return strings.Join(strings.Fields(plain(s)), " ") }

// WriteComparisonMarkdown writes a comparison as Markdown, for a comment on a pull request or a job's summary.
func WriteComparisonMarkdown(w io.Writer, c Comparison) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s %s\n\n%s → %s\n\n", markOf(c.outcome()), c.sentence(), markdown(c.Old), markdown(c.New))
	list := func(title string, entries []string) {
		if len(entries) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s:\n\n", title)
		for _, entry := range entries {
			fmt.Fprintf(&b, "- %s\n", markdown(entry))
		}
		b.WriteByte('\n')
	}
	list("What differs", c.Changes)
	list("⚠️ Unlike things are compared", c.Unlike)
	list("⚠️ Only the old run measured", c.Gone)
	switch {
	case len(c.Requirements) > 0:
		b.WriteString("### Requirements that flipped\n\n| | Requirement | Old | New |\n| --- | --- | --- | --- |\n")
		for _, flip := range c.Requirements {
			mark := ""
			switch {
			case flip.Broke:
				mark = "❌"
			case flip.New == Pass:
				mark = "✅"
			}
			fmt.Fprintf(&b, "| %s | **%s** %s | %s | %s |\n", mark, markdown(flip.ID), markdown(flip.Statement), flip.was(), flip.New.Label())
		}
		b.WriteByte('\n')
	case c.ComparedSpecs:
		b.WriteString("No requirement flipped.\n\n")
	}
	shown, silent := c.shown()
	if len(shown) > 0 {
		b.WriteString("### Measures that moved\n\n| | Measure | Old → new | Verdict |\n| --- | --- | --- | --- |\n")
		for _, d := range shown {
			mark := ""
			switch {
			case d.Regressed:
				mark = "❌"
			case d.Limited != "":
				mark = "⚠️"
			case d.Verdict == Better:
				mark = "✅"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", mark, markdown(d.About()), markdown(d.text()), markdown(c.verdictIn(d)))
		}
		b.WriteByte('\n')
	}
	for _, verdict := range silentVerdicts {
		if n := silent[verdict]; n > 0 {
			fmt.Fprintf(&b, "- %d of %d measures: %s\n", n, len(c.Benchmarks), verdict)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write comparison as Markdown: %w", err)
	}
	return nil
}

// markOf is an outcome as Markdown shows it.
func markOf(outcome Outcome) string {
	switch outcome {
	case Pass:
		return "✅"
	case Fail:
		return "❌"
	default:
		return "⚠️"
	}
}
