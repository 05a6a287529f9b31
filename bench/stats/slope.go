package stats

import (
	"math"
	"slices"
)

// Slope of y over x by Theil and Sen: the median of the slopes between all pairs of points. Up to 29% of the points may be
// outliers without a large effect, and nothing is assumed about the distribution of errors (P. K. Sen, Estimates of the
// regression coefficient based on Kendall's tau, 1968). Pairs with the same x are left out. The result is NaN if no pair is
// left.
func Slope(x, y []float64) float64 {
	var slopes []float64
	for i := range x {
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	if len(slopes) == 0 {
		return math.NaN()
	}
	slices.Sort(slopes)
	middle := len(slopes) / 2
	if len(slopes)%2 == 1 {
		return slopes[middle]
	}
	return (slopes[middle-1] + slopes[middle]) / 2
}
