package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/measure"
)

// Saturated is the largest rate at which the objective is met.
var Saturated = measure.Metric{Name: "saturation", Unit: "req/s", Better: measure.Higher}

// The objective of a rate: a client that waits at most one second and tries three times does not notice
// latencies and failures within it.
const (
	objectiveP99    = 10 * time.Millisecond
	objectiveFailed = 0.001
)

// searchTo is the precision of the search: the largest rate that met the objective and the smallest that
// did not differ by at most this factor.
const searchTo = 1.1

// Saturation is about the largest rate that a node's agent can serve.
var Saturation = measure.Scenario{
	Name: "saturation", Title: "The largest rate within the objective",
	About: "The rate is doubled until the 99th percentile is above 10 ms or more than one request in a thousand fails, and then " +
		"searched between the last two. If the generator reaches its own limit first, the result says so.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/blob/main/configuration/config.go",
	Subject: "agent",
	Size:    measure.Size{Rates: []float64{500}, Duration: time.Second, Repeats: 2},
	Metrics: []string{Saturated.Name},
	Primary: []measure.Primary{{Case: "p99=*", Metric: Saturated.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		tokens := s.Tokens(ctx, 1)
		s.Warm(ctx, tokens)
		for range s.Size.Repeats {
			for _, first := range s.Size.Rates {
				best, sample := search(first, s.Fleet.Ceiling(), func(rate float64) (measure.Sample, bool) {
					s.Progress("trying %.0f requests a second", rate)
					sample := s.Measure(ctx, s.Credentials(tokens).Settled(rate, s.Size.Duration))
					return sample, meets(sample.Result)
				})
				c := s.Case("p99=%s", objectiveP99)
				c.Record(Saturated, best)
				c.Add(sample)
			}
		}
	},
}

// meets reports whether a load met the objective.
func meets(result *load.Result) bool {
	var failed, requests int64
	for _, phase := range result.Phases {
		if phase.Requests > 0 && phase.Latency.ValueAtQuantile(99) > objectiveP99.Microseconds() {
			return false
		}
		failed, requests = failed+phase.Failed(), requests+phase.Requests
	}
	return requests > 0 && float64(failed) <= objectiveFailed*float64(requests)
}

// searchFloor is the rate below which the search for one that meets the objective gives up.
const searchFloor = 10

// search returns the largest rate up to most that try accepts, and its sample. It starts at first. If try
// accepts no rate above searchFloor it returns 0 and the sample of the last try.
func search(first, most float64, try func(rate float64) (measure.Sample, bool)) (best float64, sample measure.Sample) {
	refused := 0.0
	for rate := min(first, most); ; {
		measured, ok := try(rate)
		if ok {
			best, sample = rate, measured
		} else {
			refused = rate
		}
		switch {
		case best >= most:
			return best, sample
		case best == 0 && rate/2 < searchFloor:
			return 0, measured
		case best == 0:
			rate /= 2
		case refused == 0:
			rate = min(2*rate, most)
		case refused/best <= searchTo:
			return best, sample
		default:
			rate = (best + refused) / 2
		}
	}
}
