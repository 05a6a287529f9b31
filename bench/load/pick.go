package load

import (
	"fmt"
	"math"
	"slices"
)

// Distribution says how often each identity is picked.
type Distribution string

const (
	// RoundRobin: one after the other.
	RoundRobin Distribution = "round-robin"
	// Uniform: each as likely as any other.
	Uniform Distribution = "uniform"
	// Zipf: the k-th is 1/k^exponent times as likely as the first, so a few pods make most requests.
	Zipf Distribution = "zipf"
)

// Pick chooses the identity, which is the token and the body, of each request. It depends only on the request's number and
// the seed. So several generators of a plan make the same requests together as one alone.
type Pick struct {
	// Distribution; empty means RoundRobin.
	Distribution Distribution `json:"distribution,omitempty"`
	// Exponent of Zipf, more than 0 and at most 10; 0 means 1.
	Exponent float64 `json:"exponent,omitempty"`
	// Seed of the random ones; 0 means the job's.
	Seed uint64 `json:"seed,omitempty"`
}

func (p Pick) check() error {
	switch {
	case p.Distribution != "" && p.Distribution != RoundRobin && p.Distribution != Uniform && p.Distribution != Zipf:
		return fmt.Errorf("pick %q is not %s, %s or %s", p.Distribution, RoundRobin, Uniform, Zipf)
	case !(p.Exponent >= 0) || p.Exponent > 10: // also not a number
		return fmt.Errorf("pick with the exponent %g: want more than 0 and at most 10", p.Exponent)
	case p.Exponent != 0 && p.Distribution != Zipf:
		return fmt.Errorf("an exponent is for the pick %s", Zipf)
	}
	return nil
}

// of returns a function that picks one of n, from 0, by a request's number.
func (p Pick) of(n int) func(request uint64) int {
	switch {
	case n <= 1:
		return func(uint64) int { return 0 }
	case p.Distribution == Uniform:
		return func(request uint64) int { return int(p.random(request) * float64(n)) }
	case p.Distribution == Zipf:
		exponent := p.Exponent
		if exponent == 0 {
			exponent = 1
		}
		// below[k] is the weight of the first k+1 together.
		below, sum := make([]float64, n), 0.0
		for k := range below {
			sum += math.Pow(float64(k+1), -exponent)
			below[k] = sum
		}
		return func(request uint64) int {
			k, _ := slices.BinarySearch(below, p.random(request)*sum)
			return min(k, n-1)
		}
	default:
		return func(request uint64) int { return int(request % uint64(n)) }
	}
}

// random is a number in [0, 1) that follows from a request's: SplitMix64 (https://prng.di.unimi.it/splitmix64.c), each
// output of which is computed without the earlier ones.
func (p Pick) random(request uint64) float64 {
	x := p.Seed + (request+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}
