package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/measure"
)

// Rotation is about a node whose tokens are all replaced at once, as after a rolling restart.
var Rotation = measure.Scenario{
	Name: "rotation", Title: "All tokens change at once",
	About: "Pods ask at a steady rate with tokens that the agent knows; then each has a new token, as after the kubelet's rotation " +
		"of tokens that were made together. The difference between the second case and the first is the cost of a rotation.",
	Source:  "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection",
	Subject: "agent",
	Size:    measure.Size{Rates: []float64{500}, Duration: 2 * time.Second, Repeats: 5, Identities: 200},
	Primary: []measure.Primary{{Case: "tokens=new/rate=*", Metric: measure.P99.Name}, {Case: "tokens=new/rate=*", Metric: measure.Failed.Name}, {Case: "tokens=new/rate=*", Metric: measure.Calls.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		tokens := s.Tokens(ctx, s.Size.Identities)
		s.Warm(ctx, tokens)
		ask := func(tokens []string, rate float64) measure.Sample {
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
