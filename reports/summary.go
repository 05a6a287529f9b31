package reports

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// SummaryOptions adapt the summary to its output.
type SummaryOptions struct {
	// Color allows terminal colours.
	Color bool
	// Width of the lines in cells; 0 means 80, and less than 40 counts as 40.
	Width int
	// Dir is the folder of the run, with the evidence about failed specs.
	Dir string
	// Files are the paths of the reports, which are named at the end.
	Files []string
	// Since has the changes since an earlier run; nil if there was none.
	Since *Since
}

// How much of a failure the summary repeats. A screen is small, and the folder of the run has the rest.
const (
	maxMessageLines = 12
	// maxStatementLines of a spec's decisive text. With the spec's name, its folder and its command a failure takes five
	// lines.
	maxStatementLines = 2
	// slowestShown is the number of slowest specs that are named.
	slowestShown = 3
	// maxListed is the number of specs of one cause that are named.
	maxListed = 10
)

// WriteSummary writes the end of a run for a terminal: problems, failed specs with the requirements that they violate, what
// is undecided and why, and then the verdict, before the names of the files.
func WriteSummary(w io.Writer, findings *Findings, options SummaryOptions) error {
	s := &summary{findings: findings, width: options.Width, color: options.Color, dir: options.Dir}
	if s.width == 0 {
		s.width = 80
	}
	s.width = max(s.width, 40)
	s.problems()
	s.failures()
	if !s.findings.Run.onlyBench() {
		s.undecided()
	}
	s.clients()
	s.bench()
	s.verdict()
	s.since(options.Since)
	s.files(options.Files)
	if _, err := w.Write(s.out.Bytes()); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

type summary struct {
	findings *Findings
	width    int
	color    bool
	dir      string
	out      bytes.Buffer
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
	for _, problem := range s.findings.Run.Problems {
		s.text(" ", s.paint(yellow, "!"), 3, plain(problem.Doing), bold)
		s.message(problem.Message)
		if problem.Remedy != "" {
			s.field("remedy", plain(problem.Remedy))
		}
		s.out.WriteByte('\n')
	}
}

// failures writes what failed or could not be decided, by cause: at most five lines for a spec, and specs of one cause
// together.
func (s *summary) failures() {
	for _, cause := range s.findings.causes {
		mark := s.paint(red, "✗")
		if cause.outcome != Fail {
			mark = s.paint(yellow, "!")
		}
		first := cause.specs[0]
		if len(cause.specs) == 1 {
			s.clipped(" ", mark, 1, titled(first), bold)
			s.clipped("     ", "", maxStatementLines, strings.Join(cause.statement, " "), "")
			s.known(cause)
			s.pointers(first, s.findings.Run.rerun(first))
			continue
		}
		what := map[bool]string{true: "failed", false: "could not be decided"}[cause.outcome == Fail]
		s.clipped(" ", mark, maxStatementLines+1, fmt.Sprintf("%d specs %s: %s", len(cause.specs), what, strings.Join(cause.statement, " ")), bold)
		for _, spec := range cause.specs[:min(len(cause.specs), maxListed)] {
			s.clipped("     ", "", 1, titled(spec), "")
		}
		if more := len(cause.specs) - maxListed; more > 0 {
			s.text("     ", "", 5, fmt.Sprintf("… and %d more", more), dim)
		}
		s.known(cause)
		s.pointers(first, s.findings.Run.rerunAll(cause.specs))
	}
	s.away()
}

// known names the failures that are known deviations of the subjects, each once.
func (s *summary) known(cause *cause) {
	if cause.outcome != Fail {
		return
	}
	var ids []string
	for _, spec := range cause.specs {
		ids = append(ids, spec.Requirements...)
	}
	for _, deviation := range s.findings.Run.known(ids...) {
		s.text("   ", "", 5, plain(fmt.Sprintf("%s (%s): %s", deviation.knownOf(), deviation.Requirement, deviation.Does)), yellow)
		s.text("     ", "", 5, plain(deviation.Link), "")
	}
}

// titled is a spec by its requirements and its name.
func titled(spec Spec) string {
	return strings.TrimSpace(plain(strings.Join(spec.Requirements, " ") + " " + spec.Name))
}

// pointers name the place of the other evidence about a spec, and the command to run it again. They are not wrapped, so
// that they can be copied.
func (s *summary) pointers(spec Spec, again string) {
	switch dir := spec.evidenceDir(); {
	case dir != "":
		fmt.Fprintf(&s.out, "   %s %s\n", s.paint(dim, pad("see", labelWidth)), path.Join(s.dir, dir))
	case spec.Failure != nil && spec.Failure.Location != "":
		s.clipped("   ", s.paint(dim, pad("at", labelWidth)), 1, plain(spec.Failure.Location), "")
	}
	fmt.Fprintf(&s.out, "   %s %s\n\n", s.paint(dim, pad("again", labelWidth)), again)
}

// away writes once what the environment left undecided, and when it was absent.
func (s *summary) away() {
	byReason := map[string]int{}
	var reasons []string
	again, meanwhile := 0, 0
	for _, spec := range s.findings.Run.Specs {
		if spec.Again != "" {
			again++
		}
		if !spec.away() {
			continue
		}
		reason := strings.Join(spec.statement(), " ")
		if slices.ContainsFunc(s.findings.Run.Absences, func(a Absence) bool { return a.in(reason) }) {
			meanwhile++
			continue
		}
		if byReason[reason] == 0 {
			reasons = append(reasons, reason)
		}
		byReason[reason]++
	}
	said := 0
	for _, absence := range s.findings.Run.Absences {
		// The absence that ended the run is its problem, which is above.
		if absence.To.IsZero() && slices.ContainsFunc(s.findings.Run.Problems, func(p Problem) bool { return absence.in(plain(p.Message)) }) {
			continue
		}
		said++
		s.text(" ", s.paint(yellow, "!"), 3, absence.sentence(), "")
	}
	if meanwhile > 0 {
		s.text(" ", s.paint(yellow, "!"), 3, Plural(meanwhile, "spec")+" not decided because of that", "")
	}
	for _, reason := range reasons {
		s.clipped(" ", s.paint(yellow, "!"), maxStatementLines, Plural(byReason[reason], "spec")+" "+reason, "")
	}
	if again > 0 {
		s.text(" ", s.paint(dim, "-"), 3, Plural(again, "spec")+" ran once more because of the environment", "")
	}
	if said+meanwhile+len(reasons)+again > 0 {
		s.out.WriteByte('\n')
	}
}

// in says whether a text contains the absence.
func (a Absence) in(text string) bool {
	return strings.Contains(text, plain(a.Part)) && strings.Contains(text, plain(a.Reason))
}

// sentence describes an absence.
func (a Absence) sentence() string {
	const clock = "15:04:05"
	if a.To.IsZero() {
		return plain(fmt.Sprintf("%s was away from %s UTC to the end: %s", a.Part, a.From.UTC().Format(clock), a.Reason))
	}
	return plain(fmt.Sprintf("%s was away from %s to %s UTC: %s", a.Part, a.From.UTC().Format(clock), a.To.UTC().Format(clock), a.Reason))
}

// clipped writes a text in at most that many lines. Dots stand for the rest.
func (s *summary) clipped(prefix, label string, lines int, text, style string) {
	indent := runewidth.StringWidth(ansi.ReplaceAllString(prefix+label, ""))
	if label != "" {
		indent++
	}
	width := s.width - indent
	wrapped := wrap(text, width)
	if len(wrapped) > lines {
		rest := strings.Join(wrapped[lines-1:], " ")
		wrapped = append(wrapped[:lines-1:lines-1], runewidth.Truncate(rest, width, "…"))
	}
	for i, line := range wrapped {
		if runewidth.StringWidth(line) > width {
			line = runewidth.Truncate(line, width, "…")
		}
		start := strings.Repeat(" ", indent)
		if i == 0 {
			start = prefix + label
			if label != "" {
				start += " "
			}
		}
		s.out.WriteString(strings.TrimRight(start+s.paint(style, line), " "))
		s.out.WriteByte('\n')
	}
}

// undecided counts what was not decided, or only partly, by reason.
func (s *summary) undecided() {
	type group struct {
		outcome Outcome
		reason  string
		ids     []string
	}
	var groups []*group
	for _, result := range s.findings.Requirements {
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
		label := g.outcome.Label()
		if g.outcome == Pass {
			label = "decided in part"
		}
		line := fmt.Sprintf("%s %s", Plural(len(g.ids), "requirement"), label)
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

func (s *summary) verdict() {
	verdict := s.findings.Verdict
	color := map[Outcome]string{Pass: green, Fail: red, Error: yellow}[verdict.Outcome]
	s.text("", "", 0, plain(verdict.Sentence()), bold+";"+color)
	var said []string
	switch {
	case verdict.Specs.Total() > 0:
		said = append(said, "Specs: "+verdict.Specs.list("", Pass, Fail, Error, NotSupported, Skipped, NotRun))
	case !s.findings.Run.onlyBench():
		said = append(said, "Specs: none")
	}
	if s.findings.Run.Repeats > 1 {
		said = append(said, fmt.Sprintf("They ran %d times; this is of the last", s.findings.Run.Repeats))
	}
	if took := s.findings.Run.duration(); took > 0 {
		said = append(said, "Took "+short(took))
	}
	if len(said) > 0 {
		s.text("", "", 0, strings.Join(said, ". ")+".", "")
	}
	if slow := s.findings.Run.slowest(slowestShown); len(slow) == slowestShown {
		s.out.WriteString("Slowest:\n")
		for _, spec := range slow {
			s.clipped("  ", pad(short(spec.Duration), 6), 1, titled(spec), "")
		}
	}
}

func (s *summary) files(files []string) {
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

// message writes the beginning of a message unchanged, line by line.
func (s *summary) message(message string) {
	message = strings.TrimRight(plain(message), "\n ")
	if message == "" {
		return
	}
	lines := strings.Split(message, "\n")
	s.lines(lines[:min(len(lines), maxMessageLines)])
	if more := len(lines) - maxMessageLines; more > 0 {
		s.text("     ", "", 5, fmt.Sprintf("… %s more", Plural(more, "line")), dim)
	}
}

// lines writes lines unchanged, indented. A long one continues on the next line.
func (s *summary) lines(lines []string) {
	for _, line := range lines {
		line = strings.ReplaceAll(line, "\t", "    ")
		text := strings.TrimLeft(line, " ")
		s.text("     "+line[:len(line)-len(text)], "", 5+min(len(line)-len(text), s.width/2), text, "")
	}
}

// text writes a text wrapped to the width: the first line after prefix and label, the others indented by indent cells.
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

// wrap breaks a text at spaces into lines of at most width cells. A longer word, such as a path, stays whole, with the dash
// of its list, so that it can be copied.
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

// clients adds the client matrix, if clients were tested.
func (s *summary) clients() {
	var list []ClientResult
	for _, client := range s.findings.Clients {
		if client.Outcome != NotRun && client.Outcome != Skipped && (client.Outcome != NotSupported || client.Verdict != "not examined") {
			list = append(list, client)
		}
	}
	if len(list) < 2 {
		return // one is the probe, which every run has
	}
	s.text("", "", 0, "AWS clients", bold)
	for _, client := range list {
		mark := map[Outcome]string{Pass: s.paint(green, "✓"), Fail: s.paint(red, "✗"), NotSupported: s.paint(dim, "-")}[client.Outcome]
		if mark == "" {
			mark = s.paint(yellow, "!")
		}
		line := fmt.Sprintf("%s %s: %s", plain(client.SDK), plain(client.Version), client.Verdict)
		switch {
		case client.Reason != "":
			line += ": " + plain(client.Reason)
		case len(client.Held) > 0:
			line += " (" + plain(strings.Join(client.Held, ", ")) + ")"
		}
		s.text(" ", mark, 3, line, "")
	}
	s.out.WriteByte('\n')
}
