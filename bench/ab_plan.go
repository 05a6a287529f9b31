package bench

import (
	"fmt"
	"strings"
	"time"

	"github.com/podidentity/epi/bench/stats"
	"github.com/podidentity/epi/reports"
)

// Rough times on a machine with two cores: to start an agent, and to execute a scenario in addition to the
// length of its loads. Only the plan uses them.
const (
	swapTakes     = 6 * time.Second
	scenarioTakes = 4 * time.Second
)

// spreads are the assumed spreads of pairs in a plan, on a quiet machine and on a busy one.
var spreads = [2]float64{0.05, 0.15}

// plan describes what the run will do and what differences it can show.
func (ab AB) plan() []string {
	execution, primaries := swapTakes, 0
	var lines []string
	for _, s := range ab.Scenarios {
		execution += scenarioTakes + time.Duration(max(len(s.Size.Rates), 1)*max(s.Size.Repeats, 1))*s.Size.Duration
		var names []string
		for _, p := range s.Primary {
			names = append(names, p.String())
			if strings.Contains(p.Case, "rate=*") {
				primaries += max(len(s.Size.Rates), 1)
			} else {
				primaries++
			}
		}
		lines = append(lines, fmt.Sprintf("  %s: %s", s.Name, strings.Join(names, ", ")))
	}
	pair := 2 * execution
	pairs := int(ab.Time / pair)
	looks := stats.Looks(pairs)
	ends := "when all of them are concluded"
	switch {
	case ab.Pairs > 0:
		pairs, looks, ends = ab.Pairs, []int{ab.Pairs}, fmt.Sprintf("after %s", reports.Plural(ab.Pairs, "pair"))
	default:
		ends += fmt.Sprintf(", at the latest after %s (--time)", ab.Time)
	}
	length := fmt.Sprintf("about %s a pair, so up to %s", pair.Round(time.Second), reports.Plural(max(pairs, 1), "pair"))
	if ab.Pairs > 0 {
		length = fmt.Sprintf("about %s for %s", (time.Duration(pairs) * pair).Round(time.Second), reports.Plural(pairs, "pair"))
	}
	head := []string{
		fmt.Sprintf("Plan: agents A and B alternately, %s. It ends %s.", length, ends),
		fmt.Sprintf("Primary measures, %d in all; all other measures are secondary:", primaries),
	}
	lines = append(head, lines...)
	lines = append(lines, fmt.Sprintf("A measure is concluded when a difference is shown, or when it is the same within %.3g%% (--within), with 95%% confidence for all of them together.", 100*ab.Within))
	return append(lines, detectable(looks, primaries)...)
}

// detectable says what differences the looks can show, for both assumed spreads.
func detectable(looks []int, primaries int) []string {
	if len(looks) == 0 {
		return []string{"The time is too short for a look at 4 pairs: the run can show little. Give it more time with --time."}
	}
	var parts []string
	for k, pairs := range looks {
		if pairs < 2 {
			return []string{"One pair shows nothing: give it more with --repeats, or none to have as many as it takes."}
		}
		level := stats.Level(stats.Spend(k+1), primaries)
		if k+1 == len(looks) {
			level = stats.Level(stats.SpendRest(k+1), primaries)
		}
		parts = append(parts, fmt.Sprintf("%d pairs × %.2f to × %.2f", pairs,
			stats.Detectable(pairs, spreads[0], level), stats.Detectable(pairs, spreads[1], level)))
	}
	return []string{fmt.Sprintf("Smallest difference that a look can show, four times of five: after %s, where pairs are spread by %.0f%% to %.0f%%; of counts 0%% against 30%% at the first.",
		strings.Join(parts, ", "), 100*spreads[0], 100*spreads[1])}
}
