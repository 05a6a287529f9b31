package reports

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

func TestSummaryFitsTheWidth(t *testing.T) {
	for name, run := range samples() {
		for _, width := range []int{0, 10, 40, 60, 80, 132} {
			limit := map[int]int{0: 80, 10: 40}[width]
			if limit == 0 {
				limit = width
			}
			text := string(written(t, func(w io.Writer, r Run) error { return WriteSummary(w, r, SummaryOptions{Width: width}) }, run))
			for line := range strings.Lines(text) {
				line = strings.TrimRight(line, "\n")
				if runewidth.StringWidth(line) <= limit {
					continue
				}
				// Only commands and single long words may be longer: they are there to be copied.
				fields := strings.Fields(line)
				if last := fields[len(fields)-1]; fields[0] != "again" && fields[0] != "see" && len(fields) > 2 && runewidth.StringWidth(last) < limit/2 {
					t.Errorf("%s: at %d cells, a line of %d: %q", name, limit, runewidth.StringWidth(line), line)
				}
			}
		}
	}
}

// Colour adds to what is said, and says nothing by itself.
func TestSummaryColor(t *testing.T) {
	for name, run := range samples() {
		without := written(t, func(w io.Writer, r Run) error { return WriteSummary(w, r, SummaryOptions{}) }, run)
		with := written(t, func(w io.Writer, r Run) error { return WriteSummary(w, r, SummaryOptions{Color: true}) }, run)
		if bytes.Contains(without, []byte("\x1b")) {
			t.Errorf("%s: escape sequences without colour", name)
		}
		if !bytes.Contains(with, []byte("\x1b[1;")) {
			t.Errorf("%s: no colour in the verdict", name)
		}
		if got := ansi.ReplaceAll(with, nil); !bytes.Equal(got, without) {
			t.Errorf("%s: colour changes the text", name)
		}
	}
}

func TestSummaryNamesTheCommand(t *testing.T) {
	text := string(written(t, plainSummary, failing()))
	want := `epi test --name epi --focus '^Session tags let a pod read its own prefix \(it'"'"'s allowed\)$'` + "\n"
	if !strings.Contains(text, want) {
		t.Errorf("want %q in:\n%s", want, text)
	}
}

func TestRerunIsInTheSameCircumstances(t *testing.T) {
	spec := Spec{Name: "Tokens rotate", Slow: 9 * time.Minute}
	for _, row := range []struct {
		run  Run
		want string
	}{
		{Run{}, "epi test --slow --focus '^Tokens rotate$'"},
		{Run{Environment: Environment{Name: "mine"}, Selection: []string{"--profile=agent", "--break=role-without-policy"}},
			"epi test --name mine --slow --break=role-without-policy --focus '^Tokens rotate$'"},
	} {
		if got := row.run.rerun(spec); got != row.want {
			t.Errorf("got %s, want %s", got, row.want)
		}
	}
}

// One cause fails many specs: those after the first few are told without their evidence.
func TestSummaryIsBounded(t *testing.T) {
	run := failing()
	broken := run.Specs[0]
	for _, spec := range run.Specs {
		if spec.Evidence != nil {
			broken = spec
		}
	}
	run.Specs = nil
	for n := range 10 {
		broken.Name = fmt.Sprintf("Webhook injects %d", n)
		run.Specs = append(run.Specs, broken)
	}
	text := string(written(t, func(w io.Writer, r Run) error { return WriteSummary(w, r, SummaryOptions{Dir: "_artifacts/x"}) }, run))
	if got := strings.Count(text, "nothing about this spec in 212 lines"); got != maxWithEvidence {
		t.Errorf("%d specs with evidence, want %d", got, maxWithEvidence)
	}
	if got := strings.Count(text, "see      _artifacts/x/specs/INJ-01-webhook"); got != 10 {
		t.Errorf("%d folders of evidence, want 10", got)
	}
}

func TestSummaryTellsWhatIsDecidedInPart(t *testing.T) {
	run := passing()
	slow := run.Specs[0]
	slow.Name, slow.Outcome, slow.Reason = "Tokens rotate", Skipped, "takes about 9m0s; run it with --slow"
	run.Specs = append(run.Specs, slow)
	text := string(written(t, func(w io.Writer, r Run) error { return WriteSummary(w, r, SummaryOptions{Width: 132}) }, run))
	if want := "2 requirements decided in part: 1 of 2 specs skipped: takes about 9m0s; run it with --slow (INJ-01, INJ-02)\n"; !strings.Contains(text, want) {
		t.Errorf("want %q in:\n%s", want, text)
	}
}
