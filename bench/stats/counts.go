package stats

import (
	"errors"
	"fmt"
	"math"
	"sort"
)

// Count is the number of events of a repeat, and what they are of: the number of possible events, such as all requests for
// failed ones, or the number of units, such as identities for calls.
type Count struct{ Events, Of float64 }

// Counts are the counts of A and of B, by repeat.
type Counts struct {
	a, b arm
	// share says that an event is one of Of, so that there are at most Of events.
	share bool
	// dispersion is the factor by which the repeats differ more than by chance, at least 1. freedom is its number of
	// degrees of freedom.
	dispersion, freedom float64
}

type arm struct {
	events, of float64
	repeats    int
}

func (a arm) rate() float64 { return a.events / a.of }

// NewCounts takes the counts of A and B. With share they are events of a number of possible ones, which are compared as
// binomial. Otherwise they are events in a number of units, which are compared as Poisson.
//
// Requests of one repeat depend on each other: one moment without EKS Auth makes hundreds fail. So a test of all requests
// together, such as Fisher's, would find differences between two runs of one program. The repeats show by which factor they
// differ more than by chance (Pearson's statistic divided by its degrees of freedom). The intervals are wider by that
// factor, as in quasi-likelihood (Wedderburn, Biometrika 61, 1974; McCullagh and Nelder, Generalized Linear Models,
// chapters 4.5 and 6.2), with Student's t distribution, because the factor is estimated from few repeats. A side without
// any event does not contribute to it.
//
// The interval of each side is the score interval, which is valid for few events and for none (Wilson, JASA 22, 1927), and
// the interval of the difference combines both (Newcombe's method 10, Statistics in Medicine 17, 1998). No Go library has
// it.
func NewCounts(a, b []Count, share bool) (Counts, error) {
	c := Counts{share: share, dispersion: 1}
	var err [2]error
	c.a, err[0] = sum(a, share)
	c.b, err[1] = sum(b, share)
	if err := errors.Join(err[:]...); err != nil {
		return Counts{}, err
	}
	pearson := 0.0
	for _, side := range []struct {
		arm
		counts []Count
	}{{c.a, a}, {c.b, b}} {
		rate := side.rate()
		if rate == 0 || share && rate == 1 {
			continue
		}
		c.freedom += float64(side.repeats - 1)
		for _, count := range side.counts {
			expected := count.Of * rate
			variance := expected
			if share {
				variance *= 1 - rate
			}
			pearson += (count.Events - expected) * (count.Events - expected) / variance
		}
	}
	if c.freedom > 0 {
		c.dispersion = math.Max(1, pearson/c.freedom)
	} else {
		c.freedom = float64(c.a.repeats + c.b.repeats - 2)
	}
	return c, nil
}

func sum(counts []Count, share bool) (arm, error) {
	if len(counts) == 0 {
		return arm{}, errors.New("compare counts: there are none")
	}
	total := arm{repeats: len(counts)}
	for _, c := range counts {
		if !(c.Events >= 0) || !(c.Of > 0) || share && c.Events > c.Of || math.IsInf(c.Events, 0) || math.IsInf(c.Of, 0) {
			return arm{}, fmt.Errorf("compare counts: %g of %g", c.Events, c.Of)
		}
		total.events, total.of = total.events+c.Events, total.of+c.Of
	}
	return total, nil
}

// Rates of A and of B: events by what they are of.
func (c Counts) Rates() (a, b float64) { return c.a.rate(), c.b.rate() }

// Interval of the difference of the rates, B's minus A's, that is wrong with the probability level.
func (c Counts) Interval(level float64) Interval {
	if c.freedom < 1 {
		return Interval{c.b.rate() - c.a.rate(), math.Inf(-1), math.Inf(1)}
	}
	return c.interval(critical(level, c.freedom))
}

// interval is that of the difference, z standard errors wide.
func (c Counts) interval(z float64) Interval {
	difference := c.b.rate() - c.a.rate()
	aLow, aHigh := c.score(c.a, z)
	bLow, bHigh := c.score(c.b, z)
	return Interval{
		difference,
		difference - math.Hypot(c.b.rate()-bLow, aHigh-c.a.rate()),
		difference + math.Hypot(bHigh-c.b.rate(), c.a.rate()-aLow),
	}
}

// score is the interval of one side's rate, z standard errors wide.
func (c Counts) score(a arm, z float64) (low, high float64) {
	n, p := a.of/c.dispersion, a.rate()
	wide := z * z / n
	variance, scale := p, 1.0
	if c.share {
		variance, scale = p*(1-p), 1+wide
	}
	middle, half := (p+wide/2)/scale, z/scale*math.Sqrt(variance/n+wide/(4*n))
	low, high = math.Max(0, middle-half), middle+half
	if c.share {
		high = math.Min(1, high)
	}
	// At the ends the formula is exact, but its floating-point result is not.
	return math.Min(low, p), math.Max(high, p)
}

// P is the smallest level whose interval excludes 0.
func (c Counts) P() float64 {
	const steps = 400
	// Levels from 1 down to e^-40, which is practically zero.
	level := func(step int) float64 { return math.Exp(-40 * float64(step) / steps) }
	return level(max(0, sort.Search(steps, func(step int) bool {
		i := c.Interval(level(step))
		return i.Low <= 0 && i.High >= 0
	})-1))
}
