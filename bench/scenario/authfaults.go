package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
)

// Throttled is an account at its quota of calls to EKS Auth.
var Throttled = Scenario{
	Name: "throttled", Title: "EKS Auth throttles every second call",
	About: "Many pods ask for the first time at once, and EKS Auth answers a random half of the agent's calls with ThrottlingException. " +
		"What fails then, or waits for long, is for the agent's retries to tell.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/issues/20",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl},
	Size:    Size{Identities: 500, Repeats: 3},
	Primary: []Primary{{"", Failed.Name}, {"", P50.Name}, {"", Calls.Name}},
	Run: func(ctx context.Context, s *Setup) {
		for range s.Size.Repeats {
			half := control.Fault{Operation: assume, Probability: 0.5, Error: &control.Refusal{Kind: control.Throttling}}
			s.Case("").Add(s.herd(ctx, s.Tokens(ctx, s.Size.Identities), s.Size.Identities, slowly(delays[0]), half))
		}
	},
}

// SlowAuth is EKS Auth slower than agents like to wait.
var SlowAuth = Scenario{
	Name: "slow-auth", Title: "EKS Auth is slow",
	About: "Pods that start one after the other ask for the first time while EKS Auth takes half a second, and one and a half. " +
		"An agent that gives up on a call and tries again makes it worse for both.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/internal/cloud/eksauth/service.go",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl},
	Size:    Size{Rates: []float64{50}, Identities: 50, Repeats: 3},
	Primary: []Primary{{"delay=1.5s/rate=*", P50.Name}, {"delay=1.5s/rate=*", Failed.Name}, {"delay=1.5s/rate=*", Calls.Name}},
	Run: func(ctx context.Context, s *Setup) {
		ask := func(delay time.Duration, rate float64) Sample {
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

// Outage is EKS Auth that does not answer.
var Outage = Scenario{
	Name: "outage", Title: "EKS Auth is down",
	About: "EKS Auth breaks every connection off. Pods whose credentials the agent holds should notice nothing; new ones should be told " +
		"soon that there are none; and when EKS Auth is back, the same ones should get theirs at the first try.",
	Source:  "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl},
	Size:    Size{Rates: []float64{900}, Duration: time.Second, Repeats: 3, Identities: 20},
	Primary: []Primary{{"tokens=known/rate=*", Failed.Name}, {"tokens=unknown", P50.Name}, {"tokens=unknown/restored", Failed.Name}},
	Run: func(ctx context.Context, s *Setup) {
		known := s.Tokens(ctx, s.Size.Identities)
		s.Warm(ctx, known)
		for range s.Size.Repeats {
			unknown := s.Tokens(ctx, s.Size.Identities)
			restore := s.Fault(ctx, control.Fault{Operation: assume, Outage: &control.Outage{}})
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
