package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
)

// Throttled is about an account that has reached its quota of calls to EKS Auth.
var Throttled = measure.Scenario{
	Name: "throttled", Title: "EKS Auth throttles every second call",
	About: "Many pods ask for the first time at once, and EKS Auth answers a random half of the agent's calls with ThrottlingException. " +
		"Failures and long waits depend on the agent's retries.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/issues/20",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl},
	Size:    measure.Size{Identities: 500, Repeats: 3},
	Primary: []measure.Primary{{Case: "", Metric: measure.Failed.Name}, {Case: "", Metric: measure.P50.Name}, {Case: "", Metric: measure.Calls.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		for range s.Size.Repeats {
			half := control.Fault{Operation: measure.AssumeRole, Probability: 0.5, Error: &control.Refusal{Kind: control.Throttling}}
			s.Case("").Add(herd(ctx, s, s.Tokens(ctx, s.Size.Identities), s.Size.Identities, slowly(delays[0]), half))
		}
	},
}

// SlowAuth is about EKS Auth that answers later than agents usually wait.
var SlowAuth = measure.Scenario{
	Name: "slow-auth", Title: "EKS Auth is slow",
	About: "Pods that start one after the other ask for the first time while a call to EKS Auth takes 0.5 s, and 1.5 s. " +
		"An agent that gives up on a call and tries again makes more work for itself and for EKS Auth.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/internal/cloud/eksauth/service.go",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl},
	Size:    measure.Size{Rates: []float64{50}, Identities: 50, Repeats: 3},
	Primary: []measure.Primary{{Case: "delay=1.5s/rate=*", Metric: measure.P50.Name}, {Case: "delay=1.5s/rate=*", Metric: measure.Failed.Name}, {Case: "delay=1.5s/rate=*", Metric: measure.Calls.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		ask := func(delay time.Duration, rate float64) measure.Sample {
			tokens := s.Tokens(ctx, s.Size.Identities)
			defer s.Fault(ctx, slowly(delay))()
			return s.Measure(ctx, s.Credentials(tokens).NewConnections().Within(herdTimeout).
				Steady(rate, time.Duration(float64(len(tokens))/rate*float64(time.Second))))
		}
		for range s.Size.Repeats {
			for _, rate := range s.Size.Rates {
				for _, delay := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond} {
					s.Case("delay=%s/rate=%g", delay, rate).Add(ask(delay, rate))
				}
			}
		}
	},
}

// Outage is about EKS Auth that does not answer.
var Outage = measure.Scenario{
	Name: "outage", Title: "EKS Auth is down",
	About: "EKS Auth closes every connection. Pods whose credentials the agent has should notice nothing. New pods should get an error " +
		"soon. When EKS Auth is back, the same pods should get their credentials at the first try.",
	Source:  "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl},
	Size:    measure.Size{Rates: []float64{900}, Duration: time.Second, Repeats: 3, Identities: 20},
	Primary: []measure.Primary{{Case: "tokens=known/rate=*", Metric: measure.Failed.Name}, {Case: "tokens=unknown", Metric: measure.P50.Name}, {Case: "tokens=unknown/restored", Metric: measure.Failed.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		known := s.Tokens(ctx, s.Size.Identities)
		s.Warm(ctx, known)
		for range s.Size.Repeats {
			unknown := s.Tokens(ctx, s.Size.Identities)
			restore := s.Fault(ctx, control.Fault{Operation: measure.AssumeRole, Outage: &control.Outage{}})
			for _, rate := range s.Size.Rates {
				s.Case("tokens=known/rate=%g", rate).Add(s.Measure(ctx, s.Credentials(known).Settled(rate, s.Size.Duration)))
			}
			herd := s.Credentials(unknown).NewConnections().Within(herdTimeout).AtOnce(len(unknown))
			s.Case("tokens=unknown").Add(s.Measure(ctx, herd))
			restore()
			s.Case("tokens=unknown/restored").Add(s.Measure(ctx, herd))
		}
	},
}
