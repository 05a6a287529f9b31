package reports

import (
	"fmt"
	"io"
)

// htmlComparison is a comparison in the form of its template.
type htmlComparison struct {
	Old, New              string
	Outcome               Outcome
	Label, Sentence       string
	Changes, Unlike, Gone []string
	ComparedSpecs         bool
	Flips                 []htmlFlip
	Benchmarks            *htmlBench
	Tolerance             string
}

type htmlFlip struct {
	ID             string
	Statement      []htmlText
	Outcome        Outcome
	Was, Is, Where string
}

// WriteComparisonHTML writes a comparison as one HTML page. Like a run's page it loads nothing.
func WriteComparisonHTML(w io.Writer, c Comparison) error {
	shown := htmlComparison{
		Old: plain(c.Old), New: plain(c.New), Outcome: c.outcome(), Sentence: c.sentence(), ComparedSpecs: c.ComparedSpecs,
		Changes: plains(c.Changes), Unlike: plains(c.Unlike), Gone: plains(c.Gone), Tolerance: fmt.Sprintf("%.3g%%", 100*c.Tolerance),
	}
	shown.Label = map[Outcome]string{Fail: "Worse", Error: "Undecided", Pass: "Not worse"}[shown.Outcome]
	for _, flip := range c.Requirements {
		row := htmlFlip{plain(flip.ID), code(plain(flip.Statement)), flip.New, flip.was(), flip.New.Label(), plain(clip(flip.Reason, 1<<10))}
		if !row.Outcome.Valid() {
			row.Outcome = Error
		}
		shown.Flips = append(shown.Flips, row)
	}
	if len(c.Benchmarks) > 0 {
		moved, silent := c.shown()
		bench := &htmlBench{Compared: "Measures of the benchmark"}
		for _, d := range moved {
			row := htmlDifference{About: d.about(), Text: d.text(), Verdict: c.verdictIn(d), Outcome: Skipped}
			switch {
			case d.Regressed:
				row.Outcome = Fail
			case d.Limited != "":
				row.Outcome = Error
			case d.Verdict == Better:
				row.Outcome = Pass
			}
			bench.Differences = append(bench.Differences, row)
		}
		for _, verdict := range silentVerdicts {
			if silent[verdict] > 0 {
				bench.Silent = append(bench.Silent, htmlCount{verdict, silent[verdict]})
			}
		}
		shown.Benchmarks = bench
	}
	return Page{Template: "compare.tmpl"}.Write(w, shown)
}
