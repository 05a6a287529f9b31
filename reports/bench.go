package reports

import "time"

// BenchSchema is the version of bench.json that this package reads and writes.
const BenchSchema = "epi.bench/v1"

// Bench is what the benchmark measured.
type Bench struct {
	// Seed of everything random in the schedules: the same seed asks the same.
	Seed uint64 `json:"seed"`
	// Machines are the nodes that the subjects and the generators ran on.
	Machines []Machine `json:"machines"`
	// Generator is what the load generators can do themselves, measured on a null handler.
	Generator Generator  `json:"generator"`
	Scenarios []Scenario `json:"scenarios"`
	// Thresholds that were asked for, with what was measured.
	Thresholds []Threshold `json:"thresholds,omitempty"`
	// Variants are the two agents of an A/B run, and Differences what was shown between them, or, with
	// a baseline, between it (the old) and this run (the new).
	Variants []Variant `json:"variants,omitempty"`
	Baseline string    `json:"baseline,omitempty"`
	// Tolerance is by which share a measure may be worse than the baseline's: 0.1 for 10%.
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
	// Pods is how many made load at once.
	Pods int `json:"pods"`
	// Ceiling is the largest rate that one reached on a null handler on its node, requests a second.
	Ceiling float64 `json:"ceiling"`
	// Rate at which P50 and P99, its own latencies in seconds, were measured.
	Rate float64 `json:"rate"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
}

// Scenario is the record of one scenario.
type Scenario struct {
	// Name such as "herd-same"; Title is it in words.
	Name  string `json:"name"`
	Title string `json:"title"`
	// About says what it does and what it shows; Source is where users report it.
	About  string `json:"about"`
	Source string `json:"source,omitempty"`
	// Subject is "agent" or "webhook".
	Subject  string        `json:"subject"`
	Outcome  Outcome       `json:"outcome"`
	Reason   string        `json:"reason,omitempty"`
	Failure  *Failure      `json:"failure,omitempty"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"` // nanoseconds
	// Size is its settings: "duration", "identities", "rates" and the like.
	Size  map[string]string `json:"size,omitempty"`
	Cases []Case            `json:"cases"`
	// Notes are sentences about what was seen that no metric reports.
	Notes []string `json:"notes,omitempty"`
}

// Case is a scenario at one setting.
type Case struct {
	// Name has the settings as key=value, several apart by "/", as sub-benchmarks have: "rate=900".
	// Empty if the scenario has one case only.
	Name    string   `json:"name,omitempty"`
	Metrics []Metric `json:"metrics"`
	// Requests that were made, or what else was counted, in each repeat, in order.
	Requests []int64 `json:"requests,omitempty"`
	// Errors are requests that failed, by kind, in all repeats together.
	Errors map[string]int64 `json:"errors,omitempty"`
	// Distribution of the latencies of all repeats together, from the intended start.
	Distribution []Quantile `json:"distribution,omitempty"`
	// Series is how the first repeat went.
	Series []Interval `json:"series,omitempty"`
	// Tracks are quantities over the whole time, such as the subject's memory.
	Tracks []Track `json:"tracks,omitempty"`
	// Limited says why what was measured is the generator's and not the subject's; empty if it is the
	// subject's.
	Limited string `json:"limited,omitempty"`
}

// Metric is a measure of a case.
type Metric struct {
	// Name such as "p99", "cpu", "rss", "rate", "failed", "calls".
	Name string `json:"name"`
	// Unit is SI's, without prefix: "sec", "B", "req/s", "sec/1000req", "calls/identity", "ratio" or
	// what is counted, such as "calls".
	Unit string `json:"unit"`
	// Better is "lower" or "higher"; empty where neither is.
	Better string `json:"better,omitempty"`
	// Value of all repeats together: a percentile of the merged latencies, never an average of
	// percentiles; the median for what cannot be merged.
	Value float64 `json:"value"`
	// Samples are the values of the repeats, in order.
	Samples []float64 `json:"samples"`
	// Counts are what was counted in the repeats, in order, if the metric is a rate of that.
	Counts []Count `json:"counts,omitempty"`
}

// Count is how many of how many, such as requests that failed of those that were made.
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

// Interval is a piece of a series.
type Interval struct {
	// From is where it begins, in seconds since the start of the load, by intended start.
	From     float64 `json:"from"`
	Seconds  float64 `json:"seconds"` // its length
	Requests int64   `json:"requests"`
	Failed   int64   `json:"failed,omitempty"`
	P50      float64 `json:"p50,omitempty"` // seconds
	P99      float64 `json:"p99,omitempty"`
}

// Track is a quantity over time.
type Track struct {
	// Name such as "rss", Unit as a Metric has it.
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
	// Expression as it was given, such as "warm.p99<5ms".
	Expression string `json:"expression"`
	// Measured are the cases that it is about, with their values.
	Measured []Measured `json:"measured"`
	Outcome  Outcome    `json:"outcome"`
	// Reason it could not be decided.
	Reason string `json:"reason,omitempty"`
}

// Measured is the value of a case that a threshold judges.
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

// Difference is what a comparison of a metric showed.
type Difference struct {
	Scenario string `json:"scenario"`
	Case     string `json:"case,omitempty"`
	Metric   string `json:"metric"`
	Unit     string `json:"unit"`
	// Old and New are medians; in an A/B run the middle of A's and B's pairs, and of counts the rates of all
	// repeats together.
	Old float64 `json:"old"`
	New float64 `json:"new"`
	// Ratio of New to Old, 0 if Old is 0; Low and High, where both are given, are its interval of 95% confidence,
	// in an A/B run of all primary measures together.
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low,omitempty"`
	High  float64 `json:"high,omitempty"`
	// Change is, of counts, the interval of New less Old in place of that of the ratio.
	Change *Change `json:"change,omitempty"`
	// P of a difference at least as large if there were none.
	P float64 `json:"p"`
	// Verdict is "no difference shown", "better", "worse", "different" where neither is better, "the same" or
	// "too few measurements".
	Verdict string `json:"verdict"`
	// Within is what "the same" means: at most this share more or less; of counts so much more or less, in Unit.
	Within float64 `json:"within,omitempty"`
	// Primary says that the run was made to decide this; Pairs is how many pairs of executions that took.
	Primary bool `json:"primary,omitempty"`
	Pairs   int  `json:"pairs,omitempty"`
	// Regressed says that it is shown to be worse than the baseline with the tolerance on top.
	Regressed bool `json:"regressed,omitempty"`
	// Limited says why it is not known whether it regressed: the generator was the limit.
	Limited string `json:"limited,omitempty"`
}

// Change is what New less Old lies within, in the metric's unit.
type Change struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}
