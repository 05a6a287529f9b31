package reports

import (
	"math"
	"strings"
	"time"
)

// repeated returns a metric with repeats around its value.
func repeated(name, unit, better string, value float64) Metric {
	m := Metric{Name: name, Unit: unit, Better: better, Value: value}
	for _, factor := range []float64{1, 0.96, 1.03, 0.99, 1.07} {
		m.Samples = append(m.Samples, value*factor)
	}
	return m
}

// latencies is a case with a long-tailed distribution around a median of p50 seconds and its series.
func latencies(name string, rate, p50 float64) Case {
	at := func(of float64) float64 { return p50 * (1 + 3.6*math.Pow(-math.Log10(max(1-of, 1e-5)), 2)/4) }
	c := Case{Name: name, Metrics: []Metric{
		repeated("p50", "sec", "lower", at(0.5)), repeated("p99", "sec", "lower", at(0.99)), repeated("p99.9", "sec", "lower", at(0.999)),
		repeated("rate", "req/s", "higher", rate), {Name: "failed", Unit: "ratio", Better: "lower", Samples: []float64{0, 0, 0, 0, 0}},
		repeated("cpu", "sec/1000req", "lower", 0.12+20/rate), repeated("rss", "B", "lower", 14.2e6+p50*1e7),
	}}
	for _, of := range []float64{0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1} {
		c.Distribution = append(c.Distribution, Quantile{of, at(of)})
	}
	for second := range 10 {
		wave := 1 + 0.15*math.Sin(float64(second))
		c.Series = append(c.Series, Interval{From: float64(second), Seconds: 1, Requests: int64(rate), P50: at(0.5) * wave, P99: at(0.99) * wave * wave})
	}
	for range 5 {
		c.Requests = append(c.Requests, int64(10*rate))
	}
	return c
}

func warm() Scenario {
	return Scenario{
		Name: "warm", Title: "Cached credentials at several rates",
		About:  "One identity asks for credentials that the agent has in its cache, at a constant rate. Shows what a request costs when EKS Auth is not needed, and where the agent has its limit.",
		Source: "https://github.com/aws/eks-pod-identity-agent/issues/50", Subject: "agent", Outcome: Pass, Started: at(61), Duration: took(31.2),
		Size:  map[string]string{"duration": "10s", "rates": "200,900,5000", "repeats": "5"},
		Cases: []Case{latencies("rate=200", 200, 0.00055), latencies("rate=900", 900, 0.00041), latencies("rate=5000", 5000, 0.00038)},
		Notes: []string{"The agent answered 429 to none of 305,000 requests."},
	}
}

func throttled() Scenario {
	s := Scenario{
		Name: "throttled", Title: "Half of EKS Auth's answers are ThrottlingException",
		About:  "500 pods ask at once for the first time while EKS Auth throttles half of the calls. Shows whether pods come up without credentials.",
		Source: "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-considerations.html", Subject: "agent", Outcome: Pass, Started: at(93), Duration: took(14),
		Size:  map[string]string{"identities": "500", "throttled": "50%"},
		Cases: []Case{latencies("", 500, 0.41)},
	}
	c := &s.Cases[0]
	c.Metrics[4] = repeated("failed", "ratio", "lower", 0.0132)
	c.Metrics = append(c.Metrics, Metric{Name: "calls", Unit: "calls/identity", Better: "lower", Value: 1.46, Samples: []float64{1.44, 1.46, 1.47, 1.46, 1.48}})
	c.Errors = map[string]int64{"429": 31, "timeout": 2}
	for i := range c.Series {
		c.Series[i].Failed = int64(10 - i)
	}
	return s
}

func ghost() Scenario {
	return Scenario{
		Name: "ghost", Title: "Renewals for pods that are gone", About: "Pods are deleted before their credentials expire. Shows whether the agent keeps on asking EKS Auth for them.",
		Subject: "agent", Outcome: Pass, Started: at(108), Duration: took(20), Size: map[string]string{"pods": "100"},
		Cases: []Case{{Metrics: []Metric{{Name: "calls", Unit: "calls", Better: "lower", Samples: []float64{0}}}}},
	}
}

// saturation is a scenario in which the generator was the limit.
func saturation() Scenario {
	s := Scenario{
		Name: "saturation", Title: "The largest rate that meets p99 < 10 ms", About: "Searches for the largest rate at which the agent still answers in time.",
		Subject: "agent", Outcome: Pass, Started: at(130), Duration: took(42), Size: map[string]string{"slo": "p99<10ms"},
		Cases: []Case{latencies("", 19200, 0.0011)},
	}
	s.Cases[0].Limited = "it sent 91% of 21,000 req/s, and its ceiling on this node is 20,400 req/s"
	return s
}

// herd is a scenario with wrong answers of the subject.
func herd() Scenario {
	return Scenario{
		Name: "herd-same", Title: "200 requests at once for one cold token", About: "Shows whether requests for the same token share one call to EKS Auth.",
		Subject: "agent", Outcome: Fail, Failure: &Failure{Message: "3 of 200 answers carry the credentials of another identity\nthe first: pod app-17 got those of app-4", Location: "bench/scenario/herd.go:88"},
		Started: at(175), Duration: took(3.5), Cases: []Case{latencies("", 200, 0.22)},
	}
}

// measured is a run with measurements only.
func measured() Run {
	run := begun("20261124-090000")
	run.Phases = append(run.Phases, Phase{Name: "Benchmark", Started: at(60), Duration: took(120)})
	run.Ended = at(184)
	run.Bench = &Bench{
		Seed:      42,
		Machines:  []Machine{{Name: "epi-control-plane", CPU: "AMD EPYC 7763 64-Core Processor", Cores: 2, Memory: 25_200_000_000, Kernel: "6.18.0"}},
		Generator: Generator{Pods: 1, Ceiling: 20400, Rate: 1000, P50: 0.00019, P99: 0.00093},
		Scenarios: []Scenario{warm(), throttled(), ghost()},
		Thresholds: []Threshold{
			{Expression: "warm.p99<5ms", Outcome: Pass, Measured: []Measured{{"rate=200", 0.00253, "sec", true}, {"rate=900", 0.00189, "sec", true}, {"rate=5000", 0.00175, "sec", true}}},
			{Expression: "throttled.failed<2%", Outcome: Pass, Measured: []Measured{{"", 0.0132, "ratio", true}}},
			{Expression: "ghost.calls==0", Outcome: Pass, Measured: []Measured{{"", 0, "calls", true}}},
		},
	}
	return run
}

// gated is a run with specs whose benchmark misses its thresholds and its baseline.
func gated() Run {
	run := passing()
	run.ID = "20261124-100000"
	run.Ended = at(190)
	bench := measured().Bench
	bench.Scenarios = append(bench.Scenarios, saturation(), herd())
	bench.Thresholds[0] = Threshold{Expression: "warm.p99<1.8ms", Outcome: Fail, Measured: []Measured{{"rate=200", 0.00253, "sec", false}, {"rate=900", 0.00189, "sec", false}, {"rate=5000", 0.00175, "sec", true}}}
	bench.Baseline, bench.Tolerance = "_artifacts/20261120-090000", 0.1
	bench.Differences = []Difference{
		{Scenario: "warm", Case: "rate=900", Metric: "p99", Unit: "sec", Old: 0.00151, New: 0.00189, Ratio: 1.25, P: 0.008, Verdict: "worse", Regressed: true},
		{Scenario: "warm", Case: "rate=900", Metric: "cpu", Unit: "sec/1000req", Old: 0.18, New: 0.142, Ratio: 0.789, P: 0.008, Verdict: "better"},
		{Scenario: "warm", Case: "rate=900", Metric: "rss", Unit: "B", Old: 14.5e6, New: 14.6e6, Ratio: 1.007, P: 0.42, Verdict: "no difference shown"},
		{Scenario: "ghost", Metric: "calls", Unit: "calls", Ratio: 1, P: 1, Verdict: "too few measurements"},
	}
	run.Bench = bench
	return run
}

// doubtful is a run with a regression, and a possible one for which the generator was the limit.
func doubtful() Run {
	run := measured()
	run.Bench.Baseline, run.Bench.Tolerance = "main/bench.json", 0.1
	run.Bench.Differences = []Difference{
		gated().Bench.Differences[0],
		{Scenario: "saturation", Metric: "p99", Unit: "sec", Old: 0.004, New: 0.009, Ratio: 2.25, P: 0.008, Verdict: "worse", Limited: "it sent 91% of 21,000 req/s"},
	}
	return run
}

// versus is an A/B run with a broken scenario and an undecided threshold.
func versus() Run {
	run := measured()
	run.ID = "20261124-110000"
	broken := Scenario{Name: "soak", Title: "Memory over time", About: "Shows what is kept that should not be.", Subject: "agent", Outcome: Error,
		Failure: &Failure{Message: "the probe pod was evicted"}, Started: at(150), Duration: took(2)}
	gone := Scenario{Name: "s3", Title: "Signed GETs end to end", About: "Shows what an application sees.", Subject: "agent", Outcome: NotRun, Reason: "the run ended before its turn"}
	run.Bench.Scenarios = append(run.Bench.Scenarios, broken, gone)
	run.Bench.Thresholds = append(run.Bench.Thresholds, Threshold{Expression: "soak.rss<40MB", Outcome: Error, Reason: "soak broke: the probe pod was evicted"})
	run.Bench.Variants = []Variant{{Name: "A", Image: "epi-agent:v0.1.0", Digest: "sha256:" + strings.Repeat("a07c", 16)}, {Name: "B", Image: "epi-agent:v0.1.0", Args: []string{"--cache=false"}}}
	run.Bench.Differences = []Difference{{Scenario: "warm", Case: "rate=200", Metric: "p99", Unit: "sec", Old: 0.0025, New: 0.221, Ratio: 88.4, Low: 80.1, High: 95.2, P: 0.0001, Verdict: "worse"}}
	return run
}

// hostileBench has hostile texts in every text of a benchmark, and no times or measures.
func hostileBench() Run {
	h := hostileText
	run := measured()
	run.ID = h
	run.Bench.Machines = []Machine{{Name: h, CPU: h, Kernel: h}}
	bad := latencies(h, 100, 0.1)
	bad.Metrics = append(bad.Metrics, Metric{Name: h, Unit: h, Better: "lower", Value: 1e300, Samples: []float64{-1, 1e300}})
	bad.Errors, bad.Limited = map[string]int64{h: 1}, h
	bad.Series = append(bad.Series, Interval{From: 1e9, Seconds: 1e9, P99: 1e12})
	run.Bench.Scenarios = append(run.Bench.Scenarios, Scenario{
		Name: h, Title: h, About: h, Source: h, Subject: h, Outcome: Fail, Reason: h, Failure: &Failure{Message: h, Location: h},
		Started: time.Time{}, Size: map[string]string{h: h}, Cases: []Case{bad, {}, {Name: "x", Distribution: []Quantile{{0.5, 0}}, Series: []Interval{{}}}}, Notes: []string{h},
	})
	run.Bench.Thresholds = append(run.Bench.Thresholds, Threshold{h, []Measured{{h, 1, h, false}}, Fail, h})
	run.Bench.Variants, run.Bench.Baseline = []Variant{{h, h, h, []string{h}}}, h
	run.Bench.Differences = []Difference{{Scenario: h, Case: h, Metric: h, Unit: h, Old: 1, New: 2, Ratio: 2, P: 0.01, Verdict: h}}
	return run
}
