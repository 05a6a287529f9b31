package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// harnessEntry marks a spec that broke before it could say anything about the subject.
const harnessEntry = "epi:harness"

// cleanupTimeout bounds one clean-up, so that an interrupted run ends.
const cleanupTimeout = 20 * time.Second

// Fixture is how fixtures of the running spec speak to Ginkgo. The zero value is usable.
type Fixture struct{}

// Helper marks the calling function as a helper: its failures are reported at the line of its caller.
func (Fixture) Helper() { types.MarkAsHelper(1) }

// Logf writes to the output of the spec.
func (Fixture) Logf(format string, args ...any) {
	_, _ = fmt.Fprintf(ginkgo.GinkgoWriter, format+"\n", args...)
}

// Report adds a named value to the record of the spec.
func (Fixture) Report(name string, value any) {
	ginkgo.AddReportEntry(name, value, ginkgo.Offset(1))
}

// Fatalf ends the spec as an Error: the harness, not the subject, is to blame.
func (Fixture) Fatalf(format string, args ...any) {
	ginkgo.GinkgoHelper()
	ginkgo.AddReportEntry(harnessEntry, "", types.ReportEntryVisibilityNever)
	ginkgo.Fail(fmt.Sprintf(format, args...), 1)
}

// Blamef ends the spec as a Fail: what was seen can only be the subject's doing.
func (Fixture) Blamef(format string, args ...any) {
	ginkgo.GinkgoHelper()
	ginkgo.Fail(fmt.Sprintf(format, args...), 1)
}

// Cleanup registers the removal of what was just made; it also runs after a failure or an interrupt.
func (f Fixture) Cleanup(what string, remove func(context.Context) error) {
	ginkgo.DeferCleanup(func(ctx ginkgo.SpecContext) {
		if err := remove(ctx); err != nil {
			f.Fatalf("remove %s: %v", what, err)
		}
	}, ginkgo.NodeTimeout(cleanupTimeout))
}

func blamed(report types.SpecReport) bool {
	for _, entry := range report.ReportEntries {
		if entry.Name == harnessEntry {
			return true
		}
	}
	return false
}
