package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// Latencies are recorded in microseconds, from 1 µs to 2 min. Longer ones count as 2 min.
	highest = int64(2 * time.Minute / time.Microsecond)
	// digits of precision of a phase's percentiles: 0.1%.
	digits = 3
	// intervalDigits of an interval's: 1%, in a tenth of the memory.
	intervalDigits = 2
	// maxIntervals bounds the memory of a series.
	maxIntervals = 600
	// shortLoad is a load for which a series with a point each second would have only a few points.
	shortLoad = 10 * time.Second
)

// Result is the result of a load. Durations in its JSON are nanoseconds.
type Result struct {
	// Phases as the schedule has them, in order.
	Phases []*PhaseResult `json:"phases"`
	// Intervals are the series over the whole load, by intended start.
	Intervals []*Interval `json:"intervals"`
	// Interval is the length of each.
	Interval time.Duration `json:"interval"`
	// Lag is the lateness of requests for which a worker was free, in microseconds. It is the generator's own part in the
	// latencies.
	Lag *Histogram `json:"lag"`
	// MaxInFlight is the largest number of simultaneous requests; for merged results it is the sum.
	MaxInFlight int `json:"maxInFlight"`
	// Starved counts requests that waited because Options.Workers requests were in progress.
	Starved int64 `json:"starved"`
	// Interrupted says that the load was stopped before its end.
	Interrupted bool `json:"interrupted,omitempty"`
}

// PhaseResult is the result of a phase.
type PhaseResult struct {
	Name string `json:"name"`
	// Latency of successes and failures is from the intended start to the end of the answer, and Service from the actual
	// start, in microseconds.
	Latency *Histogram `json:"latency"`
	Service *Histogram `json:"service"`
	// Requests is the number of ended requests. Errors has the failed ones by kind.
	Requests int64            `json:"requests"`
	Errors   map[string]int64 `json:"errors,omitempty"`
	// Begun and Ended are the intended start of the first and the end of the last request, from the
	// start of the load.
	Begun time.Duration `json:"begun"`
	Ended time.Duration `json:"ended"`
}

// Failed is the number of errors.
func (p *PhaseResult) Failed() int64 {
	var sum int64
	for count := range maps.Values(p.Errors) {
		sum += count
	}
	return sum
}

// Kinds lists the errors by their kind, the most frequent first, such as "4500 refused, 3 timeout".
func (p *PhaseResult) Kinds() string {
	var list []string
	for _, kind := range slices.SortedFunc(maps.Keys(p.Errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(p.Errors[b], p.Errors[a]), strings.Compare(a, b))
	}) {
		list = append(list, fmt.Sprintf("%d %s", p.Errors[kind], kind))
	}
	return strings.Join(list, ", ")
}

// Rate is the number of successful requests a second, from the first intended start to the last end.
func (p *PhaseResult) Rate() float64 {
	took := (p.Ended - p.Begun).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(p.Requests-p.Failed()) / took
}

// Interval is a piece of the series.
type Interval struct {
	Requests int64 `json:"requests"`
	Failed   int64 `json:"failed"`
	// Latency as in PhaseResult; nil if no request was scheduled.
	Latency *Histogram `json:"latency,omitempty"`
}

// Merge adds another generator's result of the same plan with the same start. Histograms are merged, so percentiles are
// those of all requests and never averages. For results of different plans it returns an error and merges nothing.
func (r *Result) Merge(other *Result) error {
	if len(r.Phases) != len(other.Phases) || r.Interval != other.Interval {
		return fmt.Errorf("merge results: %d phases with intervals of %s, and %d with %s", len(r.Phases), r.Interval, len(other.Phases), other.Interval)
	}
	for i, phase := range other.Phases {
		if r.Phases[i].Name != phase.Name {
			return fmt.Errorf("merge results: phase %d is %q and %q", i+1, r.Phases[i].Name, phase.Name)
		}
	}
	for i, phase := range other.Phases {
		r.Phases[i].merge(phase)
	}
	for i, interval := range other.Intervals {
		if i == len(r.Intervals) {
			r.Intervals = append(r.Intervals, &Interval{})
		}
		r.Intervals[i].merge(interval)
	}
	r.Lag.merge(other.Lag)
	r.MaxInFlight += other.MaxInFlight
	r.Starved += other.Starved
	r.Interrupted = r.Interrupted || other.Interrupted
	return nil
}

func (p *PhaseResult) merge(other *PhaseResult) {
	if other.Requests == 0 {
		return
	}
	if p.Requests == 0 || other.Begun < p.Begun {
		p.Begun = other.Begun
	}
	p.Ended = max(p.Ended, other.Ended)
	p.Requests += other.Requests
	p.Latency.merge(other.Latency)
	p.Service.merge(other.Service)
	for kind, count := range other.Errors {
		p.Errors[kind] += count
	}
}

func (i *Interval) merge(other *Interval) {
	i.Requests += other.Requests
	i.Failed += other.Failed
	if other.Latency == nil {
		return
	}
	if i.Latency == nil {
		i.Latency = newHistogram(intervalDigits)
	}
	i.Latency.merge(other.Latency)
}

func newPhase(name string) *PhaseResult {
	return &PhaseResult{Name: name, Latency: newHistogram(digits), Service: newHistogram(digits), Errors: map[string]int64{}}
}

// intervalOf is the length of the intervals of a load's series: one second, a tenth of that in a short load, and in a load
// of hours the length that gives maxIntervals.
func intervalOf(length time.Duration) time.Duration {
	if length <= shortLoad {
		return time.Second / 10
	}
	return max(time.Second, (length / maxIntervals).Round(time.Second))
}

// recorder collects a Result.
type recorder struct {
	mu     sync.Mutex
	result *Result
}

func newRecorder(schedule Schedule) *recorder {
	// Long loads have longer intervals.
	interval := intervalOf(schedule.Length())
	r := &recorder{result: &Result{Interval: interval, Lag: newHistogram(digits)}}
	for _, name := range schedule.Phases() {
		r.result.Phases = append(r.result.Phases, newPhase(name))
	}
	return r
}

// add records a request with its intended start, its start and its end. kind is its error.
func (r *recorder) add(t ticket, began, ended time.Duration, kind string) {
	latency, service := micros(ended-t.at), micros(ended-began)
	r.mu.Lock()
	defer r.mu.Unlock()
	phase := r.result.Phases[t.phase]
	if phase.Requests == 0 || t.at < phase.Begun {
		phase.Begun = t.at
	}
	phase.Ended = max(phase.Ended, ended)
	phase.Requests++
	phase.Latency.record(latency)
	phase.Service.record(service)
	if !t.waited {
		r.result.Lag.record(micros(began - t.at))
	}
	interval := r.interval(t.at)
	interval.Requests++
	interval.Latency.record(latency)
	if kind != "" {
		phase.Errors[kind]++
		interval.Failed++
	}
}

func (r *recorder) interval(at time.Duration) *Interval {
	n := min(int(at/r.result.Interval), 2*maxIntervals)
	for len(r.result.Intervals) <= n {
		r.result.Intervals = append(r.result.Intervals, &Interval{})
	}
	interval := r.result.Intervals[n]
	if interval.Latency == nil {
		interval.Latency = newHistogram(intervalDigits)
	}
	return interval
}

func micros(d time.Duration) int64 { return min(max(int64(d/time.Microsecond), 1), highest) }
