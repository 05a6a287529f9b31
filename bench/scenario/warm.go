package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/measure"
)

// newConnectionsUpTo is the largest rate that is also measured with a new connection for each request. Above
// it the kernel is measured.
const newConnectionsUpTo = 1000

// Warm is about the steady state: one token whose credentials the agent has.
var Warm = measure.Scenario{
	Name: "warm", Title: "Credentials from the cache",
	About: "One pod's token, whose credentials the agent has already, is sent at several rates, over connections that are kept and, " +
		"as many SDKs do, over a new one each time. It shows what an answer costs without a call to EKS Auth, and at which rate the agent starts to refuse.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/configuration/config.go",
	Subject: "agent",
	Size:    measure.Size{Rates: []float64{900, 2000, 5000}, Duration: 2 * time.Second, Repeats: 5},
	Smoke:   &measure.Size{Rates: []float64{900}, Duration: time.Second, Repeats: 1},
	Primary: []measure.Primary{{Case: "rate=*", Metric: measure.P50.Name}, {Case: "rate=*", Metric: measure.CPU.Name}, {Case: "rate=*", Metric: measure.Failed.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
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
