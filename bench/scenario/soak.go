package scenario

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework/workload"
)

// What grows, by Theil's and Sen's slope over the whole time: memory over all moments, goroutines over
// those between two rounds.
var (
	RSSGrowth       = Metric{"rss-growth", "B/min", lower}
	GoroutineGrowth = Metric{"goroutine-growth", "goroutines/min", lower}
)

const (
	// Rates of what comes on top of the scenario's: identities that the agent has never seen, and
	// requests that it has to refuse, a second.
	unseenRate  = 2
	refusedRate = 2
	// longestRound bounds the orders that generators are given, and the tokens of one.
	longestRound = 5 * time.Minute
	// warmUp is how long the load goes on before anything counts.
	warmUp = 3 * time.Second
	// tokensLast is how long tokens are used: half their life.
	tokensLast = time.Duration(tokenLife) * time.Second / 2
)

// Soak is a node over a longer time.
var Soak = Scenario{
	Name: "soak", Title: "Memory and goroutines over time",
	About: "A steady mix goes to the agent: known tokens, four fifths of them over connections that are kept and one fifth over new ones, " +
		"two new identities a second, and two requests a second that it has to refuse. Memory, goroutines, threads and open sockets are " +
		"looked at all the while, and goroutines for their growth when the load pauses. Half a minute shows what grows with each request; --duration 1h what grows with time.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/internal/credsretriever/refreshing_cache.go",
	Subject: "agent",
	Size:    Size{Rates: []float64{250}, Duration: 36 * time.Second, Repeats: 4, Identities: 20},
	Metrics: []string{RSSGrowth.Name, GoroutineGrowth.Name},
	Primary: []Primary{{"rate=*", RSSGrowth.Name}, {"rate=*", Failed.Name}},
	Run: func(ctx context.Context, s *Setup) {
		for _, rate := range s.Size.Rates {
			newSoak(ctx, s, rate).run(ctx, s.Case("rate=%g", rate))
		}
	},
}

type soak struct {
	*Setup
	rate float64
	// known are the tokens of pods that go on asking, from since on.
	known []string
	since time.Time
	// unassociated is a pod of a service account without an association.
	unassociated *corev1.Pod
}

func newSoak(ctx context.Context, s *Setup, rate float64) *soak {
	s.T.Helper()
	account := workload.NewServiceAccount(ctx, s.Env, s.Identities.Namespace, s.NewName())
	return &soak{Setup: s, rate: rate, unassociated: workload.NewUnscheduledPod(ctx, s.Env, s.Identities.Namespace, account)}
}

func (s *soak) run(ctx context.Context, c *Case) {
	s.T.Helper()
	count, length := rounds(s.Size.Duration, s.Size.Repeats)
	s.Progress("warming up")
	s.round(ctx, warmUp)
	w := s.startSampler(ctx)
	for i := range count {
		s.readIdle(ctx, w)
		s.Progress("round %d of %d", i+1, count)
		c.Add(s.Observe(ctx, 0, func(ctx context.Context) *load.Result { return s.round(ctx, length) }))
	}
	s.readIdle(ctx, w)
	if err := w.stop(); err != nil {
		s.fail(ctx, w, err)
	}
	c.tracks = w.readings.tracks()
	w.record(s.T, c)
}

// readIdle looks at the agent between rounds.
func (s *soak) readIdle(ctx context.Context, w *sampler) {
	s.T.Helper()
	if err := w.readIdle(ctx); err != nil {
		s.fail(ctx, w, err)
	}
}

// fail blames the agent for what could not be looked at if it ended meanwhile.
func (s *soak) fail(ctx context.Context, w *sampler, err error) {
	s.T.Helper()
	if !slices.Equal(w.containers, s.containers(ctx)) {
		s.T.Blamef("the agent's containers are others than at the start: it ended meanwhile")
	}
	s.T.Fatalf("%v", err)
}

// rounds is how often, and for how long each time, load is made to make it for so long: at least as
// often as samples are wanted.
func rounds(duration time.Duration, samples int) (count int, length time.Duration) {
	count = max(samples, int((duration+longestRound-1)/longestRound))
	return count, duration / time.Duration(count)
}

// round makes the mixed load, and blames the agent if it grants what it has to refuse. What is
// refused is no part of the result.
func (s *soak) round(ctx context.Context, length time.Duration) *load.Result {
	s.T.Helper()
	if time.Since(s.since) > tokensLast {
		s.known, s.since = s.Tokens(ctx, s.Size.Identities), time.Now()
		s.Warm(ctx, s.known)
	}
	jobs := []load.Job{
		s.Credentials(s.known).Steady(s.rate*4/5, length),
		s.Credentials(s.known).NewConnections().Steady(s.rate/5, length),
		s.Credentials(s.Tokens(ctx, int(unseenRate*length.Seconds())+1)).NewConnections().Within(herdTimeout).Steady(unseenRate, length),
		s.Credentials(s.refused(ctx)).NewConnections().Within(herdTimeout).Steady(refusedRate, length),
	}
	results := make([]*load.Result, len(jobs))
	group, together := errgroup.WithContext(ctx)
	for i, job := range jobs {
		job.Seed = s.Seed + uint64(i)
		group.Go(func() (err error) {
			results[i], err = s.Fleet.Run(together, job)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		s.T.Fatalf("%v", err)
	}
	result, refused := results[0], results[len(results)-1].Phases[0]
	if granted := refused.Requests - refused.Failed(); granted > 0 {
		s.T.Blamef("the agent gave credentials for %d of %d tokens that are none, or whose service account has no association", granted, refused.Requests)
	}
	for _, other := range results[1 : len(results)-1] {
		if err := result.Merge(other); err != nil {
			s.T.Fatalf("%v", err)
		}
	}
	return result
}

// refused are tokens that get no credentials: what is none, which the agent itself refuses, and a good
// one of a service account without an association, which EKS Auth does.
func (s *soak) refused(ctx context.Context) []string {
	s.T.Helper()
	tokens, err := s.Identities.TokensOf(ctx, 1, s.unassociated)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	return append(tokens, "no.token.atall")
}
