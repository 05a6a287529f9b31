package scenario

import "context"

// Warm is the steady state: one token whose credentials the agent holds.
var Warm = Scenario{
	Name: "warm", Title: "Credentials from the cache",
	About: "One pod's token, whose credentials the agent holds already, is sent at several rates. " +
		"It shows what an answer costs when EKS Auth has no part in it, and where the agent begins to refuse.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/configuration/config.go",
	Subject: "agent",
	Size:    Size{Rates: []float64{500, 900, 2000, 5000}, Duration: 2_000_000_000, Repeats: 5},
	Smoke:   &Size{Rates: []float64{900}, Duration: 1_000_000_000, Repeats: 3},
	Run: func(ctx context.Context, s *Stage) {
		tokens := s.Tokens(ctx, 1)
		s.Warm(ctx, tokens)
		for range s.Size.Repeats {
			for _, rate := range s.Size.Rates {
				s.Case("rate=%g", rate).Add(s.Measure(ctx, s.Credentials(tokens).Steady(rate, s.Size.Duration)))
			}
		}
	},
}
