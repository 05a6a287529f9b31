// Package stats says whether two sets of measurements differ. It never compares two averages only.
//
// Compare compares two runs with benchstat's own packages, which assume nothing about the distribution of measurements.
// Paired compares two programs that were measured alternately in one run, by the ratios of their pairs. Counts compares
// numbers of events by their rates, with the over-dispersion of the repeats. Spend allows such a run any number of looks
// without more errors.
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

// Confidence of all intervals, and the significance below which a difference counts.
const (
	Confidence   = 0.95
	significance = 1 - Confidence
)

// Verdict of a comparison.
type Verdict string

const (
	// NoDifference: no difference was shown. There may be one.
	NoDifference Verdict = reports.NoDifference
	Better       Verdict = reports.Better
	Worse        Verdict = reports.Worse
	// Same: the difference, if any, is in the range that does not matter.
	Same Verdict = reports.Same
	// TooFew: with so few measurements no difference could be shown.
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
	// Median, and the interval that contains it with Confidence: infinite for too few measurements.
	Median, Low, High float64
	N                 int
}

// Summarize summarizes a sample.
func Summarize(sample []float64) Summary {
	s := benchmath.AssumeNothing.Summary(newSample(sample), Confidence)
	return Summary{Median: s.Center, Low: s.Lo, High: s.Hi, N: len(sample)}
}

// Difference is the result of a comparison.
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

// leastP is the P of two samples of which one is wholly below the other: two of all the ways to choose which of n+m
// measurements are the first sample's.
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

// newSample copies the values, because benchmath sorts them.
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
