package stats

// Region is where a difference does not matter: None is no difference, 1 for a ratio and 0 for the
// difference of two rates, Low and High are how far from it that goes.
type Region struct{ None, Low, High float64 }

// RatioWithin is a factor of 1+share either way.
func RatioWithin(share float64) Region { return Region{1, 1 / (1 + share), 1 + share} }

// RateWithin is so much either way.
func RateWithin(rate float64) Region { return Region{0, -rate, rate} }

// Conclude says what an interval shows: a difference, if it leaves none out, however small; Same, if all of
// it is within the region; else nothing yet. A difference that is shown is one also if it is within the
// region: who reads sees how small it is.
func Conclude(i Interval, region Region, direction Direction) Verdict {
	switch {
	case i.High < region.None:
		return verdict(true, direction)
	case i.Low > region.None:
		return verdict(false, direction)
	case i.Low >= region.Low && i.High <= region.High:
		return Same
	default:
		return NoDifference
	}
}
