package scenario

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/framework/workload"
)

const (
	// Rates a second in addition to the scenario's: of identities that the agent has never seen, and of
	// requests that it has to refuse.
	unseenRate  = 2
	refusedRate = 2
	// longestRound bounds one order to the generators, and the number of tokens in it.
	longestRound = 5 * time.Minute
	// warmUp is how long the load runs before anything is measured.
	warmUp = 3 * time.Second
	// tokensLast is how long tokens are used: half their life.
	tokensLast = time.Duration(measure.TokenLife) * time.Second / 2
)

// Soak is about a node over a longer time.
var Soak = measure.Scenario{
	Name: "soak", Title: "Memory and goroutines over time",
	About: "The agent gets a steady mix of requests: with known tokens, four fifths of them over connections that are kept and one fifth over new ones, " +
		"two new identities a second, and two requests a second that it has to refuse. Memory, goroutines, threads and open sockets are " +
		"sampled throughout. The growth of goroutines is measured while the load pauses. Half a minute shows what grows with each request; --duration 1h shows what grows with time.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/internal/credsretriever/refreshing_cache.go",
	Subject: "agent",
	Size:    measure.Size{Rates: []float64{250}, Duration: 36 * time.Second, Repeats: 4, Identities: 20},
	Metrics: []string{measure.RSSGrowth.Name, measure.GoroutineGrowth.Name},
	Primary: []measure.Primary{{Case: "rate=*", Metric: measure.RSSGrowth.Name}, {Case: "rate=*", Metric: measure.Failed.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		for _, rate := range s.Size.Rates {
			newSoak(ctx, s, rate).run(ctx, s.Case("rate=%g", rate))
		}
	},
}

type soak struct {
	*measure.Setup
	rate float64
	// known are the tokens that are in use since the time since.
	known []string
	since time.Time
	// unassociated is a pod of a service account without an association.
	unassociated *corev1.Pod
}

func newSoak(ctx context.Context, s *measure.Setup, rate float64) *soak {
	s.T.Helper()
	account := workload.NewServiceAccount(ctx, s.Env, s.Identities.Namespace, s.NewName())
	return &soak{Setup: s, rate: rate, unassociated: workload.NewUnscheduledPod(ctx, s.Env, s.Identities.Namespace, account)}
}

func (s *soak) run(ctx context.Context, c *measure.Case) {
	s.T.Helper()
	count, length := rounds(s.Size.Duration, s.Size.Repeats)
	s.Progress("warming up")
	s.round(ctx, warmUp)
	w := s.StartSampler(ctx)
	for i := range count {
		s.readIdle(ctx, w)
		s.Progress("round %d of %d", i+1, count)
		c.Add(s.Observe(ctx, 0, func(ctx context.Context) *load.Result { return s.round(ctx, length) }))
	}
	s.readIdle(ctx, w)
	if err := w.Stop(); err != nil {
		s.fail(ctx, w, err)
	}
	w.Record(s.T, c)
}

// readIdle samples the agent between rounds.
func (s *soak) readIdle(ctx context.Context, w *measure.Sampler) {
	s.T.Helper()
	if err := w.ReadIdle(ctx); err != nil {
		s.fail(ctx, w, err)
	}
}

// fail ends the scenario after a failed reading. It is the agent's failure if the agent ended meanwhile.
func (s *soak) fail(ctx context.Context, w *measure.Sampler, err error) {
	s.T.Helper()
	if !slices.Equal(w.Containers, s.Containers(ctx)) {
		s.T.Blamef("the agent's containers are not those of the start: it ended meanwhile")
	}
	s.T.Fatalf("%v", err)
}

// rounds divides a duration of load into rounds of equal length, at least as many as samples are wanted.
func rounds(duration time.Duration, samples int) (count int, length time.Duration) {
	count = max(samples, int((duration+longestRound-1)/longestRound))
	return count, duration / time.Duration(count)
}

// round makes the mixed load. If the agent grants a request that it has to refuse, that is its failure. The result does not
// contain the refused requests.
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

// refused are tokens that get no credentials: a string that is no token, which the agent itself refuses, and a
// valid token of a service account without an association, which EKS Auth refuses.
func (s *soak) refused(ctx context.Context) []string {
	s.T.Helper()
	tokens, err := s.Identities.TokensOf(ctx, 1, s.unassociated)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	return append(tokens, "no.token.atall")
}
