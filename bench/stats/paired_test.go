package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The shares of all looks are 1 together: 1/2 + 1/6 + 1/12 + ... telescopes.
func TestTheErrorIsSpentOnce(t *testing.T) {
	sum := 0.0
	for k := 1; k <= 100_000; k++ {
		sum += Spend(k)
	}
	if sum > 1 || sum < 0.9999 || Spend(1) != 0.5 {
		t.Errorf("the looks spend %g, the first %g", sum, Spend(1))
	}
	for k := range 10 {
		if before := 1 - SpendRest(k+1); math.Abs(before+Spend(k+1)+SpendRest(k+2)-1) > 1e-9 {
			t.Errorf("look %d spends %g and leaves %g of %g", k+1, Spend(k+1), SpendRest(k+2), 1-before)
		}
	}
	if got, want := Looks(30), []int{4, 6, 9, 14, 21}; !slices.Equal(got, want) {
		t.Errorf("looks after %v, want %v", got, want)
	}
	if got := Looks(3); len(got) != 0 {
		t.Errorf("looks after %v of 3", got)
	}
}

// Quantiles of Student's t: any table of it.
func TestIntervalsOfPairs(t *testing.T) {
	x := math.Exp(0.1)
	p, err := NewPaired([]float64{1, 1, 1, 1}, []float64{2 * x, 2 / x, 2 * x, 2 / x})
	if err != nil {
		t.Fatal(err)
	}
	half := 3.182446 * (0.1 * math.Sqrt(4./3)) / 2 // 0.975 of 3 degrees; the standard error of 4
	got := p.Interval(0.05)
	if !near(got.Estimate, 2) || !near(got.Low, 2*math.Exp(-half)) || !near(got.High, 2*math.Exp(half)) {
		t.Errorf("%+v, want 2 within a factor of e^%g", got, half)
	}
	if at := p.Interval(p.P()); !near(at.Low, 1) {
		t.Errorf("the interval at P = %g is %+v, want one from 1", p.P(), at)
	}
	// Values that agree by chance are not trusted to the last digit.
	exact, err := NewPaired([]float64{3, 3, 3, 3}, []float64{3, 3, 3, 3})
	if err != nil || exact.Interval(0.05).High < 1.04 || !near(exact.P(), 1) {
		t.Errorf("four equal pairs: %+v, P %g, %v", exact.Interval(0.05), exact.P(), err)
	}
	one, err := NewPaired([]float64{3}, []float64{30})
	if err != nil || !math.IsInf(one.Interval(0.05).High, 1) || one.P() != 1 {
		t.Errorf("one pair: %+v, %v", one.Interval(0.05), err)
	}
	for _, row := range [][2][]float64{{{1, 2}, {1}}, {nil, nil}, {{0, 1}, {1, 1}}, {{1}, {-1}}, {{math.NaN()}, {1}}, {{1}, {math.Inf(1)}}} {
		if _, err := NewPaired(row[0], row[1]); err == nil {
			t.Errorf("%v and %v were compared", row[0], row[1])
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-4*math.Max(1, math.Abs(b)) }

func TestWhatAPlanSays(t *testing.T) {
	level := Level(Spend(1), 9)
	few, many := Detectable(4, 0.1, level), Detectable(20, 0.1, level)
	if !(few > many && many > 1 && few < 3) {
		t.Errorf("detectable after 4 pairs × %g, after 20 × %g", few, many)
	}
	p, err := NewPaired([]float64{1, 1, 1, 1}, []float64{1.1, 0.9, 1.1, 0.9})
	if err != nil {
		t.Fatal(err)
	}
	more := p.More(level, 0.25)
	if more < 1 || more > 20 || p.More(level, 10) != 0 {
		t.Errorf("%d more pairs for 25%%, %d for a factor of 11", more, p.More(level, 10))
	}
}

func TestConclusions(t *testing.T) {
	for _, row := range []struct {
		low, high float64
		region    Region
		direction Direction
		want      Verdict
	}{
		{1.1, 1.2, RatioWithin(.25), LowerIsBetter, Worse},
		{1.1, 1.2, RatioWithin(.25), HigherIsBetter, Better},
		{0.1, 0.9, RatioWithin(.25), LowerIsBetter, Better},
		{0.81, 1.24, RatioWithin(.25), LowerIsBetter, Same},
		{0.79, 1.1, RatioWithin(.25), LowerIsBetter, NoDifference},
		{0.9, 1.26, RatioWithin(.25), LowerIsBetter, NoDifference},
		{-.01, .01, RateWithin(.02), LowerIsBetter, Same},
		{-.03, .01, RateWithin(.02), LowerIsBetter, NoDifference},
		{.001, .01, RateWithin(.02), LowerIsBetter, Worse},
		{math.Inf(-1), math.Inf(1), RateWithin(.02), LowerIsBetter, NoDifference},
	} {
		if got := Conclude(Interval{Low: row.low, High: row.high}, row.region, row.direction); got != row.want {
			t.Errorf("%+v: %q", row, got)
		}
	}
}

func TestDiscoveries(t *testing.T) {
	// The example of Benjamini and Hochberg (1995), section 4.1: the four smallest of 15 are found.
	p := []float64{.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1}
	for i, found := range Discoveries(p) {
		if found != (i < 4) {
			t.Errorf("P %g: %t", p[i], found)
		}
	}
	if got := Discoveries([]float64{.06, .9}); got[0] || got[1] {
		t.Errorf("found %v", got)
	}
}

// machine is a simulated machine that is measured in the order A B B A, with disturbances: noise with a long tail, a drift
// over the run, slow periods, and a measure that depends on the one before.
type machine struct {
	random *rand.Rand
	at     int
	slow   bool
	last   float64
}

// execution measures m measures that share the slowdowns of the machine. true is the value of each without them. Every
// third measure has few values only, like pages of memory.
func (s *machine) execution(m int, truth float64) []float64 {
	s.at++
	if s.random.Float64() < 0.1 {
		s.slow = !s.slow
	}
	s.last = 0.7*s.last + 0.05*s.random.NormFloat64()
	slowdown := s.last + 0.02*float64(s.at)
	if s.slow {
		slowdown += 0.5
	}
	values := make([]float64, m)
	for i := range values {
		own := 0.1 * s.random.NormFloat64()
		if s.random.Float64() < 0.05 {
			own += 2 * s.random.ExpFloat64() // a stall
		}
		values[i] = truth * math.Exp(slowdown+own)
		if i%3 == 2 {
			values[i] = truth * float64(100+4*s.random.IntN(2))
		}
	}
	return values
}

// table keeps quantiles, which simulations need again and again.
type table map[[2]float64]float64

func (t table) critical(level, freedom float64) float64 {
	key := [2]float64{level, freedom}
	if t[key] == 0 {
		t[key] = critical(level, freedom)
	}
	return t[key]
}

// run is one run with m comparisons of two agents, until all have concluded or most pairs are made. It returns the numbers
// of measures with a difference and of measures that are the same.
func (s *machine) run(t *testing.T, quantiles table, m, most int, factor float64) (different, same int) {
	t.Helper()
	before, after := make([][]float64, m), make([][]float64, m)
	concluded := make([]Verdict, m)
	looks := Looks(most)
	for pair, look := 0, 0; look < len(looks); {
		sides := [2][]float64{}
		for _, side := range [2][2]int{{0, 1}, {1, 0}}[pair%2] {
			sides[side] = s.execution(m, [2]float64{7, 7 * factor}[side])
		}
		for i := range m {
			before[i], after[i] = append(before[i], sides[0][i]), append(after[i], sides[1][i])
		}
		if pair++; pair < looks[look] {
			continue
		}
		look++
		for i := range m {
			if concluded[i] != "" {
				continue
			}
			p, err := NewPaired(before[i], after[i])
			if err != nil {
				t.Fatal(err)
			}
			share := Spend(look)
			if look == len(looks) {
				share = SpendRest(look)
			}
			if v := Conclude(p.interval(quantiles.critical(Level(share, m), float64(p.n-1))), RatioWithin(.25), LowerIsBetter); v != NoDifference {
				concluded[i] = v
			}
		}
	}
	for _, v := range concluded {
		switch v {
		case Better, Worse:
			different++
		case Same:
			same++
		}
	}
	return different, same
}

// The same agent twice, examined repeatedly: of twenty runs at most one shows a difference in any measure. 5,000 runs allow
// for one percent of chance.
func TestTheSameTwiceShowsNoDifferenceInARun(t *testing.T) {
	quantiles := table{}
	for _, row := range []struct{ comparisons, most int }{{1, 30}, {3, 14}, {9, 30}} {
		const runs = 5000
		wrong := 0
		for seed := range uint64(runs) {
			machine := &machine{random: rand.New(rand.NewPCG(seed, 1))}
			if different, _ := machine.run(t, quantiles, row.comparisons, row.most, 1); different > 0 {
				wrong++
			}
		}
		t.Logf("%d comparisons, up to %d pairs: %d of %d runs show a difference", row.comparisons, row.most, wrong, runs)
		if wrong > runs*6/100 {
			t.Errorf("%d comparisons, up to %d pairs: a difference in %d of %d runs", row.comparisons, row.most, wrong, runs)
		}
	}
}

// A difference that matters is not concluded as Same.
func TestADifferenceThatMattersIsNotTheSame(t *testing.T) {
	const runs, comparisons = 2000, 3
	quantiles := table{}
	wrong := 0
	for seed := range uint64(runs) {
		machine := &machine{random: rand.New(rand.NewPCG(seed, 2))}
		if _, same := machine.run(t, quantiles, comparisons, 30, 1.26); same > 0 {
			wrong++
		}
	}
	t.Logf("%d of %d runs take 26%% more for the same within 25%%", wrong, runs)
	if wrong > runs*6/100 {
		t.Errorf("%d of %d runs take 26%% more for the same within 25%%", wrong, runs)
	}
}

// A factor of three is found on the same machine.
func TestALargeDifferenceIsShownInARun(t *testing.T) {
	const runs, comparisons = 300, 6
	quantiles := table{}
	missed := 0
	for seed := range uint64(runs) {
		machine := &machine{random: rand.New(rand.NewPCG(seed, 3))}
		if different, _ := machine.run(t, quantiles, comparisons, 21, 3); different < comparisons-1 {
			missed++
		}
	}
	t.Logf("threefold was missed in %d of %d runs", missed, runs)
	if missed > runs/10 {
		t.Errorf("threefold was missed in %d of %d runs", missed, runs)
	}
}
