package stats

import "math"

// Spend is the share of the permitted error that look number k, from 1, may use. All shares together are 1 for any number
// of looks. So a run that looks repeatedly, until it can conclude or its time is over, is wrong no more often than one that
// looks once. That follows from the union bound alone, for any dependence between the looks. So it also holds for the t
// distribution with few degrees of freedom, for which the boundaries of group sequential designs (Pocock, O'Brien-Fleming)
// are not made. The first look gets half, so that it finds a large difference.
//
// Source of the idea of spending: Lan and DeMets, Discrete sequential boundaries for clinical trials, Biometrika 70 (1983).
func Spend(k int) float64 { return 1 / float64(k*(k+1)) }

// SpendRest is the rest of the error for look k if it is the last one, because the time is over or no other is planned.
func SpendRest(k int) float64 { return 1 / float64(k) }

// firstLook is the number of pairs at the first look. With fewer, the spread of the pairs is a guess, and only a factor of
// a hundred could be found.
const firstLook = 4

// Looks are the numbers of pairs, up to most, after which a run looks. Each is half as large again as the one before.
func Looks(most int) []int {
	var looks []int
	for n := firstLook; n <= most; n += (n + 1) / 2 {
		looks = append(looks, n)
	}
	return looks
}

// Level is the error that one of a number of comparisons may have at a look with this share.
func Level(share float64, comparisons int) float64 {
	return significance * share / float64(max(comparisons, 1))
}

// Discoveries selects from several P values those that count as found. Of those found, one in twenty is wrong on average.
// If there is no difference at all, none is found with 95% (Benjamini and Hochberg, Controlling the False Discovery Rate,
// Journal of the Royal Statistical Society B 57, 1995).
func Discoveries(p []float64) []bool {
	bound := 0.0
	for _, candidate := range p {
		rank := 0
		for _, other := range p {
			if other <= candidate {
				rank++
			}
		}
		if candidate <= significance*float64(rank)/float64(len(p)) {
			bound = math.Max(bound, candidate)
		}
	}
	believed := make([]bool, len(p))
	for i, value := range p {
		believed[i] = value <= bound && value <= significance
	}
	return believed
}
