package scenario

import (
	"testing"

	"github.com/podidentity/epi/bench/measure"
)

func TestSearchFindsTheLargestRate(t *testing.T) {
	tests := []struct {
		name               string
		first, most, limit float64
		least, greatest    float64
		tries              int
	}{
		{"between two doublings", 500, 50_000, 7_000, 6_300, 7_000, 10},
		{"the first is too much", 500, 50_000, 400, 360, 400, 6},
		{"all are too much", 500, 50_000, 1, 0, 0, 6},
		{"more than the generator can", 500, 3_000, 1e9, 3_000, 3_000, 4},
		{"the generator cannot even do the first", 500, 300, 1e9, 300, 300, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tries := 0
			best, _ := search(test.first, test.most, func(rate float64) (measure.Sample, bool) {
				tries++
				if rate > test.most {
					t.Errorf("tried %g, more than %g", rate, test.most)
				}
				return measure.Sample{}, rate <= test.limit
			})
			if best < test.least || best > test.greatest || tries > test.tries {
				t.Errorf("got %g after %d tries, want %g to %g after at most %d", best, tries, test.least, test.greatest, test.tries)
			}
		})
	}
}
