package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/load"
)

// Rotation is what a rolling restart, or tokens of one age, do to a node.
var Rotation = Scenario{
	Name: "rotation", Title: "All tokens change at once",
	About: "Pods ask at a steady rate with tokens that the agent knows; then each has a new token, as after the kubelet's rotation " +
		"of tokens that were made together. What the second case takes more than the first is the price of a rotation.",
	Source:  "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection",
	Subject: "agent",
	Size:    Size{Rates: []float64{500}, Duration: 2 * time.Second, Repeats: 5, Identities: 200},
	Primary: []Primary{{"tokens=new/rate=*", P99.Name}, {"tokens=new/rate=*", Failed.Name}, {"tokens=new/rate=*", Calls.Name}},
	Run: func(ctx context.Context, s *Setup) {
		tokens := s.Tokens(ctx, s.Size.Identities)
		s.Warm(ctx, tokens)
		ask := func(tokens []string, rate float64) Sample {
			pick := load.Pick{Distribution: load.Uniform}
			return s.Measure(ctx, s.Credentials(tokens).Picking(pick).Within(herdTimeout).Poisson(rate, s.Size.Duration))
		}
		for range s.Size.Repeats {
			for _, rate := range s.Size.Rates {
				s.Case("tokens=old/rate=%g", rate).Add(ask(tokens, rate))
				tokens = s.Tokens(ctx, s.Size.Identities)
				s.Case("tokens=new/rate=%g", rate).Add(ask(tokens, rate))
			}
		}
	},
}
