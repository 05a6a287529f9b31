package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
)

// delays of EKS Auth during herds: usual and slow for a caller in the same region.
var delays = []time.Duration{20 * time.Millisecond, 200 * time.Millisecond}

// HerdSame is about many processes of one pod, or a client that does not keep its credentials.
var HerdSame = measure.Scenario{
	Name: "herd-same", Title: "A herd with one cold token",
	About: "Many requests come at once with one token that the agent has never seen, while EKS Auth is slow, and while it refuses. " +
		"One call is enough for all of them. A request that takes longer than that call waits for the agent.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/internal/credsretriever/refreshing_cache.go",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl},
	Size:    measure.Size{Identities: 200, Repeats: 5},
	Smoke:   &measure.Size{Identities: 200, Repeats: 1},
	Primary: []measure.Primary{{Case: "delay=200ms", Metric: measure.P50.Name}, {Case: "delay=200ms", Metric: measure.Calls.Name}, {Case: "refused", Metric: measure.Calls.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		for range s.Size.Repeats {
			for _, delay := range delays {
				s.Case("delay=%s", delay).Add(herd(ctx, s, s.Tokens(ctx, 1), s.Size.Identities, slowly(delay)))
			}
			refusal := control.Fault{Operation: measure.AssumeRole, Error: &control.Refusal{Kind: control.AccessDenied}}
			s.Case("refused").Add(herd(ctx, s, s.Tokens(ctx, 1), s.Size.Identities, slowly(delays[0]), refusal))
		}
	},
}

// HerdDistinct is about a node that starts with all its pods.
var HerdDistinct = measure.Scenario{
	Name: "herd-distinct", Title: "A herd of cold tokens",
	About: "As many pods as a large node has ask for the first time at once, each with a token of its own, while EKS Auth is slow. " +
		"Each needs a call of its own. Together they should take little longer than one.",
	Source:   "https://github.com/aws/eks-pod-identity-agent/issues/20",
	Subject:  "agent",
	Needs:    []clusters.Capability{clusters.EmulatorControl},
	Size:     measure.Size{Identities: 500, Repeats: 4},
	PairSize: &measure.Size{Identities: 100, Repeats: 2}, // the API server needs more time for the tokens than the rest takes
	Primary:  []measure.Primary{{Case: "delay=200ms", Metric: measure.P50.Name}, {Case: "delay=200ms", Metric: measure.CPU.Name}, {Case: "delay=200ms", Metric: measure.Failed.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		for range s.Size.Repeats {
			for _, delay := range delays {
				s.Case("delay=%s", delay).Add(herd(ctx, s, s.Tokens(ctx, s.Size.Identities), s.Size.Identities, slowly(delay)))
			}
		}
	},
}

// slowly makes each call to EKS Auth take longer by delay.
func slowly(delay time.Duration) control.Fault {
	return control.Fault{Operation: measure.AssumeRole, Latency: &control.Latency{Fixed: control.Duration(delay)}}
}

// herd makes n requests at once with the tokens, round robin, while EKS Auth behaves as faults say.
func herd(ctx context.Context, s *measure.Setup, tokens []string, n int, faults ...control.Fault) measure.Sample {
	s.T.Helper()
	defer s.Fault(ctx, faults...)()
	s.Progress("%d requests at once with %d tokens", n, len(tokens))
	return s.Measure(ctx, s.Credentials(tokens).NewConnections().Within(herdTimeout).AtOnce(n))
}

// herdTimeout is the time limit of a herd's request: longer than an agent may take for its retries.
const herdTimeout = 40 * time.Second
