package runner

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podidentity/epi/reports"
)

// fakeEnvironment is absent as the test says.
type fakeEnvironment struct {
	settle func(asked int, hurry bool) (string, bool)

	mu    sync.Mutex
	asked int
	gone  chan struct{}
	err   error
}

func newEnvironment(settle func(asked int, hurry bool) (string, bool)) *fakeEnvironment {
	return &fakeEnvironment{settle: settle, gone: make(chan struct{})}
}

func (e *fakeEnvironment) Settle(_ context.Context, from, to time.Time, hurry bool) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	if from.IsZero() || to.Before(from) {
		return "the record has no time", true
	}
	return e.settle(e.asked, hurry)
}

func (e *fakeEnvironment) Hold(context.Context) {}

func (e *fakeEnvironment) Gone() <-chan struct{} { return e.gone }

func (e *fakeEnvironment) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

func (e *fakeEnvironment) end(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
		close(e.gone)
	}
}

// whenFailed is an environment that was absent whenever a spec failed.
func whenFailed(sure bool) func(int, bool) (string, bool) {
	return func(_ int, hurry bool) (string, bool) {
		if hurry {
			return "node blue was away", sure
		}
		return "", false
	}
}

func TestWhatFailedWhileTheEnvironmentWasAwayRunsOnceMore(t *testing.T) {
	o, _ := options(t, "away")
	o.Environment = newEnvironment(whenFailed(true))
	o.Procs = 1
	records, err := collect(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	again := 0
	for name, record := range records {
		if record.Outcome == reports.Fail || record.Outcome == reports.Error && record.Failure.Cause != reports.CauseEnvironment {
			t.Errorf("%s: %s %+v", name, record.Outcome, record.Failure)
		}
		if record.Again != "" {
			again++
		}
	}
	if records["works"].Outcome != reports.Pass || records["works"].Again != "" || again != 2 || len(records) != 3 {
		t.Errorf("%d ran once more: %+v", again, records)
	}
}

func TestWhatPassedWhileTheEnvironmentWasAwayRunsOnceMore(t *testing.T) {
	o, d := options(t, "quiet")
	o.Focus = "works 1$"
	o.Environment = newEnvironment(func(asked int, _ bool) (string, bool) {
		if asked == 1 {
			return "the AWS emulator was away", true
		}
		return "", false
	})
	records, err := collect(t, t.Context(), o)
	if record := records["works 1"]; err != nil || record.Outcome != reports.Pass || record.Again != "the AWS emulator was away" {
		t.Errorf("%v: %+v", err, records)
	}
	if n := d.count("begin works 1"); n != 2 {
		t.Errorf("it ran %d times", n)
	}
}

func TestNoFailureOfAnAbsenceIsTheSubjects(t *testing.T) {
	o, _ := options(t, "fails")
	o.Environment = newEnvironment(whenFailed(true))
	records, err := collect(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for name, record := range records {
		if name == "is alone" {
			continue
		}
		if record.Outcome != reports.Error || record.Failure.Cause != reports.CauseEnvironment || record.Failure.Message != "not decided: node blue was away" {
			t.Errorf("%s: %s %+v", name, record.Outcome, record.Failure)
		}
	}
}

// A slow environment is not absent: a spec that fails twice in an environment that answers fails.
func TestASlowEnvironmentExcusesOnce(t *testing.T) {
	o, _ := options(t, "fails")
	o.Environment = newEnvironment(whenFailed(false))
	records, err := collect(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for name, record := range records {
		if want := map[bool]reports.Outcome{true: reports.Pass, false: reports.Fail}[name == "is alone"]; record.Outcome != want || want == reports.Fail && record.Again == "" {
			t.Errorf("%s: %s %+v", name, record.Outcome, record)
		}
	}
}

func TestARunEndsWhenTheEnvironmentIsGone(t *testing.T) {
	o, d := options(t, "block")
	environment := newEnvironment(func(int, bool) (string, bool) { return "node blue is away", true })
	o.Environment = environment
	why := errors.New("node blue is away since 12:00:00 UTC")
	go func() {
		for t.Context().Err() == nil && d.begun() < 2 {
			time.Sleep(5 * time.Millisecond)
		}
		environment.end(why)
	}()
	records, err := collect(t, t.Context(), o)
	if !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
	if len(records) != 3 {
		t.Errorf("%d records", len(records))
	}
	for name, record := range records {
		said := record.Reason
		if record.Failure != nil {
			said = record.Failure.Message
		}
		if record.Outcome == reports.Fail || record.Outcome == reports.Pass || !strings.Contains(said, "node blue") && said != goneReason {
			t.Errorf("%s: %s %q", name, record.Outcome, said)
		}
	}
	if strings.Contains(strings.Join(d.lines(t), " "), "never begins") {
		t.Error("a spec began in an environment that is gone")
	}
}

func TestFailFast(t *testing.T) {
	o, _ := options(t, "fails")
	o.Procs, o.FailFast = 1, true
	records, err := collect(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for name, record := range records {
		switch {
		case record.Outcome == reports.Fail:
			failed++
		case record.Outcome != reports.NotRun || !strings.Contains(record.Reason, "--fail-fast"):
			t.Errorf("%s: %s %q", name, record.Outcome, record.Reason)
		}
	}
	if failed != 1 || len(records) != 6 {
		t.Errorf("%d of %d failed", failed, len(records))
	}
}
