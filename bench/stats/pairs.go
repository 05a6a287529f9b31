package stats

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// ComparePairs compares measurements made in turn, A B B A A B B A, in one run: before[i] beside
// after[i]. What slows the machine for a while slows both of a pair, and leaves their ratio alone; what
// slows it more and more slows A of one pair and B of the next. It is one of as many comparisons of the
// run as are given.
//
// The interval of the median ratio is between two of the ordered ratios, as the sign test has it, which
// assumes nothing about how they are distributed
// (https://en.wikipedia.org/wiki/Sign_test). Whoever makes many comparisons finds a difference in some
// by chance: so each is made with a confidence of 1 - 0.05/comparisons, by which the intervals of the run
// hold all together with Confidence, however they depend on each other
// (https://en.wikipedia.org/wiki/Bonferroni_correction). A difference is believed when its interval
// leaves 1 out.
func ComparePairs(before, after []float64, direction Direction, comparisons int) (Difference, error) {
	if err := errors.Join(check("old", before), check("new", after)); err != nil {
		return Difference{}, err
	}
	if len(before) != len(after) {
		return Difference{}, fmt.Errorf("compare pairs: %d measurements and %d", len(before), len(after))
	}
	ratios := make([]float64, 0, len(before))
	for i := range before {
		ratios = append(ratios, ratio(after[i], before[i]))
	}
	slices.Sort(ratios)
	n, comparisons := len(ratios), max(comparisons, 1)
	d := Difference{
		Old: Summarize(before), New: Summarize(after), Ratio: middle(ratios),
		Low: math.Inf(-1), High: math.Inf(1), P: signTest(ratios, comparisons),
	}
	left := outside(n, comparisons)
	if left < 0 {
		d.Verdict = TooFew
		return d, nil
	}
	d.Low, d.High = ratios[left], ratios[n-1-left]
	switch {
	case d.Low <= 1 && d.High >= 1:
		d.Verdict = NoDifference
	default:
		d.Verdict = verdict(d.High < 1, direction)
	}
	return d, nil
}

// Pairs is the smallest number of pairs by which a difference can be shown among so many comparisons:
// all of them must agree then.
func Pairs(comparisons int) int {
	n := 1
	for outside(n, comparisons) < 0 {
		n++
	}
	return n
}

// outside is how many of n ordered ratios are left out at either end of the interval; negative if even
// all n are too few for one.
func outside(n, comparisons int) int {
	k := 0
	for tails(n, k) <= significance/float64(max(comparisons, 1)) {
		k++
	}
	return k - 1
}

// tails is the probability that of n fair coins at most k show one side, or the other.
func tails(n, k int) float64 {
	return math.Min(1, 2*stats.BinomialDist{N: n, P: 0.5}.CDF(float64(k)))
}

// signTest is the probability, by the ratios above and below 1, of a difference in one of so many
// comparisons if there were none. A ratio of 1 speaks for neither.
func signTest(ratios []float64, comparisons int) float64 {
	above, below := 0, 0
	for _, r := range ratios {
		switch {
		case r > 1:
			above++
		case r < 1:
			below++
		}
	}
	return math.Min(1, float64(comparisons)*tails(len(ratios), len(ratios)-max(above, below)))
}

// middle of ordered ratios: the geometric mean of the two in the middle of an even number.
func middle(ordered []float64) float64 {
	n := len(ordered)
	low, high := ordered[(n-1)/2], ordered[n/2]
	if low == high {
		return low
	}
	return math.Sqrt(low * high)
}
