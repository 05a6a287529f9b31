package stats

import (
	"errors"
	"fmt"
	"math"

	"github.com/aclements/go-moremath/stats"
)

// leastSpread is the smallest spread of the ratios of pairs, as a standard deviation of their logarithms, that is used.
// Four pairs, or a measure with few values, such as pages of memory, may agree by chance.
const leastSpread = 0.03

// Interval is an estimate with its confidence limits.
type Interval struct{ Estimate, Low, High float64 }

// Paired are measures that were made alternately, A B B A A B B A, as pairs of A and B. A short slowdown of the machine
// affects both of a pair, and not their ratio. A drift slows A of one pair and B of the next.
type Paired struct {
	n            int
	mean, spread float64 // of the logarithms of the ratios
}

// NewPaired takes the measures of A and B, pair by pair. Measures that are not above 0 have no ratio: an error.
//
// The ratios are compared by Student's t test on their logarithms. If A and B are the same program, the logarithm of a
// ratio is as likely to be x as -x, for any distribution of the measure. For symmetric distributions with long tails the
// test finds fewer differences than its level allows, and never more (Efron, Student's t-test under symmetry conditions,
// JASA 64, 1969). A rank test would not need symmetry, but would need nine pairs to distinguish 30% from nothing.
func NewPaired(before, after []float64) (Paired, error) {
	if err := errors.Join(check("old", before), check("new", after)); err != nil {
		return Paired{}, err
	}
	if len(before) != len(after) {
		return Paired{}, fmt.Errorf("compare pairs: %d measurements and %d", len(before), len(after))
	}
	p := Paired{n: len(before)}
	logs := make([]float64, p.n)
	for i := range before {
		if before[i] <= 0 || after[i] <= 0 {
			return Paired{}, fmt.Errorf("compare pairs: %g and %g have no ratio", before[i], after[i])
		}
		logs[i] = math.Log(after[i] / before[i])
		p.mean += logs[i] / float64(p.n)
	}
	for _, l := range logs {
		p.spread += (l - p.mean) * (l - p.mean)
	}
	p.spread = math.Max(math.Sqrt(p.spread/float64(max(p.n-1, 1))), leastSpread)
	return p, nil
}

// Interval of the ratio of B to A that is wrong with the probability level. One pair is not enough.
func (p Paired) Interval(level float64) Interval {
	if p.n < 2 {
		return Interval{math.Exp(p.mean), 0, math.Inf(1)}
	}
	return p.interval(critical(level, float64(p.n-1)))
}

// interval is that of the ratio, t standard errors wide.
func (p Paired) interval(t float64) Interval {
	half := t * p.error()
	return Interval{math.Exp(p.mean), math.Exp(p.mean - half), math.Exp(p.mean + half)}
}

// P is the probability of a difference at least as large if there were none.
func (p Paired) P() float64 {
	if p.n < 2 {
		return 1
	}
	return 2 * stats.TDist{V: float64(p.n - 1)}.CDF(-math.Abs(p.mean)/p.error())
}

// error is the standard error of the mean.
func (p Paired) error() float64 { return p.spread / math.Sqrt(float64(p.n)) }

// More is the number of additional pairs that would make the interval at the level as narrow as a factor of 1+within in
// both directions, with the same spread.
func (p Paired) More(level, within float64) int {
	n := p.n
	for ; n < manyPairs; n++ {
		if n > 1 && critical(level, float64(n-1))*p.spread/math.Sqrt(float64(n)) <= math.Log1p(within) {
			break
		}
	}
	return n - p.n
}

// manyPairs is the largest number that More considers.
const manyPairs = 1000

// Detectable is the ratio above 1 that a number of pairs with a spread distinguishes from 1 in four of five runs.
func Detectable(pairs int, spread, level float64) float64 {
	freedom := float64(pairs - 1)
	return math.Exp((critical(level, freedom) + critical(2*(1-power), freedom)) * spread / math.Sqrt(float64(pairs)))
}

const power = 0.8

// critical is the value whose absolute value a variable of Student's t distribution exceeds with the probability level.
func critical(level, freedom float64) float64 {
	return -stats.InvCDF(stats.TDist{V: freedom})(level / 2)
}
