package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Schedule says when requests are to begin.
type Schedule interface {
	// Next returns the time of the next request after the start of the load, and the index of its phase; false if there is
	// none. Times never decrease. It is not for concurrent use.
	Next() (at time.Duration, phase int, more bool)
	// Phases are the parts of the schedule by name, in order.
	Phases() []string
	// Length is the time by which all requests begin.
	Length() time.Duration
}

// Arrivals says how requests are distributed within a phase.
type Arrivals string

const (
	// Even: at equal distances.
	Even Arrivals = "even"
	// Poisson: independent of each other, like requests of many independent clients. Distances are exponentially
	// distributed.
	Poisson Arrivals = "poisson"
	// AtOnce: all at the phase's start, as a herd. The phase's Count is their number.
	AtOnce Arrivals = "at-once"
)

// Phase is a part of a plan.
type Phase struct {
	// Name of the phase in results.
	Name string `json:"name"`
	// From and To are the rates at its start and end, in requests a second. The rate changes linearly between them. A To of
	// 0 means a constant rate.
	From float64 `json:"from,omitempty"`
	To   float64 `json:"to,omitempty"`
	// Lasts is its length.
	Lasts time.Duration `json:"lasts"`
	// Arrivals; empty means Even.
	Arrivals Arrivals `json:"arrivals,omitempty"`
	// Count is the number of requests of AtOnce.
	Count int `json:"count,omitempty"`
}

// Limits of a plan, so that every load ends.
const (
	maxPhases   = 100
	maxRate     = 1e6
	maxRequests = 100_000_000
	maxLength   = 24 * time.Hour
)

// Plan is a Schedule of phases, one after the other.
type Plan struct {
	phases []Phase
	names  []string
	random *rand.Rand
	length time.Duration
	// current is the phase of Next, begun is its start, and sent is the number of its requests that began.
	current int
	begun   time.Duration
	sent    float64
	elapsed float64 // seconds since begun, of Poisson arrivals
}

var _ Schedule = (*Plan)(nil)

// NewPlan makes a schedule of phases. The same seed gives the same arrivals. It refuses phases without an end, and says
// which one and why.
func NewPlan(seed uint64, phases ...Phase) (*Plan, error) {
	if len(phases) == 0 || len(phases) > maxPhases {
		return nil, fmt.Errorf("plan load: %d phases, want 1 to %d", len(phases), maxPhases)
	}
	p := &Plan{random: rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))}
	length, requests := time.Duration(0), 0.0
	for i, phase := range phases {
		if phase.To == 0 {
			phase.To = phase.From
		}
		if phase.Arrivals == "" {
			phase.Arrivals = Even
		}
		if err := phase.check(); err != nil {
			return nil, fmt.Errorf("plan load, phase %d (%s): %w", i+1, phase.Name, err)
		}
		length += phase.Lasts
		requests += phase.requests()
		p.phases, p.names = append(p.phases, phase), append(p.names, phase.Name)
	}
	if length > maxLength || requests > maxRequests {
		return nil, fmt.Errorf("plan load: %.0f requests in %s, at most %d in %s", requests, length, maxRequests, maxLength)
	}
	p.length = length
	return p, nil
}

func (p Phase) check() error {
	switch {
	case p.Name == "":
		return fmt.Errorf("it has no name")
	case p.Lasts <= 0:
		return fmt.Errorf("it lasts %s", p.Lasts)
	case p.Arrivals == AtOnce && p.Count > 0 && p.From == 0 && p.To == 0:
		return nil
	case p.Arrivals == AtOnce:
		return fmt.Errorf("requests at once need a count and have no rate")
	case p.Arrivals != Even && p.Arrivals != Poisson:
		return fmt.Errorf("arrivals %q are not %s, %s or %s", p.Arrivals, Even, Poisson, AtOnce)
	case p.Count != 0:
		return fmt.Errorf("a count is for requests at once")
	case !(p.From >= 0) || !(p.To >= 0) || p.From > maxRate || p.To > maxRate || p.From+p.To == 0: // also not a number
		return fmt.Errorf("rates %g to %g a second, want more than 0 and at most %g", p.From, p.To, maxRate)
	}
	return nil
}

// requests that the phase makes, on average.
func (p Phase) requests() float64 {
	if p.Arrivals == AtOnce {
		return float64(p.Count)
	}
	return p.at(p.Lasts.Seconds())
}

// at is the number of requests that begin in the first t seconds: the integral of the rate.
func (p Phase) at(t float64) float64 {
	slope := (p.To - p.From) / p.Lasts.Seconds()
	return p.From*t + slope*t*t/2
}

// when is the inverse of at: the time in seconds at which n requests have begun, NaN if never.
func (p Phase) when(n float64) float64 {
	slope := (p.To - p.From) / p.Lasts.Seconds()
	if slope == 0 {
		return n / p.From
	}
	// The root of slope/2·t² + From·t − n that is not negative, in the form that does not cancel.
	return 2 * n / (p.From + math.Sqrt(p.From*p.From+2*slope*n))
}

// Phases are the names of the phases.
func (p *Plan) Phases() []string { return p.names }

// Length is that of all phases.
func (p *Plan) Length() time.Duration { return p.length }

// Next implements Schedule.
func (p *Plan) Next() (time.Duration, int, bool) {
	for p.current < len(p.phases) {
		phase := p.phases[p.current]
		if offset, more := p.next(phase); more {
			return p.begun + offset, p.current, true
		}
		p.begun += phase.Lasts
		p.current, p.sent, p.elapsed = p.current+1, 0, 0
	}
	return p.begun, len(p.phases), false
}

// next is the offset of the phase's next request.
func (p *Plan) next(phase Phase) (time.Duration, bool) {
	var seconds float64
	switch phase.Arrivals {
	case AtOnce:
		if int(p.sent) >= phase.Count {
			return 0, false
		}
	case Poisson:
		// A Poisson process of a changing rate is one of rate 1 on the scale of expected requests.
		p.elapsed += p.random.ExpFloat64()
		seconds = phase.when(p.elapsed)
	default:
		// Requests are in the middle of their share, so that two consecutive phases do not begin two requests at once.
		seconds = phase.when(p.sent + 0.5)
	}
	p.sent++
	if !(seconds < phase.Lasts.Seconds()) { // also not a number: the rate falls to 0 before
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
