package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// harnessEntry marks a spec that failed before it could judge the subject.
const harnessEntry = "epi:harness"

// cleanupTimeout bounds one clean-up, so that an interrupted run ends.
const cleanupTimeout = 20 * time.Second

// Fixture is the framework.T of the running spec, for Ginkgo. Its zero value is usable.
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

// Fatalf ends the spec as an Error: the harness failed, and not the subject.
func (Fixture) Fatalf(format string, args ...any) {
	ginkgo.GinkgoHelper()
	ginkgo.AddReportEntry(harnessEntry, "", types.ReportEntryVisibilityNever)
	ginkgo.Fail(fmt.Sprintf(format, args...), 1)
}

// Blamef ends the spec as a Fail: only the subject can be the reason.
func (Fixture) Blamef(format string, args ...any) {
	ginkgo.GinkgoHelper()
	ginkgo.Fail(fmt.Sprintf(format, args...), 1)
}

// Cleanup registers the removal of something that was just created. It also runs after a failure or an interrupt.
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
