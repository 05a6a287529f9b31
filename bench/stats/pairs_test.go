package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// onePair compares pairs as the only comparison of a run.
func onePair(before, after []float64, direction Direction) (Difference, error) {
	return ComparePairs(before, after, direction, 1)
}

// The probability that n coins agree is 2/2^n; see any table of the binomial distribution for the rest.
func TestPairsThatAComparisonNeeds(t *testing.T) {
	for comparisons, want := range map[int]int{0: 6, 1: 6, 6: 8, 12: 9, 25: 10, 36: 11, 51: 11, 52: 12, 100: 12} {
		if got := Pairs(comparisons); got != want {
			t.Errorf("%d comparisons need %d pairs, want %d", comparisons, got, want)
		}
	}
	for _, row := range []struct{ n, comparisons, want int }{
		{5, 1, -1}, {6, 1, 0}, {8, 1, 0}, {9, 1, 1}, {20, 1, 5}, // 2*P(Bin(20,½)<=5) = 0.0414
		{8, 6, 0}, {8, 7, -1}, {12, 6, 1}, {60, 1, 21},
	} {
		if got := outside(row.n, row.comparisons); got != row.want {
			t.Errorf("of %d pairs in %d comparisons %d are left out at either end, want %d", row.n, row.comparisons, got, row.want)
		}
	}
}

func TestPairsThatAgreeShowTheirRatio(t *testing.T) {
	ones := []float64{1, 1, 1, 1, 1, 1, 1, 1}
	inf := math.Inf(1)
	for name, row := range map[string]struct {
		before, after    []float64
		comparisons      int
		ratio, low, high float64
		p                float64
		want             Verdict
	}{
		"all agree":              {ones, []float64{2, 3, 2, 3, 2, 3, 2, 3}, 6, math.Sqrt(6), 2, 3, 6 * 2 / 256., Worse},
		"all but one":            {ones, []float64{2, 3, 2, 3, 2, 3, 2, .9}, 6, 2, .9, 3, 6 * 2 * 9 / 256., NoDifference},
		"too many comparisons":   {ones, []float64{2, 3, 2, 3, 2, 3, 2, 3}, 7, math.Sqrt(6), -inf, inf, 7 * 2 / 256., TooFew},
		"equal":                  {ones, ones, 6, 1, 1, 1, 1, NoDifference},
		"one is equal":           {ones, []float64{2, 3, 2, 3, 2, 3, 2, 1}, 1, 2, 1, 3, 2 * 9 / 256., NoDifference},
		"something from nothing": {make([]float64, 8), ones, 6, inf, inf, inf, 6 * 2 / 256., Worse},
		"nothing from something": {ones, make([]float64, 8), 6, 0, 0, 0, 6 * 2 / 256., Better},
		"nothing, mostly":        {make([]float64, 8), []float64{0, 0, 0, 0, 0, 0, 0, 1}, 6, 1, 1, inf, 1, NoDifference},
	} {
		d, err := ComparePairs(row.before, row.after, LowerIsBetter, row.comparisons)
		if err != nil || d.Verdict != row.want || !near(d.Ratio, row.ratio) || d.Low != row.low || d.High != row.high || !near(d.P, row.p) {
			t.Errorf("%s: %+v, %v; want %+v", name, d, err, row)
		}
	}
}

func near(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-12 }

// machine is a simulated machine that is measured in the order A B B A, and what disturbs it: noise with
// a long tail, a drift over the run, spells in which all is slow, and a measure that depends on the last.
type machine struct {
	random *rand.Rand
	at     int
	slow   bool
	last   float64
}

// half measures m measures that share the machine's troubles; true is what each would be without.
func (s *machine) half(m int, truth float64) []float64 {
	s.at++
	if s.random.Float64() < 0.1 {
		s.slow = !s.slow
	}
	s.last = 0.7*s.last + 0.05*s.random.NormFloat64()
	trouble := s.last + 0.02*float64(s.at)
	if s.slow {
		trouble += 0.5
	}
	values := make([]float64, m)
	for i := range values {
		own := 0.1 * s.random.NormFloat64()
		if s.random.Float64() < 0.05 {
			own += 2 * s.random.ExpFloat64() // a stall
		}
		values[i] = truth * math.Exp(trouble+own)
	}
	return values
}

// run is one run with m comparisons of two agents; it returns how many show a difference.
func (s *machine) run(t *testing.T, m, pairs int, a, b float64) (shown int) {
	t.Helper()
	before, after := make([][]float64, m), make([][]float64, m)
	for pair := range pairs {
		sides := [2][]float64{}
		for _, side := range [2][2]int{{0, 1}, {1, 0}}[pair%2] {
			sides[side] = s.half(m, [2]float64{a, b}[side])
		}
		for i := range m {
			before[i], after[i] = append(before[i], sides[0][i]), append(after[i], sides[1][i])
		}
	}
	for i := range m {
		d, err := ComparePairs(before[i], after[i], LowerIsBetter, m)
		if err != nil {
			t.Fatal(err)
		}
		if d.Verdict != NoDifference {
			shown++
		}
	}
	return shown
}

// The same agent twice: of ten runs, over all that they compare, at least nine show no difference. By the
// method it is 19 of 20; 2,000 runs leave room for chance of half a percent.
func TestTheSameTwiceShowsNoDifferenceInARun(t *testing.T) {
	for _, row := range []struct{ comparisons, pairs int }{{6, 8}, {36, 11}, {6, 20}, {1, 6}} {
		const runs = 2000
		shown := 0
		for seed := range uint64(runs) {
			machine := &machine{random: rand.New(rand.NewPCG(seed, 1))}
			if machine.run(t, row.comparisons, row.pairs, 7, 7) > 0 {
				shown++
			}
		}
		t.Logf("%d comparisons of %d pairs: %d of %d runs show a difference", row.comparisons, row.pairs, shown, runs)
		if shown > runs*6/100 {
			t.Errorf("%d comparisons of %d pairs: a difference in %d of %d runs", row.comparisons, row.pairs, shown, runs)
		}
	}
}

// What is three times as much is shown on the same machine.
func TestALargeDifferenceIsShownInARun(t *testing.T) {
	const runs, comparisons = 200, 6
	missed := 0
	for seed := range uint64(runs) {
		machine := &machine{random: rand.New(rand.NewPCG(seed, 2))}
		if machine.run(t, comparisons, 12, 7, 21) < comparisons-1 {
			missed++
		}
	}
	if missed > runs/10 {
		t.Errorf("threefold was missed in %d of %d runs", missed, runs)
	}
}

// Noise that both of a pair suffer hides nothing: the machine runs at half speed for half of the run.
func TestPairsSeeThroughNoiseThatBothSuffer(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var before, after []float64
	for i := range 20 {
		speed := 1.0
		if i >= 10 {
			speed = 2
		}
		before = append(before, 10*speed*math.Exp(0.02*random.NormFloat64()))
		after = append(after, 9*speed*math.Exp(0.02*random.NormFloat64()))
	}
	d, err := onePair(before, after, LowerIsBetter)
	if err != nil || d.Verdict != Better || d.Low > 0.9 || d.High < 0.9 || d.High-d.Low > 0.1 {
		t.Errorf("%+v, %v; want a ratio of 0.9, better", d, err)
	}
}
