package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
)

// delays of EKS Auth that herds meet: in the same region on a good day, and on a bad one.
var delays = []time.Duration{20 * time.Millisecond, 200 * time.Millisecond}

// HerdSame is many processes of one pod, or a client that does not keep its credentials.
var HerdSame = Scenario{
	Name: "herd-same", Title: "A herd with one cold token",
	About: "Many requests with one token that the agent has never seen come at once, while EKS Auth takes its time, and while it refuses. " +
		"One call is enough for all of them; who waits longer than that call took waits for the agent.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/internal/credsretriever/refreshing_cache.go",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl},
	Size:    Size{Identities: 200, Repeats: 5},
	Smoke:   &Size{Identities: 200, Repeats: 1},
	Primary: []Primary{{"delay=200ms", P50.Name}, {"delay=200ms", Calls.Name}, {"refused", Calls.Name}},
	Run: func(ctx context.Context, s *Setup) {
		for range s.Size.Repeats {
			for _, delay := range delays {
				s.Case("delay=%s", delay).Add(s.herd(ctx, s.Tokens(ctx, 1), s.Size.Identities, slowly(delay)))
			}
			refusal := control.Fault{Operation: assume, Error: &control.Refusal{Kind: control.AccessDenied}}
			s.Case("refused").Add(s.herd(ctx, s.Tokens(ctx, 1), s.Size.Identities, slowly(delays[0]), refusal))
		}
	},
}

// HerdDistinct is a node that comes up with all its pods.
var HerdDistinct = Scenario{
	Name: "herd-distinct", Title: "A herd of cold tokens",
	About: "As many pods as a large node has ask for the first time at once, each with a token of its own, while EKS Auth takes its time. " +
		"Each needs a call of its own; together they should take little longer than one.",
	Source:   "https://github.com/aws/eks-pod-identity-agent/issues/20",
	Subject:  "agent",
	Needs:    []clusters.Capability{clusters.EmulatorControl},
	Size:     Size{Identities: 500, Repeats: 4},
	PairSize: &Size{Identities: 100, Repeats: 2}, // tokens take the API server longer than all else
	Primary:  []Primary{{"delay=200ms", P50.Name}, {"delay=200ms", CPU.Name}, {"delay=200ms", Failed.Name}},
	Run: func(ctx context.Context, s *Setup) {
		for range s.Size.Repeats {
			for _, delay := range delays {
				s.Case("delay=%s", delay).Add(s.herd(ctx, s.Tokens(ctx, s.Size.Identities), s.Size.Identities, slowly(delay)))
			}
		}
	},
}

// slowly is EKS Auth that takes delay more for each call.
func slowly(delay time.Duration) control.Fault {
	return control.Fault{Operation: assume, Latency: &control.Latency{Fixed: control.Duration(delay)}}
}

// herd makes n requests with the tokens in turn, all at once, while EKS Auth behaves as faults say.
func (s *Setup) herd(ctx context.Context, tokens []string, n int, faults ...control.Fault) Sample {
	s.T.Helper()
	defer s.Fault(ctx, faults...)()
	s.Progress("%d requests at once with %d tokens", n, len(tokens))
	return s.Measure(ctx, s.Credentials(tokens).NewConnections().Within(herdTimeout).AtOnce(n))
}

// herdTimeout is how long a request of a herd waits: longer than an agent may take for its retries.
const herdTimeout = 40 * time.Second
