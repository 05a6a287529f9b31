package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/reports"
)

// TestFinishExitsByTheVerdict checks the exit codes of PRODUCT.md: 1 whenever something failed, also with other problems.
func TestFinishExitsByTheVerdict(t *testing.T) {
	problem := &reports.Problem{Doing: "remove environment", Message: "no engine"}
	for name, row := range map[string]struct {
		outcomes []reports.Outcome
		problem  *reports.Problem
		// lost removes the run's folder before its end.
		lost bool
		code int
	}{
		"all held":                              {outcomes: []reports.Outcome{reports.Pass}, code: exitHeld},
		"one failed":                            {outcomes: []reports.Outcome{reports.Pass, reports.Fail}, code: exitFailed},
		"one broke":                             {outcomes: []reports.Outcome{reports.Pass, reports.Error}, code: exitEnvironment},
		"one failed, one broke":                 {outcomes: []reports.Outcome{reports.Fail, reports.Error}, code: exitFailed},
		"held, and a problem":                   {outcomes: []reports.Outcome{reports.Pass}, problem: problem, code: exitEnvironment},
		"one failed, and a problem":             {outcomes: []reports.Outcome{reports.Fail}, problem: problem, code: exitFailed},
		"held, and no report can be written":    {outcomes: []reports.Outcome{reports.Pass}, lost: true, code: exitEnvironment},
		"one failed, and no report can be made": {outcomes: []reports.Outcome{reports.Fail}, lost: true, code: exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			a := newApp(&out, &errs, func(string) (string, bool) { return "", false })
			session, err := a.newSession(&cobra.Command{}, filepath.Join(t.TempDir(), "runs"), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, outcome := range row.outcomes {
				session.spec(reports.Spec{Suite: "agent", Name: strings.Repeat("x", i+1), Outcome: outcome})
			}
			if row.problem != nil {
				session.keep(session.recorder.Problem(*row.problem))
			}
			if row.lost {
				if err := os.RemoveAll(session.dir); err != nil {
					t.Fatal(err)
				}
			}
			err = session.finish(t.Context())
			if code := exitCode(t.Context(), err); code != row.code {
				t.Errorf("exit code %d, want %d: %v", code, row.code, err)
			}
			if row.lost != (err != nil && strings.Contains(err.Error(), "was removed")) {
				t.Errorf("error: %v", err)
			}
			if !strings.Contains(out.String(), "Specs: ") {
				t.Errorf("the summary lacks:\n%s", &out)
			}
		})
	}
}

// TestAnInterruptedRunReportsItsOwnExitCode: it is the program's, because there is no verdict.
func TestAnInterruptedRunReportsItsOwnExitCode(t *testing.T) {
	for _, row := range []struct {
		signal syscall.Signal
		says   string
	}{
		{syscall.SIGINT, "Exit code 130: interrupted"}, {syscall.SIGTERM, "Exit code 143: interrupted"}, {syscall.SIGHUP, "Exit code 129: interrupted"},
	} {
		var out, errs bytes.Buffer
		a := newApp(&out, &errs, func(string) (string, bool) { return "", false })
		session, err := a.newSession(&cobra.Command{}, filepath.Join(t.TempDir(), "runs"), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, interrupt := context.WithCancelCause(t.Context())
		interrupt(&interruptedError{signal: row.signal})
		_ = session.finish(ctx) // the signal decides
		if !strings.Contains(errs.String(), row.says) || strings.Contains(errs.String(), "Exit code 3") {
			t.Errorf("%v: lacks %q:\n%s", row.signal, row.says, &errs)
		}
	}
}
