package stats

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// sample of a long-tailed distribution with the median.
func sample(random *rand.Rand, median float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = median * math.Exp(0.1*random.NormFloat64())
	}
	return values
}

func TestADifferenceIsShownAndItsDirection(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	slow, fast := sample(random, 10, 10), sample(random, 5, 10)
	for name, row := range map[string]struct {
		before, after []float64
		direction     Direction
		want          Verdict
	}{
		"faster":          {slow, fast, LowerIsBetter, Better},
		"slower":          {fast, slow, LowerIsBetter, Worse},
		"more throughput": {fast, slow, HigherIsBetter, Better},
		"less throughput": {slow, fast, HigherIsBetter, Worse},
		"the same":        {slow, slow, LowerIsBetter, NoDifference},
		"nothing, twice":  {make([]float64, 10), make([]float64, 10), LowerIsBetter, NoDifference},
		"one and one":     {[]float64{10}, []float64{5}, LowerIsBetter, TooFew},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Compare(row.before, row.after, row.direction)
			if err != nil || got.Verdict != row.want {
				t.Errorf("%+v, %v; want %q", got, err, row.want)
			}
		})
	}
}

func TestSamplesThatSayNothingAreRefused(t *testing.T) {
	for says, samples := range map[string][2][]float64{
		"old sample is empty": {nil, {1}},
		"new sample is empty": {{1}, nil},
		"holds NaN":           {{1}, {math.NaN()}},
		"holds +Inf":          {{math.Inf(1)}, {1}},
	} {
		if _, err := Compare(samples[0], samples[1], LowerIsBetter); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
}

func TestSummarizeLeavesItsSampleAlone(t *testing.T) {
	values := []float64{3, 1, 2}
	if s := Summarize(values); s.Median != 2 || s.N != 3 || values[0] != 3 {
		t.Errorf("%+v, sample %v", s, values)
	}
}
