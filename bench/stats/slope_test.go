package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSlope(t *testing.T) {
	tests := []struct {
		name string
		x, y []float64
		want float64
	}{
		// Slopes, sorted: -0.15, -0.13, -0.08, -0.07, -0.0575, -0.055, -0.045, -0.0333, 0.01, 0.04.
		{"ten pairs", []float64{1, 2, 3, 4, 5}, []float64{1.26, 1.27, 1.12, 1.16, 1.03}, -0.05625},
		{"a line", []float64{0, 1, 2, 3}, []float64{5, 7, 9, 11}, 2},
		{"flat", []float64{0, 1, 2, 3}, []float64{4, 4, 4, 4}, 0},
		{"one far off of five", []float64{0, 1, 2, 3, 4}, []float64{0, 1, 1000, 3, 4}, 1},
		// 1, 5/3, 2, 7/3, 2.6, 3.
		{"six pairs", []float64{0, 1, 3, 6}, []float64{0, 1, 5, 14}, 13.0 / 6},
		{"two at one x", []float64{0, 0, 1}, []float64{0, 2, 3}, 2},
		{"out of order", []float64{3, 0, 2, 1}, []float64{11, 5, 9, 7}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Slope(test.x, test.y); math.Abs(got-test.want) > 1e-12 {
				t.Errorf("got %g, want %g", got, test.want)
			}
		})
	}
	for _, none := range [][]float64{nil, {1}, {1, 1}} {
		if got := Slope(none, none); !math.IsNaN(got) {
			t.Errorf("of %v: got %g, want none", none, got)
		}
	}
}

// A quarter of the points are far outliers, and the slope changes by a few percent only.
func TestSlopeIsRobust(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var x, y []float64
	for i := range 100 {
		x = append(x, float64(i))
		y = append(y, 3*float64(i)+random.NormFloat64())
		if i%4 == 0 {
			y[i] += 1000 * random.Float64()
		}
	}
	if got := Slope(x, y); math.Abs(got-3) > 0.15 {
		t.Errorf("got %g, want about 3", got)
	}
}
