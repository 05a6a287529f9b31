package reports

import (
	"bytes"
	"flag"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func plainSummary(w io.Writer, run Run) error {
	return WriteSummary(w, NewFindings(run), SummaryOptions{Files: []string{"_artifacts/" + run.ID + "/junit.xml", "_artifacts/" + run.ID + "/report.html"}})
}

// of is a writer of findings as a writer of a run.
func of(write func(io.Writer, *Findings) error) func(io.Writer, Run) error {
	return func(w io.Writer, run Run) error { return write(w, NewFindings(run)) }
}

// writers are all writers by the name of their output.
var writers = map[string]func(io.Writer, Run) error{
	BenchFile: WriteBench, BenchTextFile: of(WriteBenchText),
	ResultsFile: WriteJSON, JUnitFile: of(WriteJUnit), ConformanceFile: of(WriteConformance), HTMLFile: of(WriteHTML), "summary.txt": plainSummary,
}

// writersOf are the writers for a run of this kind.
func writersOf(run Run) map[string]func(io.Writer, Run) error {
	of := maps.Clone(writers)
	for _, file := range files {
		if file.of != nil && !file.of(run) {
			delete(of, file.name)
		}
	}
	return of
}

func written(t *testing.T, write func(io.Writer, Run) error, run Run) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, run); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// embedded matches style and script of the page and their digests, whose effect only people can judge.
var embedded = regexp.MustCompile(`(?s)(<(?:style|script)>).*?(</(?:style|script)>)|&#39;sha256-[^']*?&#39;`)

func TestGolden(t *testing.T) {
	for _, name := range []string{"passing", "failing", "errored", "undecided", "deviating", "interrupted", "measured", "gated", "versus"} {
		run := samples()[name]
		for file, write := range writersOf(run) {
			if file == HTMLFile && name != "failing" && name != "gated" {
				continue // pages are checked by their elements and by a browser; one shows the markup
			}
			t.Run(name+"/"+file, func(t *testing.T) {
				got := written(t, write, run)
				if file == HTMLFile {
					got = embedded.ReplaceAll(got, []byte("$1$2"))
				}
				path := filepath.Join("testdata", name, file)
				if *update {
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("differs from %s (go test ./reports -update rewrites it):\n%s", path, diff)
				}
			})
		}
	}
}

// Parallel specs end in any order, and machines have different time zones. Reports do not depend on that.
func TestReportsDependOnTheResultsOnly(t *testing.T) {
	for name, run := range samples() {
		shuffled := run.copied()
		rng := rand.New(rand.NewPCG(1, 2))
		rng.Shuffle(len(shuffled.Specs), func(i, j int) { shuffled.Specs[i], shuffled.Specs[j] = shuffled.Specs[j], shuffled.Specs[i] })
		rng.Shuffle(len(shuffled.Requirements), func(i, j int) {
			shuffled.Requirements[i], shuffled.Requirements[j] = shuffled.Requirements[j], shuffled.Requirements[i]
		})
		rng.Shuffle(len(shuffled.Phases), func(i, j int) { shuffled.Phases[i], shuffled.Phases[j] = shuffled.Phases[j], shuffled.Phases[i] })
		slices.Reverse(shuffled.Subjects)
		for i := range shuffled.Specs {
			shuffled.Specs[i].Requirements = slices.Clone(shuffled.Specs[i].Requirements)
			slices.Reverse(shuffled.Specs[i].Requirements)
			shuffled.Specs[i].Started = shuffled.Specs[i].Started.In(time.FixedZone("east", 9*3600))
		}
		shuffled.Started = shuffled.Started.In(time.FixedZone("west", -8*3600))
		for file, write := range writersOf(run) {
			first := written(t, write, run)
			if again := written(t, write, run); !bytes.Equal(first, again) {
				t.Errorf("%s: %s differs when written again", name, file)
			}
			if other := written(t, write, shuffled); !bytes.Equal(first, other) {
				t.Errorf("%s: %s depends on order or time zone:\n%s", name, file, cmp.Diff(string(first), string(other)))
			}
		}
	}
}

// A writer must not change the lists of its run. Results from elsewhere may have names and logs of any length. Reports for
// people shorten them, and results.json has all of them.
func TestImmenseTextsHaveAnEnd(t *testing.T) {
	run := failing()
	immense := strings.Repeat(hostileText+"\n", 4*outputLimit/len(hostileText))
	run.Environment.Name = immense
	for i := range run.Specs {
		spec := &run.Specs[i]
		spec.Name, spec.Reason, spec.Output, spec.Again = immense, immense, immense, immense
		spec.Steps = []Step{{Text: immense}}
		if spec.Failure != nil {
			spec.Failure.Message, spec.Failure.Cause = immense, immense
		}
	}
	for name, write := range map[string]func(io.Writer, Run) error{HTMLFile: of(WriteHTML), JUnitFile: of(WriteJUnit), ConformanceFile: of(WriteConformance), "summary.txt": plainSummary, "annotations": of(WriteAnnotations), "job summary": of(WriteJobSummary)} {
		if size, most := len(written(t, write, run)), len(run.Specs)*20*outputLimit; size > most {
			t.Errorf("%s has %d bytes of %d specs, want at most %d", name, size, len(run.Specs), most)
		}
	}
}

func TestWritersLeaveTheRunAlone(t *testing.T) {
	for name := range samples() {
		for file, write := range writersOf(samples()[name]) {
			run := samples()[name]
			written(t, write, run)
			if diff := cmp.Diff(samples()[name], run); diff != "" {
				t.Errorf("%s: writing %s changed the run:\n%s", name, file, diff)
			}
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWritersReportErrors(t *testing.T) {
	for file, write := range writers {
		if err := write(broken{}, gated()); err == nil {
			t.Errorf("%s: no error from a writer that fails", file)
		}
	}
}

// Conformance depends on requirements: a slow subject, or a missing benchmark, changes nothing.
func TestConformanceKnowsNoBenchmark(t *testing.T) {
	run := gated()
	with := written(t, of(WriteConformance), run)
	run.Bench = nil
	if diff := cmp.Diff(string(written(t, of(WriteConformance), run)), string(with)); diff != "" {
		t.Error(diff)
	}
}
