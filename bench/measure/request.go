package measure

import (
	"time"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework/workload"
)

// Request is what a load sends. Its methods make loads of it.
type Request struct{ load.HTTPOptions }

// Credentials asks the agent for credentials, with the tokens round robin, over connections that are kept.
func (s *Setup) Credentials(tokens []string) Request {
	return Request{load.HTTPOptions{URL: workload.CredentialsURL, Tokens: tokens, Expect: load.Credentials}}
}

// NewConnections opens a connection for each request, as many SDKs do.
func (r Request) NewConnections() Request {
	r.HTTPOptions.NewConnections = true
	return r
}

// Picking chooses tokens in another way than round robin.
func (r Request) Picking(pick load.Pick) Request {
	r.Pick = pick
	return r
}

// Within sets the time limit of each request, instead of 10 s.
func (r Request) Within(timeout time.Duration) Request {
	r.Timeout = timeout
	return r
}

// Steady is a constant rate.
func (r Request) Steady(rate float64, lasts time.Duration) load.Job {
	return r.In(load.Phase{Name: "steady", From: rate, Lasts: lasts})
}

// Settled is a constant rate after a ramp. The ramp's requests are in no latency and no count of failures:
// they open the connections, which with TLS costs a hundred times as much as a request.
func (r Request) Settled(rate float64, lasts time.Duration) load.Job {
	return r.In(
		load.Phase{Name: leadUp, From: min(rate, 20), To: rate, Lasts: 500 * time.Millisecond},
		load.Phase{Name: "steady", From: rate, Lasts: lasts},
	)
}

// leadUp is the name of phases that are not measured.
const leadUp = "lead-up"

// Poisson is a rate of independent arrivals.
func (r Request) Poisson(rate float64, lasts time.Duration) load.Job {
	return r.In(load.Phase{Name: "poisson", From: rate, Lasts: lasts, Arrivals: load.Poisson})
}

// AtOnce is a herd of n requests.
func (r Request) AtOnce(n int) load.Job {
	return r.In(load.Phase{Name: "herd", Lasts: time.Second, Arrivals: load.AtOnce, Count: n})
}

// In is a load in consecutive phases.
func (r Request) In(phases ...load.Phase) load.Job {
	return load.Job{Phases: phases, Target: load.TargetSpec{HTTP: &r.HTTPOptions}}
}
