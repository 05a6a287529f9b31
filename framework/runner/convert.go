package runner

import (
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2/types"

	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/reports"
)

// keyOf identifies a spec in every process.
func keyOf(report types.SpecReport) string { return report.FullText() }

// suiteOf is the folder of the file that holds the spec.
func suiteOf(report types.SpecReport) string {
	return path.Base(path.Dir(report.LeafNodeLocation.FileName))
}

// Record turns Ginkgo's report on a spec into the stored record. Fail blames the subject, and is for the spec's own
// expectations. Any other failure, of a fixture, a panic or a clean-up, is an Error of the harness.
func Record(report types.SpecReport) reports.Spec {
	ids, _ := requirement.OfLabels(report.Labels())
	spec := reports.Spec{
		Suite: suiteOf(report), Name: keyOf(report), Requirements: ids,
		Started: report.StartTime.UTC(), Duration: report.RunTime,
		Steps: steps(report), Output: reports.Redact(output(report)),
	}
	spec.Slow, _ = requirement.HowSlow(report.Labels())
	spec.Outcome = outcome(report)
	switch spec.Outcome {
	case reports.Fail, reports.Error:
		spec.Failure = &reports.Failure{Message: reports.Redact(tidy(explanation(report))), Location: location(report.Failure.Location)}
	case reports.Skipped, reports.NotRun:
		spec.Reason = reports.Redact(reason(report))
	}
	return spec
}

func outcome(report types.SpecReport) reports.Outcome {
	inCleanup := report.Failure.FailureNodeType.Is(types.NodeTypeCleanupAfterEach | types.NodeTypeAfterEach | types.NodeTypeJustAfterEach)
	switch {
	case report.State.Is(types.SpecStatePassed):
		return reports.Pass
	case report.State.Is(types.SpecStateSkipped | types.SpecStatePending):
		return reports.Skipped
	case report.State.Is(types.SpecStateInterrupted):
		return reports.NotRun
	case blamed(report), inCleanup:
		return reports.Error
	case report.State.Is(types.SpecStateFailed | types.SpecStateTimedout):
		return reports.Fail
	default: // panicked, aborted, or a state of a later Ginkgo
		return reports.Error
	}
}

func reason(report types.SpecReport) string {
	switch {
	case report.State.Is(types.SpecStateInterrupted):
		return "interrupted while it ran"
	case report.State.Is(types.SpecStatePending):
		return "marked as pending"
	default:
		return report.Failure.Message
	}
}

// explanation describes all failures: the first one, and those that followed from it.
func explanation(report types.SpecReport) string {
	text := report.Failure.Message
	if by := report.SpecEvents.WithType(types.SpecEventByStart); report.State.Is(types.SpecStateTimedout) && len(by) > 0 {
		text += " while " + by[len(by)-1].Message
	}
	if report.Failure.ForwardedPanic != "" {
		text += ": " + report.Failure.ForwardedPanic
	}
	if additional := report.Failure.AdditionalFailure; additional != nil {
		text += "\n" + additional.Failure.Message
	}
	for _, additional := range report.AdditionalFailures {
		text += "\n" + additional.Failure.Message
	}
	return text
}

// steps are the By lines. Each lasts until the next one or the end.
func steps(report types.SpecReport) []reports.Step {
	var list []reports.Step
	var begun []time.Time
	for _, event := range report.SpecEvents.WithType(types.SpecEventByStart) {
		list = append(list, reports.Step{Text: event.Message})
		begun = append(begun, event.TimelineLocation.Time)
	}
	for i := range list {
		end := report.EndTime
		if i+1 < len(begun) {
			end = begun[i+1]
		}
		list[i].Duration = max(end.Sub(begun[i]), 0)
	}
	return list
}

// output is the spec's log and its visible report entries.
func output(report types.SpecReport) string {
	var b strings.Builder
	b.WriteString(report.CapturedGinkgoWriterOutput)
	for _, entry := range report.ReportEntries.WithVisibility(types.ReportEntryVisibilityAlways, types.ReportEntryVisibilityFailureOrVerbose) {
		fmt.Fprintf(&b, "%s: %s\n", entry.Name, entry.StringRepresentation())
	}
	return b.String()
}

// root is the folder of the repository in this program's debug information.
var root = func() string {
	_, file, _, _ := runtime.Caller(0)
	return strings.TrimSuffix(file, "framework/runner/convert.go")
}()

func location(at types.CodeLocation) string {
	if at.FileName == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", strings.TrimPrefix(at.FileName, root), at.LineNumber)
}
