package reports

import (
	"bytes"
	"io"
	"strings"
	"testing"

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
				if last := fields[len(fields)-1]; fields[0] != "again" && len(fields) > 2 && runewidth.StringWidth(last) < limit/2 {
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
	want := `epi test --focus 'Session tags let a pod read its own prefix \(it'"'"'s allowed\)'` + "\n"
	if !strings.Contains(text, want) {
		t.Errorf("want %q in:\n%s", want, text)
	}
}
