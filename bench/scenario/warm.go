package scenario

import (
	"context"
	"time"
)

// newConnectionsUpTo is the rate up to which connections are also made anew for each request: more of them
// measure the kernel.
const newConnectionsUpTo = 1000

// Warm is the steady state: one token whose credentials the agent holds.
var Warm = Scenario{
	Name: "warm", Title: "Credentials from the cache",
	About: "One pod's token, whose credentials the agent holds already, is sent at several rates, over connections that are kept and, " +
		"as many SDKs do, over a new one each time. It shows what an answer costs when EKS Auth has no part in it, and where the agent begins to refuse.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/configuration/config.go",
	Subject: "agent",
	Size:    Size{Rates: []float64{900, 2000, 5000}, Duration: 2 * time.Second, Repeats: 5},
	Smoke:   &Size{Rates: []float64{900}, Duration: time.Second, Repeats: 1},
	Primary: []Primary{{"rate=*", P50.Name}, {"rate=*", CPU.Name}, {"rate=*", Failed.Name}},
	Run: func(ctx context.Context, s *Setup) {
		tokens := s.Tokens(ctx, 1)
		s.Warm(ctx, tokens)
		for range s.Size.Repeats {
			for _, rate := range s.Size.Rates {
				s.Case("rate=%g", rate).Add(s.Measure(ctx, s.Credentials(tokens).Settled(rate, s.Size.Duration)))
				if rate <= newConnectionsUpTo {
					s.Case("rate=%g/connections=new", rate).Add(s.Measure(ctx, s.Credentials(tokens).NewConnections().Settled(rate, s.Size.Duration)))
				}
			}
		}
	},
}
