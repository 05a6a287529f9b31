package load

import (
	"math"
	"testing"
)

// counts is how often each of n is picked in as many requests.
func counts(p Pick, n, requests int) []float64 {
	pick, counts := p.of(n), make([]float64, n)
	for request := range requests {
		counts[pick(uint64(request))]++
	}
	return counts
}

func TestPicksAreAsOftenAsTheirDistributionSays(t *testing.T) {
	const requests = 100_000
	harmonic := 1 + 1/2. + 1/3. + 1/4.
	squares := 1 + 1/4. + 1/9. + 1/16.
	for name, row := range map[string]struct {
		pick Pick
		want []float64 // shares
	}{
		"round robin":         {Pick{}, []float64{0.25, 0.25, 0.25, 0.25}},
		"uniform":             {Pick{Distribution: Uniform, Seed: 5}, []float64{0.25, 0.25, 0.25, 0.25}},
		"zipf":                {Pick{Distribution: Zipf, Seed: 5}, []float64{1 / harmonic, 1 / 2. / harmonic, 1 / 3. / harmonic, 1 / 4. / harmonic}},
		"zipf, exponent of 2": {Pick{Distribution: Zipf, Exponent: 2, Seed: 5}, []float64{1 / squares, 1 / 4. / squares, 1 / 9. / squares, 1 / 16. / squares}},
	} {
		for k, got := range counts(row.pick, 4, requests) {
			// Five standard deviations of a count.
			want := row.want[k] * requests
			if math.Abs(got-want) > 5*math.Sqrt(want) {
				t.Errorf("%s: number %d was picked %.0f times of %d, want %.0f", name, k, got, requests, want)
			}
		}
	}
}

func TestTheSeedDecidesThePick(t *testing.T) {
	pick := func(seed uint64) (picked [50]int) {
		of := Pick{Distribution: Uniform, Seed: seed}.of(1000)
		for n := range picked {
			picked[n] = of(uint64(n))
		}
		return picked
	}
	if first, again, other := pick(1), pick(1), pick(2); first != again || first == other {
		t.Error("the same seed picks differently, or another one the same")
	}
	if got := (Pick{Distribution: Zipf}).of(0)(7); got != 0 {
		t.Errorf("of none, %d", got)
	}
}
