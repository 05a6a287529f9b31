package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/reports"
)

// cleanupTime bounds one removal, so that an interrupted run ends. goneTime bounds it when the environment is gone.
const (
	cleanupTime = 20 * time.Second
	goneTime    = time.Second
)

// gone returns the error that says that the environment is gone, if that is why ctx ended.
func gone(ctx context.Context) (*clusters.EnvironmentError, bool) {
	return errors.AsType[*clusters.EnvironmentError](context.Cause(ctx))
}

// Attempt is one attempt to do something with fixtures. It implements framework.T for benchmarks, as Ginkgo's does for
// suites.
type Attempt struct {
	mu       sync.Mutex
	failure  *reports.Failure
	outcome  reports.Outcome
	reason   string
	notes    []string
	log      []string
	cleanups []cleanup
}

type cleanup struct {
	what   string
	remove func(context.Context) error
}

var _ framework.T = (*Attempt)(nil)

// Do calls what. The methods of its Attempt may end it. Then it calls every registered clean-up, newest first, also if what
// failed or ctx has ended. The outcome is Pass, Fail or Error, or NotRun if ctx ended.
func Do(ctx context.Context, what func(ctx context.Context, attempt *Attempt)) *Attempt {
	attempt := &Attempt{outcome: reports.Pass}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer attempt.recover()
		what(ctx, attempt)
	}()
	<-ended
	attempt.clean(ctx)
	if ctx.Err() != nil {
		attempt.outcome, attempt.failure, attempt.reason = reports.NotRun, nil, "the run was interrupted"
		if _, ok := gone(ctx); ok {
			attempt.reason = "the environment was gone" // the run reports once what is gone
		}
	}
	return attempt
}

// recover makes a panic an Error of the attempt.
func (a *Attempt) recover() {
	if reason := recover(); reason != nil {
		a.fail(reports.Error, fmt.Sprintf("panic: %v\n%s", reason, debug.Stack()))
	}
}

func (a *Attempt) clean(ctx context.Context) {
	for {
		a.mu.Lock()
		n := len(a.cleanups)
		if n == 0 {
			a.mu.Unlock()
			return
		}
		next := a.cleanups[n-1]
		a.cleanups = a.cleanups[:n-1]
		a.mu.Unlock()
		func() {
			limit := cleanupTime
			if _, ok := gone(ctx); ok {
				limit = goneTime
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
			defer cancel()
			if err := next.remove(ctx); err != nil {
				a.fail(reports.Error, fmt.Sprintf("remove %s: %v", next.what, err))
			}
		}()
	}
}

// fail keeps the first failure.
func (a *Attempt) fail(outcome reports.Outcome, message string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failure == nil {
		a.outcome, a.failure = outcome, &reports.Failure{Message: message}
	}
}

// Outcome of the attempt, and its failure unless it is Pass or NotRun.
func (a *Attempt) Outcome() (reports.Outcome, *reports.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.outcome, a.failure
}

// Err is the failure of the attempt; nil if there is none.
func (a *Attempt) Err() error {
	_, failure := a.Outcome()
	return failure.Err()
}

// recordTo completes the record of a scenario with the attempt's outcome, notes and duration.
func (a *Attempt) recordTo(record *reports.Scenario) {
	record.Outcome, record.Failure = a.Outcome()
	if record.Outcome == reports.NotRun {
		record.Reason = a.reason
	}
	record.Notes = a.Notes()
	record.Duration = time.Since(record.Started)
}

// Notes are the values that were reported.
func (a *Attempt) Notes() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.notes)
}

// Helper implements framework.T.
func (*Attempt) Helper() {}

// Logf implements framework.T.
func (a *Attempt) Logf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, fmt.Sprintf(format, args...))
}

// Report implements framework.T: a note of the scenario.
func (a *Attempt) Report(name string, value any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes = append(a.notes, strings.TrimSpace(fmt.Sprintf("%s: %v", name, value)))
}

// Fatalf implements framework.T. It ends the attempt, so only the goroutine of what may call it.
func (a *Attempt) Fatalf(format string, args ...any) {
	a.fail(reports.Error, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// Blamef implements framework.T.
func (a *Attempt) Blamef(format string, args ...any) {
	a.fail(reports.Fail, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// Cleanup implements framework.T.
func (a *Attempt) Cleanup(what string, remove func(context.Context) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, cleanup{what, remove})
}
