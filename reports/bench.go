package reports

import (
	"strings"
	"time"
)

// BenchSchema is the version of bench.json that this package reads and writes.
const BenchSchema = "epi.bench/v1"

// Bench has the measurements of the benchmark.
type Bench struct {
	// Seed of all random parts of the schedules: the same seed makes the same requests.
	Seed uint64 `json:"seed"`
	// Machines are the nodes of the subjects and the generators.
	Machines []Machine `json:"machines"`
	// Generator has the limits of the load generators, measured with a null handler.
	Generator Generator  `json:"generator"`
	Scenarios []Scenario `json:"scenarios"`
	// Thresholds that were set, with their measurements.
	Thresholds []Threshold `json:"thresholds,omitempty"`
	// Variants are the two agents of an A/B run. Differences are the results of their comparison or, with a baseline, of
	// the comparison between it (the old) and this run (the new).
	Variants []Variant `json:"variants,omitempty"`
	Baseline string    `json:"baseline,omitempty"`
	// Tolerance is the share by which a measure may be worse than the baseline's: 0.1 for 10%.
	Tolerance   float64      `json:"tolerance,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
}

// Machine is a node.
type Machine struct {
	Name   string `json:"name"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory"` // bytes
	Kernel string `json:"kernel,omitempty"`
}

// Generator is the calibration of the load generators.
type Generator struct {
	// Pods is the number of generators that made load together.
	Pods int `json:"pods"`
	// Ceiling is the largest rate that one reached with a null handler on its node, in requests a second.
	Ceiling float64 `json:"ceiling"`
	// Rate is the rate at which P50 and P99, its own latencies in seconds, were measured.
	Rate float64 `json:"rate"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
}

// Scenario is the record of one scenario.
type Scenario struct {
	// Name such as "herd-same". Title is the name in words.
	Name  string `json:"name"`
	Title string `json:"title"`
	// About says what it does and what it shows. Source is a report of users, or a document, about it.
	About  string `json:"about"`
	Source string `json:"source,omitempty"`
	// Subject is "agent" or "webhook".
	Subject  string        `json:"subject"`
	Outcome  Outcome       `json:"outcome"`
	Reason   string        `json:"reason,omitempty"`
	Failure  *Failure      `json:"failure,omitempty"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"` // nanoseconds
	// Size has its settings: "duration", "identities", "rates" and others.
	Size  map[string]string `json:"size,omitempty"`
	Cases []Case            `json:"cases"`
	// Notes are sentences about observations that no metric has.
	Notes []string `json:"notes,omitempty"`
}

// Case is a scenario with one setting.
type Case struct {
	// Name has the settings as key=value, separated by "/" like sub-benchmarks: "rate=900". It is empty if the scenario has
	// one case only.
	Name    string   `json:"name,omitempty"`
	Metrics []Metric `json:"metrics"`
	// Requests are the numbers of requests, or of other counted events, of each repeat, in order.
	Requests []int64 `json:"requests,omitempty"`
	// Errors are the failed requests of all repeats together, by kind.
	Errors map[string]int64 `json:"errors,omitempty"`
	// Distribution of the latencies of all repeats together, from the intended start.
	Distribution []Quantile `json:"distribution,omitempty"`
	// Series is the course of the first repeat.
	Series []Interval `json:"series,omitempty"`
	// Tracks are quantities over the whole time, such as the subject's memory.
	Tracks []Track `json:"tracks,omitempty"`
	// Limited says why the measurements are the generator's and not the subject's; empty if they are the subject's.
	Limited string `json:"limited,omitempty"`
	// LimitedTail says that Limited concerns the slowest requests alone: p99, p99.9 and max. The other measures are the
	// subject's.
	LimitedTail bool `json:"limitedTail,omitempty"`
}

// LimitOf says why a metric's measurements are the generator's and not the subject's; "" if they are the subject's.
func (c Case) LimitOf(metric string) string {
	if c.LimitedTail && !strings.HasPrefix(metric, "p99") && metric != "max" {
		return ""
	}
	return c.Limited
}

// Metric is a measure of a case.
type Metric struct {
	// Name such as "p99", "cpu", "rss", "rate", "failed", "calls".
	Name string `json:"name"`
	// Unit is SI's, without prefix: "sec", "B", "req/s", "sec/1000req", "calls/identity", "ratio", or the counted events,
	// such as "calls".
	Unit string `json:"unit"`
	// Better is "lower" or "higher"; empty if neither is.
	Better string `json:"better,omitempty"`
	// Value of all repeats together: a percentile of the merged latencies, and never an average of percentiles. It is the
	// median if values cannot be merged.
	Value float64 `json:"value"`
	// Samples are the values of the repeats, in order.
	Samples []float64 `json:"samples"`
	// Counts are the counts of the repeats, in order, if the metric is a rate of counted events.
	Counts []Count `json:"counts,omitempty"`
}

// Count is a number of events and the number of possible ones, such as failed requests and all requests.
type Count struct {
	Events int64 `json:"events"`
	Of     int64 `json:"of"`
}

// Quantile is a point of a distribution.
type Quantile struct {
	// Of is the share of requests, 0 to 1, that took at most Seconds.
	Of      float64 `json:"of"`
	Seconds float64 `json:"seconds"`
}

// Interval is one interval of a series.
type Interval struct {
	// From is its beginning in seconds since the start of the load, by intended start.
	From     float64 `json:"from"`
	Seconds  float64 `json:"seconds"` // its length
	Requests int64   `json:"requests"`
	Failed   int64   `json:"failed,omitempty"`
	P50      float64 `json:"p50,omitempty"` // seconds
	P99      float64 `json:"p99,omitempty"`
}

// Track is a quantity over time.
type Track struct {
	// Name such as "rss". Unit is like a Metric's.
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Points []Point `json:"points"`
}

// Point is a value of a Track.
type Point struct {
	At    float64 `json:"at"` // seconds since the start
	Value float64 `json:"value"`
}

// Threshold is a limit that was set for a metric.
type Threshold struct {
	// Expression is the user's text, such as "warm.p99<5ms".
	Expression string `json:"expression"`
	// Measured are its cases, with their values.
	Measured []Measured `json:"measured"`
	Outcome  Outcome    `json:"outcome"`
	// Reason why it could not be decided.
	Reason string `json:"reason,omitempty"`
}

// Measured is the value of a case that a threshold applies to.
type Measured struct {
	Case  string  `json:"case,omitempty"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Holds bool    `json:"holds"`
}

// Variant is one of the two agents of an A/B run.
type Variant struct {
	// Name is "A" or "B".
	Name   string   `json:"name"`
	Image  string   `json:"image"`
	Digest string   `json:"digest,omitempty"`
	Args   []string `json:"args,omitempty"`
}

// The verdicts of a Difference.
const (
	// NoDifference does not prove that there is none.
	NoDifference = "no difference shown"
	Better       = "better"
	Worse        = "worse"
	// Different is for a metric of which neither direction is better.
	Different = "different"
	// Same is a difference within Difference.Within.
	Same = "the same"
	// TooFew measurements cannot show a difference.
	TooFew = "too few measurements"
)

// Difference is the result of a comparison of a metric.
type Difference struct {
	Scenario string `json:"scenario"`
	Case     string `json:"case,omitempty"`
	Metric   string `json:"metric"`
	Unit     string `json:"unit"`
	// Old and New are medians. In an A/B run they are the middle of A's and B's pairs, and for counts the rates of all
	// repeats together.
	Old float64 `json:"old"`
	New float64 `json:"new"`
	// Ratio is New divided by Old; 0 if Old is 0. Low and High, if both are set, are its interval with 95% confidence. In
	// an A/B run the confidence is for all primary measures together.
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low,omitempty"`
	High  float64 `json:"high,omitempty"`
	// Change is, for counts, the interval of New minus Old in place of the ratio's.
	Change *Change `json:"change,omitempty"`
	// P is the probability of a difference at least as large if there were none.
	P float64 `json:"p"`
	// Verdict is "no difference shown", "better", "worse", "different" if neither direction is better, "the same" or "too
	// few measurements".
	Verdict string `json:"verdict"`
	// Within is the range of "the same": at most this share more or less, or for counts at most this difference in Unit.
	Within float64 `json:"within,omitempty"`
	// Primary says that the run was made to decide this. Pairs is the number of pairs of executions.
	Primary bool `json:"primary,omitempty"`
	Pairs   int  `json:"pairs,omitempty"`
	// Regressed says that it is shown to be worse than the baseline increased by the tolerance.
	Regressed bool `json:"regressed,omitempty"`
	// Limited says why it is not known whether it regressed: the generator was the limit.
	Limited string `json:"limited,omitempty"`
}

// Change is the interval of New minus Old, in the metric's unit.
type Change struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}
