package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/load"
)

// RSSPerIdentity is what the agent's memory grew by for each token that it keeps credentials of.
var RSSPerIdentity = Metric{"rss-per-identity", "B/identity", lower}

// Identities is the steady state of a node with many pods.
var Identities = Scenario{
	Name: "identities", Title: "Many identities, evenly used and not",
	About: "As many tokens as a large node has pods are asked for at one rate: each as often as any other, and a few of them " +
		"most of the time (Zipf). It shows what the size of the cache costs in time and in memory.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/cmd/server.go",
	Subject: "agent",
	Size:    Size{Rates: []float64{900}, Duration: 2 * time.Second, Repeats: 5, Identities: 500},
	Metrics: []string{RSSPerIdentity.Name},
	Primary: []Primary{{"pick=uniform/rate=*", P50.Name}, {"pick=uniform/rate=*", CPU.Name}, {"fill", RSSPerIdentity.Name}},
	Run: func(ctx context.Context, s *Setup) {
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
