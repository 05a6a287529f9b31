package measure

import (
	"slices"
	"testing"
	"time"

	"github.com/podidentity/epi/reports"
)

// timed is a case of one repeat with these latencies.
func timed(name string, cpu float64, latencies ...time.Duration) *Case {
	c := NewCase(name)
	c.RecordLatencies(latencies)
	c.Record(CPU, cpu)
	return c
}

func TestExecutionsAreOneRecordWithTheCasesOfAll(t *testing.T) {
	executions := Scenario{Name: "warm"}.Interleave()
	if before := executions.Record(); before.Outcome != reports.NotRun || before.Name != "warm" || before.Reason == "" {
		t.Errorf("before any execution: %+v", before)
	}
	execution := reports.Scenario{Name: "warm", Outcome: reports.Pass, Duration: time.Second, Notes: []string{"a note"}}
	executions.add("A", execution, []*Case{timed("rate=9", 1, time.Millisecond, 2*time.Millisecond), timed("", 7)})
	executions.add("B", execution, []*Case{timed("rate=9", 5, 9*time.Millisecond)})
	executions.add("B", execution, []*Case{timed("rate=9", 6, 8*time.Millisecond)})
	executions.add("A", execution, []*Case{timed("rate=9", 3, 4*time.Millisecond, 5*time.Millisecond)})

	record := executions.Record()
	if record.Outcome != reports.Pass || record.Duration != 4*time.Second || !slices.Equal(record.Notes, []string{"A: a note", "B: a note"}) {
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
		t.Errorf("requests of A in each execution: %v", a.Requests)
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

func TestTheFirstExecutionThatDoesNotPassDecides(t *testing.T) {
	executions := Scenario{Name: "warm"}.Interleave()
	executions.add("A", reports.Scenario{Outcome: reports.Pass}, nil)
	executions.add("B", reports.Scenario{Outcome: reports.Fail, Failure: &reports.Failure{Message: "refused"}}, nil)
	executions.add("B", reports.Scenario{Outcome: reports.Error, Failure: &reports.Failure{Message: "later"}}, nil)
	if record := executions.Record(); record.Outcome != reports.Fail || record.Failure.Message != "refused" {
		t.Errorf("record %+v", record)
	}
}
