package measure

import (
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/reports"
)

// Metric is a measure by name.
type Metric struct {
	Name, Unit, Better string
}

// The metrics of every load, as far as the environment gives access to them.
var (
	P50    = Metric{"p50", "sec", Lower}
	P90    = Metric{"p90", "sec", Lower}
	P99    = Metric{"p99", "sec", Lower}
	P999   = Metric{"p99.9", "sec", Lower}
	Max    = Metric{"max", "sec", Lower}
	Rate   = Metric{"rate", "req/s", Higher}
	Failed = Metric{"failed", "ratio", Lower}
	CPU    = Metric{"cpu", "sec/1000req", Lower}
	RSS    = Metric{"rss", "B", Lower}
	Calls  = Metric{"calls", "calls/identity", Lower}
)

// Which direction of a metric is better.
const (
	Lower  = "lower"
	Higher = "higher"
)

// What a Sampler adds: Theil's and Sen's slope over the whole time, of memory in all readings and of
// goroutines in those between two loads.
var (
	RSSGrowth       = Metric{"rss-growth", "B/min", Lower}
	GoroutineGrowth = Metric{"goroutine-growth", "goroutines/min", Lower}
)

// Standard lists the metrics that every load gives.
func Standard() []Metric {
	return []Metric{P50, P90, P99, P999, Max, Rate, Failed, CPU, RSS, Calls}
}

// Sample is one repeat of a case.
type Sample struct {
	// Result of the load; nil if none was made by generators.
	Result *load.Result
	// Metered: CPU and RSS are known. CPU time of the subject during the load, and RSS of all its processes
	// at the end, in bytes.
	Metered bool
	CPU     time.Duration
	RSS     int64
	// Calls that EKS Auth received meanwhile, for how many Identities; -1 if that is unknown.
	Calls      int
	Identities int
	// Limited says whether the generator, and not the subject, decided measures of the result.
	Limited load.Limit
}

// Case collects the repeats of a scenario with the same parameters.
type Case struct {
	name    string
	metrics []*reports.Metric
	// latency of all repeats together.
	latency *hdrhistogram.Histogram
	// requests and failed of all repeats, errors by kind; counts are the requests of each.
	requests, failed int64
	counts           []int64
	errors           map[string]int64
	series           []reports.Interval
	tracks           []reports.Track
	// limits say why the generator decided the result of repeats; samples is the number of all repeats.
	limits  []load.Limit
	samples int
}

// caseList has the cases of a scenario, in the order of their creation.
type caseList []*Case

// of returns the case of a name. The first call creates it.
func (l *caseList) of(name string) *Case {
	if i := slices.IndexFunc(*l, func(c *Case) bool { return c.name == name }); i >= 0 {
		return (*l)[i]
	}
	c := NewCase(name)
	*l = append(*l, c)
	return c
}

func (l caseList) record() []reports.Case {
	var list []reports.Case
	for _, c := range l {
		list = append(list, c.Report())
	}
	return list
}

func NewCase(name string) *Case { return &Case{name: name, errors: map[string]int64{}} }

// Add adds a repeat. Its latencies include those of failed requests: a client waits for a refusal, too.
func (c *Case) Add(sample Sample) {
	requests := int64(0)
	if sample.Result != nil {
		for _, phase := range sample.Result.Phases {
			requests += phase.Requests
		}
		c.load(sample.Result)
	}
	if sample.Metered {
		if requests > 0 {
			c.Record(CPU, sample.CPU.Seconds()*1000/float64(requests))
		}
		c.Record(RSS, float64(sample.RSS))
	}
	if sample.Calls >= 0 && sample.Identities > 0 {
		c.recordCount(Calls, int64(sample.Calls), int64(sample.Identities))
	}
	c.samples++
	if sample.Limited.Why != "" {
		c.limits = append(c.limits, sample.Limited)
	}
}

// load adds the result of all phases together, without lead-ups.
func (c *Case) load(result *load.Result) {
	latency := hdrhistogram.New(1, int64(2*time.Minute/time.Microsecond), 3)
	var requests, failed int64
	var begun, ended time.Duration
	for _, phase := range result.Phases {
		if phase.Name == leadUp {
			continue
		}
		latency.Merge(phase.Latency.Histogram)
		if requests == 0 || phase.Begun < begun {
			begun = phase.Begun
		}
		requests += phase.Requests
		failed += phase.Failed()
		ended = max(ended, phase.Ended)
		for kind, count := range phase.Errors {
			c.errors[kind] += count
		}
	}
	if requests == 0 {
		return
	}
	for metric, percentile := range percentiles(requests) {
		c.Record(metric, seconds(latency.ValueAtQuantile(percentile)))
	}
	c.Record(Max, seconds(latency.Max()))
	if took := (ended - begun).Seconds(); took > 0 {
		c.Record(Rate, float64(requests-failed)/took)
	}
	c.recordCount(Failed, failed, requests)
	if c.latency == nil {
		c.latency = latency
		c.series = series(result)
	} else {
		c.latency.Merge(latency)
	}
	c.requests, c.failed, c.counts = c.requests+requests, c.failed+failed, append(c.counts, requests)
}

// merge appends the repeats of another case.
func (c *Case) merge(other *Case) {
	for _, metric := range other.metrics {
		for _, sample := range metric.Samples {
			c.Record(Metric{Name: metric.Name, Unit: metric.Unit, Better: metric.Better}, sample)
		}
		i := slices.IndexFunc(c.metrics, func(m *reports.Metric) bool { return m.Name == metric.Name })
		if i >= 0 {
			c.metrics[i].Counts = append(c.metrics[i].Counts, metric.Counts...)
		}
	}
	switch {
	case c.latency == nil:
		c.latency, c.series = other.latency, other.series
	case other.latency != nil:
		c.latency.Merge(other.latency)
	}
	c.requests, c.failed = c.requests+other.requests, c.failed+other.failed
	c.counts = append(c.counts, other.counts...)
	for kind, count := range other.errors {
		c.errors[kind] += count
	}
	c.limits, c.samples = append(c.limits, other.limits...), c.samples+other.samples
}

// limited says why the generator decided the case's result, which it did if it was limited in at least half of the repeats.
// Other work of the machine may affect one repeat alone. The limit concerns more than the slowest requests if that of half
// of the repeats does.
func (c *Case) limited() load.Limit {
	whole := slices.DeleteFunc(slices.Clone(c.limits), func(l load.Limit) bool { return l.Tail })
	switch {
	case len(c.limits) == 0 || 2*len(c.limits) < c.samples:
		return load.Limit{}
	case len(whole) > 0 && 2*len(whole) >= c.samples:
		return whole[0]
	}
	return load.Limit{Why: c.limits[0].Why, Tail: true}
}

// Record adds a sample of a metric: of the scenario's own, or of a standard one that the scenario measures itself.
func (c *Case) Record(metric Metric, value float64) {
	for _, known := range c.metrics {
		if known.Name == metric.Name {
			known.Samples = append(known.Samples, value)
			return
		}
	}
	c.metrics = append(c.metrics, &reports.Metric{Name: metric.Name, Unit: metric.Unit, Better: metric.Better, Samples: []float64{value}})
}

// recordCount adds a sample of a metric that is a number of events of a total.
func (c *Case) recordCount(metric Metric, events, of int64) {
	c.Record(metric, float64(events)/float64(of))
	i := slices.IndexFunc(c.metrics, func(m *reports.Metric) bool { return m.Name == metric.Name })
	c.metrics[i].Counts = append(c.metrics[i].Counts, reports.Count{Events: events, Of: of})
}

// RecordLatencies adds a repeat whose latencies were not measured by a load generator.
func (c *Case) RecordLatencies(latencies []time.Duration) {
	if len(latencies) == 0 {
		return
	}
	h := hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)
	for _, latency := range latencies {
		_ = h.RecordValue(min(max(latency.Microseconds(), 1), int64(10*time.Minute/time.Microsecond))) // within its range
	}
	for metric, percentile := range percentiles(int64(len(latencies))) {
		c.Record(metric, seconds(h.ValueAtQuantile(percentile)))
	}
	c.Record(Max, seconds(h.Max()))
	if c.latency == nil {
		c.latency = h
	} else {
		c.latency.Merge(h)
	}
	c.counts = append(c.counts, int64(len(latencies)))
}

// RecordFailures adds a repeat's errors by kind, of requests that were not made by a load generator. It does
// not matter whether RecordLatencies has the latencies of failed requests.
func (c *Case) RecordFailures(requests int, failed map[string]int) {
	if requests == 0 {
		return
	}
	sum := 0
	for kind, count := range failed {
		sum += count
		c.errors[kind] += int64(count)
	}
	c.requests, c.failed = c.requests+int64(requests), c.failed+int64(sum)
	c.recordCount(Failed, int64(sum), int64(requests))
}

// percentiles are those that the number of requests allows: the slowest of ten is no 99th percentile.
func percentiles(requests int64) map[Metric]float64 {
	known := map[Metric]float64{P50: 50}
	if requests >= 10 {
		known[P90] = 90
	}
	if requests >= 100 {
		known[P99] = 99
	}
	if requests >= 1000 {
		known[P999] = 99.9
	}
	return known
}

// Report is the case as the reports have it.
func (c *Case) Report() reports.Case {
	limit := c.limited()
	record := reports.Case{Name: c.name, Requests: c.counts, Limited: limit.Why, LimitedTail: limit.Tail, Series: c.series, Tracks: c.tracks}
	if len(c.errors) > 0 {
		record.Errors = maps.Clone(c.errors)
	}
	slices.SortStableFunc(c.metrics, func(a, b *reports.Metric) int { return rank(a.Name) - rank(b.Name) })
	for _, metric := range c.metrics {
		metric.Value = c.value(*metric)
		record.Metrics = append(record.Metrics, *metric)
	}
	if c.latency != nil {
		record.Distribution = distribution(c.latency)
	}
	return record
}

// value of all repeats together.
func (c *Case) value(metric reports.Metric) float64 {
	switch metric.Name {
	case P50.Name:
		return c.quantile(metric, 50)
	case P90.Name:
		return c.quantile(metric, 90)
	case P99.Name:
		return c.quantile(metric, 99)
	case P999.Name:
		return c.quantile(metric, 99.9)
	case Max.Name:
		return slices.Max(metric.Samples)
	case Failed.Name:
		if c.requests > 0 {
			return float64(c.failed) / float64(c.requests)
		}
	}
	return median(metric.Samples)
}

func (c *Case) quantile(metric reports.Metric, percentile float64) float64 {
	if c.latency == nil {
		return median(metric.Samples)
	}
	return seconds(c.latency.ValueAtQuantile(percentile))
}

// rank orders metrics as Standard does, and a scenario's own after them.
func rank(name string) int {
	i := slices.IndexFunc(Standard(), func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return len(Standard())
	}
	return i
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func seconds(micros int64) float64 { return float64(micros) / 1e6 }

// distribution has only the points that the number of values allows.
func distribution(h *hdrhistogram.Histogram) []reports.Quantile {
	var points []reports.Quantile
	for _, of := range []float64{0, .1, .25, .5, .6, .7, .75, .8, .85, .9, .95, .975, .99, .995, .999, .9995, .9999, .99999} {
		if of > 0.5 && (1-of)*float64(h.TotalCount()) < 1 {
			break
		}
		points = append(points, reports.Quantile{Of: of, Seconds: seconds(h.ValueAtQuantile(of * 100))})
	}
	return append(points, reports.Quantile{Of: 1, Seconds: seconds(h.Max())})
}

func series(result *load.Result) []reports.Interval {
	var list []reports.Interval
	for i, interval := range result.Intervals {
		if interval.Requests == 0 {
			continue
		}
		point := reports.Interval{
			From: (time.Duration(i) * result.Interval).Seconds(), Seconds: result.Interval.Seconds(),
			Requests: interval.Requests, Failed: interval.Failed,
		}
		if interval.Latency != nil {
			point.P50, point.P99 = seconds(interval.Latency.ValueAtQuantile(50)), seconds(interval.Latency.ValueAtQuantile(99))
		}
		list = append(list, point)
	}
	return list
}
