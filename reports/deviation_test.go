package reports

import (
	"bytes"
	"strings"
	"testing"
)

// A known deviation is shown beside the failure everywhere, and does not excuse it.
func TestKnownDeviationsAreReportedAndFail(t *testing.T) {
	run := deviating()
	verdict := NewFindings(run).Verdict
	if verdict.Outcome != Fail || verdict.ExitCode() != 1 || len(verdict.Failed) != 2 || len(verdict.Known) != 1 {
		t.Errorf("%+v", verdict)
	}
	if want := "2 of 9 decided requirements do not hold (1 known of v0.1.37+dirty), 7 hold"; !strings.Contains(verdict.Sentence(), want) {
		t.Errorf("%q lacks %q", verdict.Sentence(), want)
	}
	for file, write := range writersOf(run) {
		text := string(written(t, write, run))
		if file == ConformanceFile {
			text = strings.ReplaceAll(text, "of: v", "known of v")
		}
		if file == ResultsFile {
			continue // has them as data
		}
		for _, want := range []string{"known of v0.1.37+dirty", "asks once for each that waits", "https://example.org/cache.go"} {
			if !strings.Contains(strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "&#43;", "+"), want) {
				t.Errorf("%s does not mention %q", file, want)
			}
		}
		if strings.Contains(text, "leaves the account out") {
			t.Errorf("%s mentions a deviation of a requirement that holds", file)
		}
	}
	// Only known deviations fail, and the run fails too.
	for i := range run.Specs {
		if run.Specs[i].Suite == "imds" {
			run.Specs[i].Outcome, run.Specs[i].Failure = Pass, nil
		}
	}
	if verdict := NewFindings(run).Verdict; verdict.Outcome != Fail || verdict.ExitCode() != 1 || len(verdict.Known) != 1 {
		t.Errorf("with known deviations alone: %+v", verdict)
	}
}

// An undecided requirement is no deviation.
func TestErrorsAreNoDeviations(t *testing.T) {
	run := deviating()
	for i := range run.Specs {
		if run.Specs[i].Outcome == Fail {
			run.Specs[i].Outcome = Error
		}
	}
	if verdict := NewFindings(run).Verdict; verdict.Outcome != Error || len(verdict.Known) != 0 {
		t.Errorf("%+v", verdict)
	}
	var b bytes.Buffer
	if err := WriteSummary(&b, NewFindings(run), SummaryOptions{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "known of") {
		t.Errorf("reported as known:\n%s", b.String())
	}
}
