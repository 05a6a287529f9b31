package faults

import (
	"math"
	"math/rand/v2"
	"time"
)

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

// sample draws a delay.
func (l *Latency) sample(random *rand.Rand) time.Duration {
	delay := time.Duration(l.Fixed)
	switch {
	case l.Uniform != nil:
		delay = time.Duration(l.Uniform.Min) + time.Duration(random.Int64N(int64(l.Uniform.Max-l.Uniform.Min)+1))
	case l.Exponential != nil:
		most := MaxDelay
		if l.Exponential.Cap != 0 {
			most = time.Duration(l.Exponential.Cap)
		}
		delay = cut(random.ExpFloat64()*float64(l.Exponential.Mean), most)
	case l.LogNormal != nil:
		sigma := math.Log(float64(l.LogNormal.P99)/float64(l.LogNormal.P50)) / z99
		delay = cut(float64(l.LogNormal.P50)*math.Exp(sigma*random.NormFloat64()), MaxDelay)
	}
	if l.Stall != nil && random.Float64() < l.Stall.Probability {
		delay += time.Duration(l.Stall.Length)
	}
	return min(delay, MaxDelay)
}

// cut converts nanoseconds that may be more than a Duration holds.
func cut(nanoseconds float64, most time.Duration) time.Duration {
	if nanoseconds >= float64(most) {
		return most
	}
	return time.Duration(nanoseconds)
}
