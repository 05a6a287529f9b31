// Package timeline writes the times of a command's steps, and the use of the processors, as a file for trace viewers such
// as Perfetto and chrome://tracing. It is JSON in the trace event format
// (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
package timeline

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Span is something with a duration, on the track of its kind.
type Span struct {
	// Track such as "steps" or "specs". Overlapping spans of a track are shown below each other.
	Track, Name string
	Started     time.Time
	Took        time.Duration
	// Failed says that it ended with an error.
	Failed bool
}

// Sample is the number of processors that each program used since the sample before, by the name of its processes.
type Sample struct {
	At    time.Time
	Cores map[string]float64
}

// Timeline collects spans and samples. It is safe for concurrent use.
type Timeline struct {
	mu      sync.Mutex
	spans   []Span
	samples []Sample
}

// Add adds a span.
func (t *Timeline) Add(span Span) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans = append(t.spans, span)
}

// every is how often the processors are sampled: often enough for a step of some seconds, and seldom enough to cost one
// percent of a core.
const every = 2 * time.Second

// mostSamples bounds the memory of a run of several days.
const mostSamples = 50_000

// Watch samples the use of the processors until ctx ends. If the kernel does not report it, Watch returns at once.
func (t *Timeline) Watch(ctx context.Context) {
	before, err := read("/proc")
	if err != nil {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, err := read("/proc")
		if err != nil {
			return
		}
		t.mu.Lock()
		if len(t.samples) < mostSamples {
			t.samples = append(t.samples, now.since(before))
		}
		t.mu.Unlock()
		before = now
	}
}

// event is an event of the format. Times are in microseconds.
type event struct {
	Name  string         `json:"name"`
	Phase string         `json:"ph"`
	At    int64          `json:"ts"`
	Took  int64          `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Args  map[string]any `json:"args,omitempty"`
}

// mostPrograms is the number of programs that are shown separately. The others are summed.
const mostPrograms = 12

// Write writes what was collected. Times count from the first span.
func (t *Timeline) Write(w io.Writer) error {
	t.mu.Lock()
	spans, samples := slices.Clone(t.spans), slices.Clone(t.samples)
	t.mu.Unlock()
	slices.SortStableFunc(spans, func(a, b Span) int { return a.Started.Compare(b.Started) })
	var events []event
	var start time.Time
	if len(spans) > 0 {
		start = spans[0].Started
	} else if len(samples) > 0 {
		start = samples[0].At
	}
	tracks, lanes := map[string]int{}, map[string][]time.Time{}
	for _, span := range spans {
		pid, known := tracks[span.Track]
		if !known {
			pid = len(tracks) + 1
			tracks[span.Track] = pid
			events = append(events, event{Name: "process_name", Phase: "M", PID: pid, Args: map[string]any{"name": span.Track}})
		}
		// The first free lane is used, because viewers show overlapping spans of one lane as nested calls.
		lane := slices.IndexFunc(lanes[span.Track], func(busy time.Time) bool { return !busy.After(span.Started) })
		if lane < 0 {
			lane = len(lanes[span.Track])
			lanes[span.Track] = append(lanes[span.Track], time.Time{})
		}
		lanes[span.Track][lane] = span.Started.Add(span.Took)
		shown := event{
			Name: span.Name, Phase: "X", PID: pid, TID: lane + 1,
			At: span.Started.Sub(start).Microseconds(), Took: max(span.Took.Microseconds(), 1),
		}
		if span.Failed {
			shown.Args = map[string]any{"failed": true}
		}
		events = append(events, shown)
	}
	events = append(events, counters(samples, start)...)
	if err := json.NewEncoder(w).Encode(map[string]any{"displayTimeUnit": "ms", "traceEvents": events}); err != nil {
		return fmt.Errorf("write timeline: %w", err)
	}
	return nil
}

// counters are the samples as one stacked series.
func counters(samples []Sample, start time.Time) []event {
	total := map[string]float64{}
	for _, sample := range samples {
		for program, cores := range sample.Cores {
			total[program] += cores
		}
	}
	programs := slices.SortedFunc(maps.Keys(total), func(a, b string) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b))
	})
	programs = programs[:min(len(programs), mostPrograms)]
	var events []event
	for _, sample := range samples {
		args, rest := map[string]any{}, 0.0
		for program, cores := range sample.Cores {
			if !slices.Contains(programs, program) {
				rest += cores
			}
		}
		for _, program := range programs {
			args[program] = sample.Cores[program]
		}
		args["all others"] = rest
		events = append(events, event{Name: "cores", Phase: "C", At: max(sample.At.Sub(start).Microseconds(), 0), Args: args})
	}
	return events
}
