package reports

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/mattn/go-runewidth"
)

// SummaryOptions fit the summary to where it is printed.
type SummaryOptions struct {
	// Color allows the colours of terminals.
	Color bool
	// Width of the lines in cells; 0 means 80, and less than 40 counts as 40.
	Width int
	// Dir is the folder of the run, in which the evidence about failed specs is.
	Dir string
	// Files are the paths of the reports, to be named at the end.
	Files []string
}

// How much of a failure the summary repeats.
const (
	maxMessageLines = 12
	// maxPodLines of the beginning of a pod.
	maxPodLines = 20
	// maxExcerptLines of the end of an excerpt that is a log.
	maxExcerptLines = 4
	// maxWithEvidence is how many failed specs are told with their evidence: one cause has many, and
	// a screen is small.
	maxWithEvidence = 3
)

// WriteSummary writes what a terminal shows at the end of a run: problems, failed specs with the
// requirements that they violate, what is undecided and why, then the verdict as the last word
// before the names of the files.
func WriteSummary(w io.Writer, run Run, options SummaryOptions) error {
	s := &summary{run: run.sorted(), width: options.Width, color: options.Color, dir: options.Dir}
	if s.width == 0 {
		s.width = 80
	}
	s.width = max(s.width, 40)
	s.problems()
	s.failures()
	if !s.run.onlyBench() {
		s.undecided()
	}
	s.clients()
	s.bench()
	s.verdict(options.Files)
	if _, err := w.Write(s.out.Bytes()); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

type summary struct {
	run   Run
	width int
	color bool
	dir   string
	out   bytes.Buffer
}

// SGR parameters of terminals (ECMA-48 §8.3.117).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s *summary) problems() {
	for _, problem := range s.run.Problems {
		s.text(" ", s.paint(yellow, "!"), 3, plain(problem.Doing), bold)
		s.message(problem.Message)
		if problem.Remedy != "" {
			s.field("remedy", plain(problem.Remedy))
		}
		s.out.WriteByte('\n')
	}
}

// failures shows each spec that failed or could not be decided, with what it violates.
func (s *summary) failures() {
	catalogue := s.run.catalogue()
	for n, i := range s.run.failures() {
		spec := s.run.Specs[i]
		mark := s.paint(red, "✗")
		if spec.Outcome != Fail {
			mark = s.paint(yellow, "!")
		}
		s.text(" ", mark, 3, plain(spec.Name), bold)
		for _, id := range spec.Requirements {
			requirement := catalogue[id]
			s.field(plain(id), strings.TrimSpace(plain(requirement.Level+" "+requirement.Statement)))
			if requirement.Source != "" {
				s.field("", plain(requirement.Source))
			}
		}
		if spec.Failure != nil {
			if spec.Failure.Location != "" {
				s.field("at", plain(spec.Failure.Location))
			}
			s.message(spec.Failure.Message)
		} else {
			s.message(spec.Reason)
		}
		if n < maxWithEvidence {
			s.evidence(spec)
		}
		// Not wrapped: they are there to be copied.
		if dir := spec.evidenceDir(); dir != "" {
			fmt.Fprintf(&s.out, "   %s %s\n", s.paint(dim, pad("see", labelWidth)), path.Join(s.dir, dir))
		}
		fmt.Fprintf(&s.out, "   %s %s\n\n", s.paint(dim, pad("again", labelWidth)), s.run.rerun(spec))
	}
}

// evidence repeats the beginning of each pod and the end of each log.
func (s *summary) evidence(spec Spec) {
	for _, excerpt := range spec.excerpts() {
		lines := strings.Split(excerpt.Text, "\n")
		if strings.HasPrefix(excerpt.Title, "Pod ") {
			lines = lines[:min(len(lines), maxPodLines)]
		} else {
			lines = lines[max(0, len(lines)-maxExcerptLines):]
		}
		s.text("   ", "", 3, excerpt.Title, dim)
		s.lines(lines)
	}
}

// undecided counts what was not decided, or only in part, by reason.
func (s *summary) undecided() {
	type group struct {
		outcome Outcome
		reason  string
		ids     []string
	}
	var groups []*group
	for _, result := range s.run.RequirementResults() {
		if result.Outcome == Fail || result.Outcome == Error || result.Outcome == Pass && result.Reason == "" {
			continue
		}
		var found *group
		for _, g := range groups {
			if g.outcome == result.Outcome && g.reason == result.Reason {
				found = g
			}
		}
		if found == nil {
			found = &group{outcome: result.Outcome, reason: result.Reason}
			groups = append(groups, found)
		}
		found.ids = append(found.ids, result.ID)
	}
	for _, g := range groups {
		words := g.outcome.Words()
		if g.outcome == Pass {
			words = "decided in part"
		}
		line := fmt.Sprintf("%s %s", plural(len(g.ids), "requirement"), words)
		if g.reason != "" {
			line += ": " + plain(g.reason)
		}
		if len(g.ids) <= 8 {
			line += " (" + plain(strings.Join(g.ids, ", ")) + ")"
		}
		s.text(" ", s.paint(dim, "-"), 3, line, "")
	}
	if len(groups) > 0 {
		s.out.WriteByte('\n')
	}
}

func (s *summary) verdict(files []string) {
	verdict := s.run.Verdict()
	color := map[Outcome]string{Pass: green, Fail: red, Error: yellow}[verdict.Outcome]
	s.text("", "", 0, plain(verdict.Sentence()), bold+";"+color)
	var said []string
	switch {
	case verdict.Specs.Total() > 0:
		said = append(said, "Specs: "+verdict.Specs.list("", Pass, Fail, Error, NotSupported, Skipped, NotRun))
	case !s.run.onlyBench():
		said = append(said, "Specs: none")
	}
	if took := s.run.duration(); took > 0 {
		said = append(said, "Took "+short(took))
	}
	if len(said) > 0 {
		s.text("", "", 0, strings.Join(said, ". ")+".", "")
	}
	if len(files) == 0 {
		return
	}
	s.out.WriteString("Reports:\n")
	for _, file := range files {
		fmt.Fprintf(&s.out, "  %s\n", plain(file))
	}
}

// labelWidth is the width of the column of labels below a failed spec.
const labelWidth = 8

// field writes a labelled text below a failed spec.
func (s *summary) field(label, text string) {
	if runewidth.StringWidth(label) > 2*labelWidth {
		s.text("   ", "", 3, label+" "+text, "")
		return
	}
	s.text("   ", s.paint(dim, pad(label, labelWidth)), 4+max(labelWidth, runewidth.StringWidth(label)), text, "")
}

// message writes the beginning of a message as it is, line by line.
func (s *summary) message(message string) {
	message = strings.TrimRight(plain(message), "\n ")
	if message == "" {
		return
	}
	lines := strings.Split(message, "\n")
	s.lines(lines[:min(len(lines), maxMessageLines)])
	if more := len(lines) - maxMessageLines; more > 0 {
		s.text("     ", "", 5, fmt.Sprintf("… %s more", plural(more, "line")), dim)
	}
}

// lines writes lines as they are, indented; one that is too long goes on below itself.
func (s *summary) lines(lines []string) {
	for _, line := range lines {
		line = strings.ReplaceAll(line, "\t", "    ")
		text := strings.TrimLeft(line, " ")
		s.text("     "+line[:len(line)-len(text)], "", 5+min(len(line)-len(text), s.width/2), text, "")
	}
}

// text writes a text wrapped to the width: the first line after prefix and label, the others
// indented by indent cells.
func (s *summary) text(prefix, label string, indent int, text, style string) {
	first := prefix + label
	if label != "" {
		first += " "
	}
	for i, line := range wrap(text, s.width-indent) {
		if i > 0 {
			first = strings.Repeat(" ", indent)
		}
		s.out.WriteString(strings.TrimRight(first+s.paint(style, line), " "))
		s.out.WriteByte('\n')
	}
}

func (s *summary) paint(style, text string) string {
	if !s.color || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// wrap breaks a text at spaces into lines of at most width cells. A word that is longer, such as
// a path, stays whole, and with the dash of its list: it is there to be copied.
func wrap(text string, width int) []string {
	var lines []string
	var line string
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case runewidth.StringWidth(line)+1+runewidth.StringWidth(word) <= width, line == "-" && runewidth.StringWidth(word) > width-2:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

func pad(text string, width int) string { return runewidth.FillRight(text, width) }
