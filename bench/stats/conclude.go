package stats

// Region is the range in which a difference does not matter. None is the value without a difference: 1 for a ratio and 0
// for a difference of two rates. Low and High are its ends.
type Region struct{ None, Low, High float64 }

// RatioWithin is the region from 1/(1+share) to 1+share.
func RatioWithin(share float64) Region { return Region{1, 1 / (1 + share), 1 + share} }

// RateWithin is the region from -rate to +rate.
func RateWithin(rate float64) Region { return Region{0, -rate, rate} }

// Conclude returns what an interval shows: a difference if the interval excludes None, Same if all of it is within the
// region, and nothing otherwise. A shown difference counts also if it is within the region. The report shows how small it
// is.
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
