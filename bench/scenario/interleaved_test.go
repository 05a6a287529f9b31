package scenario

import (
	"slices"
	"testing"
	"time"

	"github.com/podidentity/epi/reports"
)

// timed is a case of one repeat with these latencies.
func timed(name string, cpu float64, latencies ...time.Duration) *Case {
	c := newCase(name)
	c.RecordLatencies(latencies)
	c.Record(CPU, cpu)
	return c
}

func TestTurnsAreOneRecordWithTheCasesOfAll(t *testing.T) {
	turns := Warm.Interleave()
	if unplayed := turns.Record(); unplayed.Outcome != reports.NotRun || unplayed.Name != "warm" || unplayed.Reason == "" {
		t.Errorf("before any turn: %+v", unplayed)
	}
	turn := reports.Scenario{Name: "warm", Outcome: reports.Pass, Duration: time.Second, Notes: []string{"it rains"}}
	turns.add("A", turn, []*Case{timed("rate=9", 1, time.Millisecond, 2*time.Millisecond), timed("", 7)})
	turns.add("B", turn, []*Case{timed("rate=9", 5, 9*time.Millisecond)})
	turns.add("B", turn, []*Case{timed("rate=9", 6, 8*time.Millisecond)})
	turns.add("A", turn, []*Case{timed("rate=9", 3, 4*time.Millisecond, 5*time.Millisecond)})

	record := turns.Record()
	if record.Outcome != reports.Pass || record.Duration != 4*time.Second || !slices.Equal(record.Notes, []string{"A: it rains", "B: it rains"}) {
		t.Errorf("record %+v", record)
	}
	var names []string
	for _, c := range record.Cases {
		names = append(names, c.Name)
	}
	if want := []string{"variant=A/rate=9", "variant=A", "variant=B/rate=9"}; !slices.Equal(names, want) {
		t.Fatalf("cases %q, want %q", names, want)
	}
	a := record.Cases[0]
	if !slices.Equal(a.Requests, []int64{2, 2}) {
		t.Errorf("requests of A in each turn: %v", a.Requests)
	}
	for _, m := range a.Metrics {
		switch m.Name {
		case CPU.Name:
			if !slices.Equal(m.Samples, []float64{1, 3}) || m.Value != 2 {
				t.Errorf("CPU of A: %+v", m)
			}
		case Max.Name: // of the merged latencies
			if len(m.Samples) != 2 || m.Value < 0.005 || m.Value > 0.00501 {
				t.Errorf("slowest of A: %+v", m)
			}
		case P50.Name: // 2 ms is the second of 1, 2, 4, 5
			if m.Value < 0.002 || m.Value > 0.00201 {
				t.Errorf("median of A: %+v", m)
			}
		}
	}
	if last := a.Distribution[len(a.Distribution)-1]; last.Of != 1 || last.Seconds < 0.005 {
		t.Errorf("distribution of A ends with %+v", last)
	}
}

func TestTheFirstTurnThatDoesNotPassDecides(t *testing.T) {
	turns := Warm.Interleave()
	turns.add("A", reports.Scenario{Outcome: reports.Pass}, nil)
	turns.add("B", reports.Scenario{Outcome: reports.Fail, Failure: &reports.Failure{Message: "refused"}}, nil)
	turns.add("B", reports.Scenario{Outcome: reports.Error, Failure: &reports.Failure{Message: "later"}}, nil)
	if record := turns.Record(); record.Outcome != reports.Fail || record.Failure.Message != "refused" {
		t.Errorf("record %+v", record)
	}
}
