package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/podidentity/epi/bench/compare"
	"github.com/podidentity/epi/bench/scenario"
	"github.com/podidentity/epi/bench/stats"
	"github.com/podidentity/epi/reports"
)

// trial is the turns of one scenario.
type trial struct {
	scenario scenario.Scenario
	turns    *scenario.Interleaved
	// records of the single turns, by variant.
	records [2][]reports.Scenario
	// broken says that one of them did not pass, concluded that nothing is left to find out.
	broken, concluded bool
}

func (t *trial) open() bool { return !t.broken && !t.concluded }

func (t *trial) play(ctx context.Context, variant int, name string, setting scenario.RunOptions) {
	record := t.turns.Execute(ctx, name, setting)
	t.records[variant] = append(t.records[variant], record)
	t.broken = record.Outcome != reports.Pass
}

// comparison is what the turns of an A/B run show so far. At each look it concludes what it can of the
// primary measures of the scenarios, with a confidence that holds for all of them and for all looks
// together (stats.Level, stats.Spend): a run with the same agent twice shows a difference in any of them
// once in twenty at most. What is concluded stays so. The secondary measures are looked at once, at the end
// of their scenario, with a correction of their own (stats.Discoveries).
type comparison struct {
	trials []*trial
	within float64
	looks  int
	// primaries is how many primary measures are compared; known from the first look on.
	primaries int
	// share of the error that the last look had.
	share float64
	// found are the primary measures, as the last look that they were open at has them.
	found map[string]reports.Difference
	// last look's level, by scenario: that of its secondary measures.
	shares map[string]float64
	// hint of how many more pairs the open ones may take; 0 if nobody can tell.
	more int
}

func newComparison(scenarios []scenario.Scenario, within float64) *comparison {
	c := &comparison{within: within, found: map[string]reports.Difference{}, shares: map[string]float64{}}
	for _, s := range scenarios {
		c.trials = append(c.trials, &trial{scenario: s, turns: s.Interleave()})
	}
	return c
}

// open says whether there is a scenario to play.
func (c *comparison) open() bool { return slices.ContainsFunc(c.trials, (*trial).open) }

// look looks at all open trials; last says that there is no other look.
func (c *comparison) look(last bool) {
	c.looks++
	if c.looks == 1 {
		for _, t := range c.trials {
			for _, m := range t.measures() {
				if m.Primary {
					c.primaries++
				}
			}
		}
	}
	c.share, c.more = stats.Spend(c.looks), 0
	if last {
		c.share = stats.SpendRest(c.looks)
	}
	for _, t := range c.trials {
		if !t.open() {
			continue
		}
		c.shares[t.scenario.Name] = c.share
		t.concluded = true
		for _, m := range t.measures() {
			if !m.Primary {
				continue
			}
			if before, ok := c.found[m.About()]; ok && concluded(before.Verdict) {
				continue
			}
			d := c.judge(m, stats.Level(c.share, c.primaries))
			c.found[m.About()] = d
			if !concluded(d.Verdict) {
				t.concluded = false
				c.more = max(c.more, m.more(stats.Level(stats.Spend(c.looks+1), c.primaries), c.within))
			}
		}
	}
}

func concluded(verdict string) bool {
	return verdict != string(stats.NoDifference) && verdict != string(stats.TooFew)
}

// state says in a line what is concluded and what is open.
func (c *comparison) state() string {
	var open []string
	done := 0
	for _, t := range c.trials {
		for _, m := range t.measures() {
			switch d, ok := c.found[m.About()]; {
			case ok && concluded(d.Verdict):
				done++
			case ok:
				open = append(open, m.About())
			}
		}
	}
	text := fmt.Sprintf("%d of %s concluded", done, plural(c.primaries, "primary measure"))
	if len(open) > 0 {
		text += ", open: " + strings.Join(open, ", ")
	}
	if len(open) > 0 && c.more > 0 {
		text += fmt.Sprintf(" (about %d more pairs)", c.more)
	}
	return text
}

// measure is one comparison of a run: the values of both variants, pair by pair.
type measure struct {
	reports.Difference
	better string
	values [2][]float64
	counts [2][]stats.Count
	// share says that the counts are so many of as many; asked is how many requests an identity made.
	share bool
	asked float64
}

// compared are the standard metrics that are compared. Of those that tell the same again, as p90 and the
// slowest request do, there would be more comparisons, and each would show less; and the rate is the
// schedule's. A scenario's own metrics are all compared.
func compared(metric string) bool {
	standard := slices.ContainsFunc(scenario.Standard(), func(m scenario.Metric) bool { return m.Name == metric })
	return !standard || slices.Contains([]string{
		scenario.P50.Name, scenario.P99.Name, scenario.Failed.Name, scenario.CPU.Name, scenario.RSS.Name, scenario.Calls.Name,
	}, metric)
}

// measures are what there is to compare: what all turns of a scenario that passed have.
func (t *trial) measures() []measure {
	pairs := min(len(t.records[0]), len(t.records[1]))
	if t.broken || pairs == 0 {
		return nil
	}
	var list []measure
	for _, c := range t.records[0][0].Cases {
		for _, metric := range c.Metrics {
			if !compared(metric.Name) {
				continue
			}
			m := measure{better: metric.Better, share: metric.Name == scenario.Failed.Name}
			m.Scenario, m.Case, m.Metric, m.Unit = t.scenario.Name, c.Name, metric.Name, metric.Unit
			m.Primary, m.Pairs = t.scenario.IsPrimary(c.Name, metric.Name), pairs
			var requests, identities int64
			for variant, records := range t.records {
				for _, record := range records[:pairs] {
					if in, found, ok := find(record, c.Name, metric.Name); ok {
						m.values[variant] = append(m.values[variant], found.Value)
						var turn stats.Count // of all its repeats: what they have in common is the turn's
						for i, count := range found.Counts {
							turn.Events, turn.Of = turn.Events+float64(count.Events), turn.Of+float64(count.Of)
							if i < len(in.Requests) {
								requests, identities = requests+in.Requests[i], identities+count.Of
							}
						}
						if len(found.Counts) > 0 {
							m.counts[variant] = append(m.counts[variant], turn)
						}
					}
				}
			}
			if m.asked = 1; !m.share && identities > 0 && requests > identities {
				m.asked = float64(requests) / float64(identities)
			}
			if len(m.values[0]) == pairs && len(m.values[1]) == pairs {
				list = append(list, m)
			}
		}
	}
	return list
}

func find(record reports.Scenario, name, metric string) (reports.Case, reports.Metric, bool) {
	for _, c := range record.Cases {
		for _, m := range c.Metrics {
			if c.Name == name && m.Name == metric {
				return c, m, true
			}
		}
	}
	return reports.Case{}, reports.Metric{}, false
}

// counted is the part of the share that does not matter, of a measure that is counted, that a count may
// differ by, of all that was asked: 25% of a latency is as much as 2.5 requests in 100 that fail.
const counted = 0.1

// judge says what the measure shows at a level.
func (c *comparison) judge(m measure, level float64) reports.Difference {
	d := m.Difference
	d.Verdict, d.P = string(stats.TooFew), 1
	direction := stats.LowerIsBetter
	if m.better == scenario.Rate.Better {
		direction = stats.HigherIsBetter
	}
	var interval stats.Interval
	var region stats.Region
	if counts, ok := m.counted(); ok {
		d.Old, d.New = counts.Rates()
		interval, d.P = counts.Interval(level), counts.P()
		region = stats.RateWithin(max(c.within*d.Old, c.within*counted*m.asked))
		d.Within = region.High
		if finite(interval.Low) && finite(interval.High) {
			d.Change = &reports.Change{Low: interval.Low, High: interval.High}
		}
		if d.Old > 0 {
			d.Ratio = d.New / d.Old
		} else if d.New == 0 {
			d.Ratio = 1
		}
	} else {
		d.Old, d.New = stats.Summarize(m.values[0]).Median, stats.Summarize(m.values[1]).Median
		paired, err := stats.NewPaired(m.values[0], m.values[1])
		if err != nil { // of measures that may be 0 or less there are no ratios
			if slices.Equal(m.values[0], m.values[1]) {
				d.Ratio, d.Verdict = 1, string(stats.NoDifference)
			}
			return d
		}
		interval, d.P = paired.Interval(level), paired.P()
		region, d.Within = stats.RatioWithin(c.within), c.within
		d.Ratio = interval.Estimate
		if finite(interval.Low) && finite(interval.High) {
			d.Low, d.High = interval.Low, interval.High
		}
	}
	if m.Pairs < 2 {
		return d
	}
	verdict := stats.Conclude(interval, region, direction)
	d.Verdict = string(verdict)
	if m.better == "" && (verdict == stats.Better || verdict == stats.Worse) {
		d.Verdict = compare.Different
	}
	return d
}

// counted are the counts of a measure that has them in all of its turns.
func (m measure) counted() (stats.Counts, bool) {
	if len(m.counts[0]) < len(m.values[0]) || len(m.counts[1]) < len(m.values[1]) {
		return stats.Counts{}, false
	}
	counts, err := stats.NewCounts(m.counts[0], m.counts[1], m.share)
	return counts, err == nil
}

// more is about how many more pairs a measure that is not counted takes; 0 if nobody can tell.
func (m measure) more(level, within float64) int {
	paired, err := stats.NewPaired(m.values[0], m.values[1])
	if _, ok := m.counted(); ok || err != nil {
		return 0
	}
	return paired.More(level, within)
}

func finite(value float64) bool { return !math.IsInf(value, 0) && !math.IsNaN(value) }

// differences are what the run showed: the primary measures, then the secondary ones.
func (c *comparison) differences() []reports.Difference {
	var primary, secondary []reports.Difference
	var p []float64
	for _, t := range c.trials {
		share := c.shares[t.scenario.Name]
		for _, m := range t.measures() {
			if d, ok := c.found[m.About()]; ok {
				primary = append(primary, d)
				continue
			}
			d := c.judge(m, stats.Level(share, 1))
			d.Within = 0 // of secondary measures it is not asked whether they are the same
			if d.Verdict == string(stats.Same) {
				d.Verdict = string(stats.NoDifference)
			}
			secondary = append(secondary, d)
			p = append(p, d.P/share)
		}
	}
	for i, believed := range stats.Discoveries(p) {
		if !believed && secondary[i].Verdict != string(stats.TooFew) {
			secondary[i].Verdict = string(stats.NoDifference)
		}
	}
	return append(primary, secondary...)
}

// method says how the run compares, for its report.
func (c *comparison) method() string {
	return fmt.Sprintf("A and B in turn in the order A B B A, the agent started anew each time. "+
		"%s: their intervals hold together, over all of the run's looks (%d), with 95%% confidence (Bonferroni), so that of twenty runs with the same agent twice "+
		"at most one shows a difference. What is measured is compared by the ratios of its pairs (t test of their logarithms), what is counted by its rates, "+
		"with the over-dispersion of the repeats (quasi-likelihood, score intervals). The same means: within %.3g%%, or within %.3g in 100 requests of what is counted. "+
		"Secondary measures: those that are shown to differ are wrong in one of twenty (Benjamini and Hochberg).",
		plural(c.primaries, "primary measure"), c.looks, 100*c.within, 100*c.within*counted)
}
