package measure

import (
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/measure/measuretest"
)

// result is a load of n requests that took latency each, of which some failed, in a second.
func result(t *testing.T, n, failed int, latency time.Duration) *load.Result {
	t.Helper()
	phase := &load.PhaseResult{
		Name: "steady", Latency: &load.Histogram{Histogram: hdrhistogram.New(1, 1e8, 3)},
		Requests: int64(n), Ended: time.Second, Errors: map[string]int64{},
	}
	if err := phase.Latency.RecordValues(latency.Microseconds(), int64(n)); err != nil {
		t.Fatal(err)
	}
	if failed > 0 {
		phase.Errors["429"] = int64(failed)
	}
	return &load.Result{Phases: []*load.PhaseResult{phase}, Interval: time.Second}
}

// Percentiles of all repeats together are those of all requests, never an average.
func TestCaseMergesLatencies(t *testing.T) {
	c := NewCase("rate=900")
	c.Add(Sample{Result: result(t, 9900, 0, time.Millisecond), Calls: -1})
	c.Add(Sample{Result: result(t, 100, 5, time.Second), Calls: -1})
	record := c.Report()
	for name, want := range map[string]float64{"p50": 0.001, "p90": 0.001, "p99": 0.001, "max": 1, "failed": 0.0005} {
		if got := measuretest.Metric(t, record, name).Value; !measuretest.Near(got, want) {
			t.Errorf("%s: got %g, want %g", name, got, want)
		}
	}
	if samples := measuretest.Metric(t, record, "p99").Samples; len(samples) != 2 || !measuretest.Near(samples[0], 0.001) || !measuretest.Near(samples[1], 1) {
		t.Errorf("samples of p99: %v, want 0.001 and 1", samples)
	}
	if record.Errors["429"] != 5 {
		t.Errorf("errors %v, want 5 of 429", record.Errors)
	}
	if last := record.Distribution[len(record.Distribution)-1]; last.Of != 1 || !measuretest.Near(last.Seconds, 1) {
		t.Errorf("the distribution ends with %+v, want all within 1 s", last)
	}
}

func TestCaseRecordsOnlyWhatWasMetered(t *testing.T) {
	c := NewCase("")
	c.Add(Sample{Result: result(t, 500, 0, time.Millisecond), Metered: true, CPU: 100 * time.Millisecond, RSS: 20 << 20, Calls: 20, Identities: 10})
	record := c.Report()
	for name, want := range map[string]float64{"cpu": 0.2, "rss": 20 << 20, "calls": 2, "rate": 500} {
		if got := measuretest.Metric(t, record, name).Value; !measuretest.Near(got, want) {
			t.Errorf("%s: got %g, want %g", name, got, want)
		}
	}
	unmetered := NewCase("")
	unmetered.Add(Sample{Result: result(t, 500, 0, time.Millisecond), Calls: -1, Identities: 10})
	for _, m := range unmetered.Report().Metrics {
		if m.Name == "cpu" || m.Name == "rss" || m.Name == "calls" || m.Name == "p99.9" {
			t.Errorf("%s is recorded, and was not measured", m.Name)
		}
	}
}

func TestSizeOrKeepsWhatHasNoMeaning(t *testing.T) {
	given := Size{Rates: []float64{1}, Duration: time.Second, Repeats: 2, Identities: 3, Pods: 4}
	if got := given.Or(Size{Duration: time.Minute}); got.Duration != time.Second || got.Rates != nil || got.Repeats+got.Identities+got.Pods != 0 {
		t.Errorf("got %+v, want a duration of 1 s alone", got)
	}
	if got := (Size{}).Or(Size{Repeats: 5, Rates: []float64{9}}); got.Repeats != 5 || got.Rates[0] != 9 {
		t.Errorf("got %+v, want the default", got)
	}
}

// The lead-up of a load costs the subject CPU time, and is in no other measure.
func TestCaseLeavesLeadUpsOut(t *testing.T) {
	settled := result(t, 500, 0, time.Millisecond)
	ramp := result(t, 500, 500, time.Second)
	ramp.Phases[0].Name = leadUp
	settled.Phases = append(ramp.Phases, settled.Phases...)
	c := NewCase("")
	c.Add(Sample{Result: settled, Metered: true, CPU: 100 * time.Millisecond, Calls: -1})
	record := c.Report()
	for name, want := range map[string]float64{"max": 0.001, "failed": 0, "rate": 500, "cpu": 0.1} {
		if got := measuretest.Metric(t, record, name).Value; !measuretest.Near(got, want) {
			t.Errorf("%s: got %g, want %g", name, got, want)
		}
	}
	if len(record.Errors) > 0 || record.Requests[0] != 500 {
		t.Errorf("%d requests with errors %v, want 500 without", record.Requests[0], record.Errors)
	}
}

func TestCaseIsLimitedWhenHalfOfItsRepeatsAre(t *testing.T) {
	for _, row := range []struct {
		whole, tail int // repeats of four
		limited     string
		limitedTail bool
	}{
		{0, 0, "", false}, {1, 0, "", false}, {2, 0, "starved", false}, {4, 0, "starved", false},
		{0, 1, "", false}, {0, 2, "late", true}, {0, 4, "late", true}, {1, 3, "late", true}, {2, 2, "starved", false},
	} {
		c := NewCase("")
		for n := range 4 {
			sample := Sample{Result: result(t, 500, 0, time.Millisecond), Calls: -1}
			switch {
			case n < row.tail:
				sample.Limited = load.Limit{Why: "late", Tail: true}
			case n < row.tail+row.whole:
				sample.Limited = load.Limit{Why: "starved"}
			}
			c.Add(sample)
		}
		got := c.Report()
		if got.Limited != row.limited || got.LimitedTail != row.limitedTail {
			t.Errorf("%d and %d of 4 repeats: %q, %t", row.whole, row.tail, got.Limited, got.LimitedTail)
		}
		for metric, want := range map[string]bool{P50.Name: row.limited != "" && !row.limitedTail, P99.Name: row.limited != "", P999.Name: row.limited != ""} {
			if (got.LimitOf(metric) != "") != want {
				t.Errorf("%d and %d of 4 repeats: %s is limited: %q", row.whole, row.tail, metric, got.LimitOf(metric))
			}
		}
	}
}

func TestCaseCountsFailuresOfItsOwn(t *testing.T) {
	c := NewCase("")
	c.RecordLatencies([]time.Duration{time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond})
	c.RecordFailures(4, map[string]int{"not mutated": 2})
	c.RecordLatencies([]time.Duration{time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond})
	c.RecordFailures(4, nil)
	c.RecordFailures(0, nil)
	record := c.Report()
	if got := measuretest.Metric(t, record, "failed"); got.Value != 0.25 || !slices.Equal(got.Samples, []float64{0.5, 0}) {
		t.Errorf("failed %+v, want 0.25 of 0.5 and 0", got)
	}
	if record.Errors["not mutated"] != 2 {
		t.Errorf("errors %v, want 2", record.Errors)
	}
}
