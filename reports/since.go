package reports

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Since has the results of a run that an earlier run of the same subjects did not have.
type Since struct {
	// Run is the earlier one.
	Run Run
	// Comparison compares it, as the old one, with the run.
	Comparison Comparison
}

// The limits from which a spec counts as slower. Durations of single specs vary, especially short ones.
const (
	slowerFactor = 2
	slowerBy     = 5 * time.Second
)

// longDigest matches a digest. Its beginning is enough to distinguish it.
var longDigest = regexp.MustCompile(`(sha256:[0-9a-f]{12})[0-9a-f]{52}`)

// The number of changes of each kind that are shown.
const maxChanges = 5

// slowed is a spec that took longer than before.
type slowed struct {
	spec        Spec
	before, now time.Duration
}

// slower are the specs that passed both times and took much longer this time, the worst first.
func (s *Since) slower(run Run) []slowed {
	before := map[[2]string]Spec{}
	for _, spec := range s.Run.Specs {
		before[[2]string{spec.Suite, spec.Name}] = spec
	}
	var list []slowed
	for _, spec := range run.Specs {
		was, ok := before[[2]string{spec.Suite, spec.Name}]
		if ok && was.Outcome == Pass && spec.Outcome == Pass && spec.Duration >= slowerFactor*was.Duration && spec.Duration-was.Duration >= slowerBy {
			list = append(list, slowed{spec, was.Duration, spec.Duration})
		}
	}
	slices.SortStableFunc(list, func(a, b slowed) int { return int(((b.now - b.before) - (a.now - a.before)) / time.Millisecond) })
	return list
}

// since writes what changed since the last run of the same subjects: new failures, requirements that hold again, and slower
// specs.
func (s *summary) since(since *Since) {
	if since == nil {
		return
	}
	var failing, holding []string
	for _, flip := range since.Comparison.Requirements {
		switch {
		case flip.Old != Fail && flip.New == Fail:
			failing = append(failing, fmt.Sprintf("%s fails, and %s before: %s", flip.ID, before(flip), flip.Statement))
		case flip.Old == Fail && flip.New == Pass:
			holding = append(holding, fmt.Sprintf("%s holds again: %s", flip.ID, flip.Statement))
		}
	}
	var slower, quicker []string
	for _, d := range since.Comparison.Benchmarks {
		switch {
		case d.Limited != "":
		case d.Regressed:
			slower = append(slower, fmt.Sprintf("worse: %s, %s", d.about(), d.text()))
		case d.Verdict == Better:
			quicker = append(quicker, fmt.Sprintf("better: %s, %s", d.about(), d.text()))
		}
	}
	for _, spec := range since.slower(s.findings.Run) {
		slower = append(slower, fmt.Sprintf("slower: %s → %s, %s", short(spec.before), short(spec.now), titled(spec.spec)))
	}
	title := "Since " + plain(since.Run.ID)
	if changes := since.Comparison.Changes; len(changes) > 0 {
		title += " (" + longDigest.ReplaceAllString(plain(strings.Join(changes, "; ")), "$1…") + ")"
	}
	if len(failing)+len(holding)+len(slower)+len(quicker) == 0 {
		s.clipped("", "", 2, title+": nothing changed", "")
		return
	}
	s.clipped("", "", 2, title+":", "")
	for _, of := range []struct {
		mark  string
		lines []string
	}{{s.paint(red, "✗"), failing}, {s.paint(green, "✓"), holding}, {s.paint(yellow, "!"), slower}, {s.paint(green, "✓"), quicker}} {
		for _, line := range of.lines[:min(len(of.lines), maxChanges)] {
			s.clipped("  ", of.mark, 1, plain(line), "")
		}
		if more := len(of.lines) - maxChanges; more > 0 {
			s.text("    ", "", 4, fmt.Sprintf("… and %d more", more), dim)
		}
	}
}

// before describes the earlier outcome of a requirement that fails.
func before(flip Flip) string {
	switch flip.Old {
	case Pass:
		return "held"
	case "":
		return "was not there"
	default:
		return "was " + flip.Old.Label()
	}
}
