package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// annotationsLimit is how many annotations GitHub shows of a step and level
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
const annotationsLimit = 10

// WriteAnnotations writes a workflow command of GitHub Actions for each spec that failed or could not be decided, at the
// spec's file and line, and for each problem of the run. The last one summarizes those that GitHub does not show.
func WriteAnnotations(w io.Writer, findings *Findings) error {
	run := findings.Run
	var commands []string
	add := func(level, title, message, location string) {
		properties := "title=" + property(title)
		if file, line, ok := strings.Cut(location, ":"); ok && file != "" {
			line, _, _ = strings.Cut(line, ":")
			properties = "file=" + property(file) + ",line=" + property(line) + "," + properties
		}
		commands = append(commands, "::"+level+" "+properties+"::"+message)
	}
	for _, problem := range run.Problems {
		message := FirstLine(plain(problem.Message))
		if problem.Remedy != "" {
			message += "\nRemedy: " + plain(problem.Remedy)
		}
		add("error", plain(problem.Doing), data(clip(message, annotationLimit)), "")
	}
	for _, i := range findings.Failures {
		spec := run.Specs[i]
		level, location := "error", ""
		if spec.Outcome != Fail {
			level = "warning"
		}
		if spec.Failure != nil {
			location = plain(spec.Failure.Location)
		}
		message := plain(spec.why())
		for _, deviation := range run.known(spec.Requirements...) {
			message += "\n" + plain(deviation.knownOf())
		}
		add(level, titled(spec), data(clip(message, annotationLimit)), location)
	}
	if run.Bench != nil {
		for _, threshold := range run.Bench.Thresholds {
			if threshold.Outcome == Fail {
				add("error", "Threshold "+plain(threshold.Expression), data(plain(threshold.text(true))), "")
			}
		}
	}
	if more := len(commands) - annotationsLimit; more > 0 {
		commands = append(commands[:annotationsLimit-1], fmt.Sprintf("::error title=%d more::%[1]d more failed or could not be decided: see the job summary", more+1))
	}
	for _, command := range commands {
		if _, err := io.WriteString(w, command+"\n"); err != nil {
			return fmt.Errorf("write annotations: %w", err)
		}
	}
	return nil
}

// annotationLimit is how much of a message an annotation has, in bytes.
const annotationLimit = 2 << 10

// data is a message of a workflow command (https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts).
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property is a property of a workflow command.
func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}

// The size of a job summary. GitHub accepts one mebibyte for a step and drops a larger one.
const (
	summaryFailures = 30
	summaryMessage  = 2 << 10
	summarySlow     = 5
	summaryMeasures = 40
)

// WriteJobSummary writes the run as Markdown for the summary of a job of GitHub Actions: the verdict, the failures with
// their causes, the slowest specs, and the measurements with their changes against the baseline, if there was one.
func WriteJobSummary(w io.Writer, findings *Findings) error {
	run, verdict := findings.Run, findings.Verdict
	var b strings.Builder
	mark := map[Outcome]string{Pass: "✅", Fail: "❌"}[verdict.Outcome]
	if mark == "" {
		mark = "⚠️"
	}
	fmt.Fprintf(&b, "## %s %s\n\n", mark, markdown(verdict.Sentence()))
	if !run.onlyBench() {
		badge := findings.Badge()
		fmt.Fprintf(&b, "**%s: %s**", markdown(badge.Label), markdown(badge.Message))
		if took := run.duration(); took > 0 {
			fmt.Fprintf(&b, " in %s", short(took))
		}
		b.WriteString("\n\n")
	}
	for _, subject := range run.Subjects {
		fmt.Fprintf(&b, "- %s: %s\n", markdown(subject.Role), markdown(subject.describe()))
	}
	if run.Environment.KubernetesVersion != "" {
		fmt.Fprintf(&b, "- Kubernetes %s on %s\n", markdown(run.Environment.KubernetesVersion), markdown(run.Environment.Provider))
	}
	b.WriteByte('\n')
	for _, problem := range run.Problems {
		fmt.Fprintf(&b, "### ⚠️ %s\n\n%s\n", markdown(problem.Doing), fenced(clip(problem.Message, summaryMessage)))
		if problem.Remedy != "" {
			fmt.Fprintf(&b, "Remedy: %s\n\n", markdown(problem.Remedy))
		}
	}
	findings.summaryOfFailures(&b)
	run.summaryOfSlow(&b)
	run.summaryOfBench(&b)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write job summary: %w", err)
	}
	return nil
}

// summaryOfFailures writes failures by their cause.
func (f *Findings) summaryOfFailures(b *strings.Builder) {
	causes := f.causes
	if len(causes) == 0 {
		return
	}
	b.WriteString("### Failures\n\n")
	for _, cause := range causes[:min(len(causes), summaryFailures)] {
		mark := "❌"
		if cause.outcome != Fail {
			mark = "⚠️"
		}
		first := cause.specs[0]
		fmt.Fprintf(b, "<details open><summary>%s %s", mark, markdown(titled(first)))
		if more := len(cause.specs) - 1; more > 0 {
			fmt.Fprintf(b, " and %s of the same cause", Plural(more, "spec"))
		}
		b.WriteString("</summary>\n\n")
		message := first.Reason
		if first.Failure != nil {
			message = first.Failure.Message
		}
		b.WriteString(fenced(clip(message, summaryMessage)))
		if first.Failure != nil && first.Failure.Location != "" {
			fmt.Fprintf(b, "at %s\n\n", markdown(first.Failure.Location))
		}
		for _, spec := range cause.specs[1:min(len(cause.specs), maxListed)] {
			fmt.Fprintf(b, "- %s\n", markdown(titled(spec)))
		}
		var ids []string
		for _, spec := range cause.specs {
			ids = append(ids, spec.Requirements...)
		}
		slices.SortFunc(ids, CompareIDs)
		for _, id := range slices.Compact(ids) {
			if requirement, ok := f.catalogue[id]; ok {
				fmt.Fprintf(b, "- **%s** (%s) %s\n", markdown(id), markdown(requirement.Level), markdown(requirement.Statement))
			}
		}
		for _, deviation := range f.Run.known(ids...) {
			fmt.Fprintf(b, "- %s: %s\n", markdown(deviation.knownOf()), markdown(deviation.sentence()))
		}
		fmt.Fprintf(b, "\nAgain:\n\n%s</details>\n\n", fenced(f.Run.rerunAll(cause.specs)))
	}
	if more := len(causes) - summaryFailures; more > 0 {
		fmt.Fprintf(b, "… and %s more\n\n", Plural(more, "cause"))
	}
}

// slowest are the slowest specs, the slowest first, at most n.
func (r Run) slowest(n int) []Spec {
	list := slices.SortedStableFunc(slices.Values(r.Specs), func(a, b Spec) int { return int(min(1, max(-1, b.Duration-a.Duration))) })
	list = list[:min(n, len(list))]
	for i, spec := range list {
		if spec.Duration < time.Millisecond {
			return list[:i]
		}
	}
	return list
}

func (r Run) summaryOfSlow(b *strings.Builder) {
	slow := r.slowest(summarySlow)
	if len(slow) == 0 {
		return
	}
	b.WriteString("### What took longest\n\n| Took | Spec |\n| ---: | --- |\n")
	for _, spec := range slow {
		fmt.Fprintf(b, "| %s | %s |\n", short(spec.Duration), markdown(titled(spec)))
	}
	b.WriteByte('\n')
}

func (r Run) summaryOfBench(b *strings.Builder) {
	if r.Bench == nil || len(r.Bench.Scenarios) == 0 {
		return
	}
	changes := map[[3]string]Difference{}
	for _, d := range r.Bench.Differences {
		changes[[3]string{d.Scenario, d.Case, d.Metric}] = d
	}
	header := "### Benchmark\n\n| Measure | Value |"
	rule := "\n| --- | ---: |"
	if len(changes) > 0 {
		header += " " + markdown(r.Bench.compared()) + " |"
		rule += " --- |"
	}
	b.WriteString(header + rule + "\n")
	rows, left := 0, 0
	for _, scenario := range r.Bench.Scenarios {
		for _, c := range scenario.Cases {
			for _, metric := range c.Metrics {
				d, compared := changes[[3]string{scenario.Name, c.Name, metric.Name}]
				if len(changes) > 0 && (!compared || d.silent()) || rows >= summaryMeasures {
					left++
					continue
				}
				rows++
				about := Difference{Scenario: scenario.Name, Case: c.Name, Metric: metric.Name}
				limited := ""
				if c.LimitOf(metric.Name) != "" {
					limited = " (the generator’s limit)"
				}
				fmt.Fprintf(b, "| %s | %s%s |", markdown(about.About()), Quantity(metric.Value, metric.Unit), limited)
				if compared {
					mark := ""
					if d.Regressed {
						mark = "❌ "
					}
					fmt.Fprintf(b, " %s%s: %s |", mark, markdown(d.Verdict), markdown(d.text()))
				}
				b.WriteByte('\n')
			}
		}
	}
	if left > 0 {
		fmt.Fprintf(b, "\n%s more: no difference shown, or in bench.json.\n", Plural(left, "measure"))
	}
	b.WriteByte('\n')
	for _, threshold := range r.Bench.Thresholds {
		fmt.Fprintf(b, "- threshold %s: %s, %s\n", markdown(threshold.Expression), threshold.Outcome.Label(), markdown(threshold.text(true)))
	}
}

// markdown escapes a text for a line of Markdown, so that no content of it becomes markup, a link or a cell.
func markdown(s string) string {
	s = strings.Join(strings.Fields(clip(plain(s), 1<<10)), " ")
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '@', ':': // neither a person nor an address becomes a link
			fmt.Fprintf(&b, "&#%d;", r)
		case '\\', '`', '*', '_', '{', '}', '[', ']', '#', '|', '~', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// fenced is a text as a block of code that no content of it can end.
func fenced(s string) string {
	s = strings.TrimRight(plain(s), "\n ")
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fence + "text\n" + s + "\n" + fence + "\n\n"
}
