package mutation

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/reports"
)

// File is the name of the matrix in the artifacts of a run.
const File = "mutation.json"

// Matrix has a run's results about mutants and requirements.
type Matrix struct {
	Environment string    `json:"environment"`
	Scope       Scope     `json:"scope"`
	Started     time.Time `json:"started"`
	Seconds     float64   `json:"seconds"`
	Baseline    Baseline  `json:"baseline"`
	Mutants     []Result  `json:"mutants"`
}

// Baseline has the specs' results without a mutant.
type Baseline struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
	// NotDecided counts specs that were skipped, not supported, not run or errors.
	NotDecided int `json:"notDecided"`
}

func baselineOf(specs []reports.Spec) Baseline {
	var b Baseline
	for _, spec := range specs {
		switch spec.Outcome {
		case reports.Pass:
			b.Passed++
		case reports.Fail:
			b.Failed++
		default:
			b.NotDecided++
		}
	}
	return b
}

// sort groups the mutants by subject.
func (m *Matrix) sort() {
	slices.SortStableFunc(m.Mutants, func(a, b Result) int { return strings.Compare(string(a.Subject), string(b.Subject)) })
}

func (m *Matrix) clock() { m.Seconds = time.Since(m.Started).Round(time.Millisecond).Seconds() }

// Count is the number of mutants with the verdict.
func (m *Matrix) Count(verdict Verdict) int {
	n := 0
	for _, result := range m.Mutants {
		if result.Verdict == verdict {
			n++
		}
	}
	return n
}

// WriteJSON writes the matrix as JSON.
func (m *Matrix) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m); err != nil {
		return fmt.Errorf("write matrix of mutants: %w", err)
	}
	return nil
}

// marks of a requirement in a line of the matrix.
const (
	markFailed    = "✓"
	markHeld      = "✗"
	markUndecided = "?"
)

// WriteText writes the matrix for a terminal: a line for each mutant, by subject, and then the requirements with their
// mutants.
func (m *Matrix) WriteText(w io.Writer) error {
	var b strings.Builder
	subject := Subject("")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, result := range m.Mutants {
		if result.Subject != subject {
			_ = table.Flush()
			subject = result.Subject
			fmt.Fprintf(&b, "\n%s\n", subject)
		}
		_, _ = fmt.Fprintln(table, result.line())
	}
	_ = table.Flush()
	m.writeRequirements(&b)
	m.writeProblems(&b)
	fmt.Fprintf(&b, "\n%d mutants: %d killed, %d survived, %d errors, %d left out; scope %s, %s\n", len(m.Mutants),
		m.Count(Killed), m.Count(Survived), m.Count(Undone), m.Count(LeftOut), m.Scope, (time.Duration(m.Seconds) * time.Second).String())
	if killed, survived := m.Count(Killed), m.Count(Survived); m.mechanical() && killed+survived > 0 {
		fmt.Fprintf(&b, "score: %d of %d killed, %.1f%%\n", killed, killed+survived, 100*float64(killed)/float64(killed+survived))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write matrix of mutants: %w", err)
	}
	return nil
}

// mechanical says that the mutants were drawn at random, so that none declares anything.
func (m *Matrix) mechanical() bool {
	return !slices.ContainsFunc(m.Mutants, func(r Result) bool { return len(r.Declared) > 0 })
}

// line is the mutant in the table: its declared requirements with a mark each, then other failures.
func (r Result) line() string {
	var declared []string
	for _, id := range r.Declared {
		mark := markHeld
		switch {
		case slices.Contains(r.Failed, id):
			mark = markFailed
		case slices.Contains(r.Undecided, id) || r.Verdict == Undone:
			mark = markUndecided
		}
		declared = append(declared, id+mark)
	}
	collateral := ""
	if len(r.Collateral) > 0 {
		collateral = "also " + strings.Join(r.Collateral, " ")
	}
	return fmt.Sprintf("  %s\t%s\t%s\t%.0fs\t%s", r.Name, r.Verdict, strings.Join(declared, " "), r.Took.Swap+r.Took.Specs, collateral)
}

// writeRequirements reports how many mutants kill each requirement, and which requirements none kills.
func (m *Matrix) writeRequirements(b *strings.Builder) {
	kills := m.kills()
	var row []string
	for _, r := range requirement.All() {
		if k := kills[r.ID]; k.declared > 0 {
			row = append(row, fmt.Sprintf("%s %d/%d", r.ID, k.killed, k.declared))
		}
	}
	b.WriteString("\nRequirements, with how many mutants each kills (of those that declare it)\n")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for chunk := range slices.Chunk(row, 8) {
		_, _ = fmt.Fprintln(table, "  "+strings.Join(chunk, "\t"))
	}
	_ = table.Flush()
	for _, level := range []requirement.Level{requirement.Must, requirement.Should} {
		fmt.Fprintf(b, "%s that no mutant of this run proves: %s\n", level, orNone(m.unproven(level)))
	}
}

// unproven are the requirements of a level that the emulator can decide and that no mutant that declares them made fail.
func (m *Matrix) unproven(level requirement.Level) []string {
	kills := m.kills()
	var list []string
	for _, r := range requirement.All() {
		if r.Level == level && r.Runs != requirement.AWS && kills[r.ID].killed == 0 {
			list = append(list, r.ID)
		}
	}
	return list
}

type kill struct{ declared, killed int }

func (m *Matrix) kills() map[string]kill {
	kills := map[string]kill{}
	for _, result := range m.Mutants {
		for _, id := range result.Declared {
			k := kills[id]
			k.declared++
			if slices.Contains(result.Failed, id) {
				k.killed++
			}
			kills[id] = k
		}
	}
	return kills
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

// writeProblems reports the mutants that were not killed, with their specs.
func (m *Matrix) writeProblems(b *strings.Builder) {
	for _, result := range m.Mutants {
		if result.Warning != "" {
			fmt.Fprintf(b, "\nwarning: %s: %s\n", result.Name, result.Warning)
		}
		if result.Verdict == Killed {
			continue
		}
		fmt.Fprintf(b, "\n%s %s: it %s\n  %s\n", result.Name, result.Verdict, result.Does, indent(result.Problem))
		for _, spec := range result.Specs {
			fmt.Fprintf(b, "  %s %s: %s\n    %s\n", spec.Outcome, strings.Join(spec.Requirements, " "), spec.Spec, reports.FirstLine(spec.Why))
		}
	}
}

func indent(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") }
