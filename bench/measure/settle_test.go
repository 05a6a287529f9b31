package measure

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// away is an environment that was absent for a reason.
type away struct {
	reason string
	sure   bool
	asked  int
}

func (a *away) Settle(context.Context, time.Time, time.Time, bool) (string, bool) {
	a.asked++
	return a.reason, a.sure
}

func TestNothingIsMeasuredInAnEnvironmentThatIsAway(t *testing.T) {
	for name, row := range map[string]struct {
		outcome, want reports.Outcome
		away          away
		undecided     bool
		notes         int
	}{
		"it was there":                                    {outcome: reports.Pass, want: reports.Pass},
		"it was there, and it failed":                     {outcome: reports.Fail, want: reports.Fail},
		"it was away":                                     {outcome: reports.Pass, want: reports.Error, away: away{reason: "node blue was away", sure: true}, undecided: true},
		"it was away, and it failed":                      {outcome: reports.Fail, want: reports.Error, away: away{reason: "node blue was away", sure: true}, undecided: true},
		"it was away, and it broke":                       {outcome: reports.Error, want: reports.Error, away: away{reason: "node blue was away", sure: true}, undecided: true},
		"it answered late":                                {outcome: reports.Fail, want: reports.Fail, away: away{reason: "node blue did not answer"}, notes: 1},
		"it was not run, so the environment is not asked": {outcome: reports.NotRun, want: reports.NotRun, away: away{reason: "node blue was away", sure: true}},
	} {
		record := reports.Scenario{Outcome: row.outcome, Started: time.Now()}
		if row.outcome == reports.Fail {
			record.Failure = &reports.Failure{Message: "the agent refused"}
		}
		undecided := settle(t.Context(), &row.away, &record)
		if undecided != row.undecided || record.Outcome != row.want || len(record.Notes) != row.notes {
			t.Errorf("%s: %v, %+v", name, undecided, record)
		}
		if undecided && (record.Failure.Cause != reports.CauseEnvironment || record.Failure.Message != "not decided: node blue was away") {
			t.Errorf("%s: %+v", name, record.Failure)
		}
		if (row.away.asked == 0) != (row.outcome == reports.NotRun) {
			t.Errorf("%s: asked %d times", name, row.away.asked)
		}
	}
}

// If nothing is left, the clean-up is short.
func TestAnAttemptThatTheEnvironmentEndsIsQuick(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	var left time.Duration
	attempt := Do(ctx, func(_ context.Context, attempt *Attempt) {
		attempt.Cleanup("pod", func(ctx context.Context) error {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			return nil
		})
		stop(&clusters.EnvironmentError{Doing: "watch", Err: errors.New("node blue is away")})
	})
	var record reports.Scenario
	attempt.recordTo(&record)
	if record.Outcome != reports.NotRun || record.Reason != "the environment was gone" || left > goneTime {
		t.Errorf("%s for %q, with %s to clean up", record.Outcome, record.Reason, left)
	}
}
