package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/measure"
)

// RSSPerIdentity is the growth of the agent's memory for each token whose credentials it keeps.
var RSSPerIdentity = measure.Metric{Name: "rss-per-identity", Unit: "B/identity", Better: measure.Lower}

// Identities is about the steady state of a node with many pods.
var Identities = measure.Scenario{
	Name: "identities", Title: "Many identities, evenly used and not",
	About: "Requests come at one rate with as many tokens as a large node has pods: with all tokens equally often, and with a few of them " +
		"most of the time (Zipf). It shows what the size of the cache costs in time and in memory.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/cmd/server.go",
	Subject: "agent",
	Size:    measure.Size{Rates: []float64{900}, Duration: 2 * time.Second, Repeats: 5, Identities: 500},
	Metrics: []string{RSSPerIdentity.Name},
	Primary: []measure.Primary{{Case: "pick=uniform/rate=*", Metric: measure.P50.Name}, {Case: "pick=uniform/rate=*", Metric: measure.CPU.Name}, {Case: "fill", Metric: RSSPerIdentity.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		tokens := s.Tokens(ctx, s.Size.Identities)
		before, metered := s.Memory(ctx)
		s.Warm(ctx, tokens)
		if after, _ := s.Memory(ctx); metered {
			s.Case("fill").Record(RSSPerIdentity, float64(after-before)/float64(len(tokens)))
		}
		for range s.Size.Repeats {
			for _, rate := range s.Size.Rates {
				for _, pick := range []load.Pick{{Distribution: load.Uniform}, {Distribution: load.Zipf, Exponent: 1.2}} {
					request := s.Credentials(tokens).Picking(pick)
					s.Case("pick=%s/rate=%g", pick.Distribution, rate).Add(s.Measure(ctx, request.Settled(rate, s.Size.Duration)))
				}
			}
		}
	},
}
