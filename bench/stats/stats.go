// Package stats says whether two sets of measurements differ, and never by two averages.
//
// Two runs are compared by benchstat's own packages, which assume nothing about how measurements are
// distributed (Compare). Two programs that were measured alternately in one run are compared by the ratios of
// their pairs (Paired), and what is counted by its rates with the over-dispersion of the repeats (Counts).
// Such a run may look as often as it likes (Spend), and is wrong no more often for it.
package stats

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/aclements/go-moremath/mathx"
	"golang.org/x/perf/benchmath"

	"github.com/podidentity/epi/reports"
)

// Confidence of all intervals, and the significance below which a difference is believed.
const (
	Confidence   = 0.95
	significance = 1 - Confidence
)

// Verdict of a comparison.
type Verdict string

const (
	// NoDifference: none was shown, which is not to say that there is none.
	NoDifference Verdict = reports.NoDifference
	Better       Verdict = reports.Better
	Worse        Verdict = reports.Worse
	// Same: what difference there is, is within what was said not to matter.
	Same Verdict = reports.Same
	// TooFew: with so few measurements nothing could be shown.
	TooFew Verdict = reports.TooFew
)

// Direction is which way a measure is better.
type Direction int

const (
	// LowerIsBetter: latencies, CPU seconds, memory, errors.
	LowerIsBetter Direction = iota
	// HigherIsBetter: throughput.
	HigherIsBetter
)

// Summary is the median of a sample with its confidence limits.
type Summary struct {
	// Median, and the interval that has it with Confidence: infinite for too few measurements.
	Median, Low, High float64
	N                 int
}

// Summarize sums a sample up.
func Summarize(sample []float64) Summary {
	s := benchmath.AssumeNothing.Summary(newSample(sample), Confidence)
	return Summary{Median: s.Center, Low: s.Lo, High: s.Hi, N: len(sample)}
}

// Difference is what a comparison showed.
type Difference struct {
	Old, New Summary
	// Ratio of New to Old, by their medians. Infinite if Old is 0 and New is not.
	Ratio float64
	// P is the probability of a difference at least as large if there were none.
	P       float64
	Verdict Verdict
}

// Compare compares measurements that were made in two runs (Mann–Whitney U test).
func Compare(before, after []float64, direction Direction) (Difference, error) {
	if err := errors.Join(check("old", before), check("new", after)); err != nil {
		return Difference{}, err
	}
	c := benchmath.AssumeNothing.Compare(newSample(before), newSample(after))
	d := Difference{Old: Summarize(before), New: Summarize(after), P: c.P}
	d.Ratio = ratio(d.New.Median, d.Old.Median)
	switch {
	case leastP(len(before), len(after)) > significance:
		d.Verdict = TooFew
	case c.P > significance || d.New.Median == d.Old.Median:
		d.Verdict = NoDifference
	default:
		d.Verdict = verdict(d.New.Median < d.Old.Median, direction)
	}
	return d, nil
}

// leastP is the P of two samples of which one lies wholly below the other: two of all the ways to
// choose which of n+m measurements are the first sample's.
func leastP(n, m int) float64 {
	return 2 / mathx.Choose(n+m, n)
}

func verdict(lower bool, direction Direction) Verdict {
	if lower == (direction == LowerIsBetter) {
		return Better
	}
	return Worse
}

// ratio of two measures; equal ones, both 0 too, have the ratio 1.
func ratio(a, b float64) float64 {
	if a == b {
		return 1
	}
	return a / b
}

// newSample copies: benchmath sorts what it gets.
func newSample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}

func check(name string, sample []float64) error {
	if len(sample) == 0 {
		return fmt.Errorf("compare: the %s sample is empty", name)
	}
	for _, value := range sample {
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return fmt.Errorf("compare: the %s sample holds %g", name, value)
		}
	}
	return nil
}
