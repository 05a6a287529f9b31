package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/bench/stats"
	"github.com/podidentity/epi/reports"
)

// trial has the executions of one scenario.
type trial struct {
	scenario   measure.Scenario
	executions *measure.Interleaved
	// records of the single executions, by variant.
	records [2][]reports.Scenario
	// broken: one of them did not pass. concluded: all primary measures are concluded.
	broken, concluded bool
}

func (t *trial) open() bool { return !t.broken && !t.concluded }

func (t *trial) execute(ctx context.Context, variant int, name string, runOptions measure.RunOptions) {
	record := t.executions.Execute(ctx, name, runOptions)
	t.records[variant] = append(t.records[variant], record)
	t.broken = record.Outcome != reports.Pass
}

// comparison has the results of the executions of an A/B run so far. Each look concludes the primary measures for which
// that is possible. Its confidence holds for all measures and all looks together (stats.Level, stats.Spend): of twenty runs
// with the same agent twice, at most one shows a difference. A conclusion is final. The secondary measures are examined
// once, at the end of their scenario, with a correction of their own (stats.Discoveries).
type comparison struct {
	trials []*trial
	within float64
	looks  int
	// primaries is how many primary measures are compared. It is known from the first look on.
	primaries int
	// share of the error that the last look used.
	share float64
	// found are the primary measures with the result of the last look at which they were open.
	found map[string]reports.Difference
	// shares are the error shares of each scenario's last look, which its secondary measures use.
	shares map[string]float64
	// more is an estimate of how many more pairs the open measures take; 0 if it is unknown.
	more int
}

func newComparison(scenarios []measure.Scenario, within float64) *comparison {
	c := &comparison{within: within, found: map[string]reports.Difference{}, shares: map[string]float64{}}
	for _, s := range scenarios {
		c.trials = append(c.trials, &trial{scenario: s, executions: s.Interleave()})
	}
	return c
}

// open reports whether there is a scenario to execute.
func (c *comparison) open() bool { return slices.ContainsFunc(c.trials, (*trial).open) }

// look examines all open trials. last means that there is no later look.
func (c *comparison) look(last bool) {
	c.looks++
	if c.looks == 1 {
		for _, t := range c.trials {
			for _, m := range t.comparedMetrics() {
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
		for _, m := range t.comparedMetrics() {
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

// state is a line about what is concluded and what is open.
func (c *comparison) state() string {
	var open []string
	done := 0
	for _, t := range c.trials {
		for _, m := range t.comparedMetrics() {
			switch d, ok := c.found[m.About()]; {
			case ok && concluded(d.Verdict):
				done++
			case ok:
				open = append(open, m.About())
			}
		}
	}
	text := fmt.Sprintf("%d of %s concluded", done, reports.Plural(c.primaries, "primary measure"))
	if len(open) > 0 {
		text += ", open: " + strings.Join(open, ", ")
	}
	if len(open) > 0 && c.more > 0 {
		text += fmt.Sprintf(" (about %d more pairs)", c.more)
	}
	return text
}

// comparedMetric is one comparison of a run: the values of both variants, pair by pair.
type comparedMetric struct {
	reports.Difference
	better string
	values [2][]float64
	counts [2][]stats.Count
	// share: the counts are events of a total. asked is the number of requests of an identity.
	share bool
	asked float64
}

// compared says whether a metric is compared. p90 and the slowest request repeat what other metrics show, and with more
// comparisons each would show less. The rate depends on the schedule alone. A scenario's own metrics are all compared.
func compared(metric string) bool {
	standard := slices.ContainsFunc(measure.Standard(), func(m measure.Metric) bool { return m.Name == metric })
	return !standard || slices.Contains([]string{
		measure.P50.Name, measure.P99.Name, measure.Failed.Name, measure.CPU.Name, measure.RSS.Name, measure.Calls.Name,
	}, metric)
}

// comparedMetrics are the metrics that all executions of a scenario have, if all passed.
func (t *trial) comparedMetrics() []comparedMetric {
	pairs := min(len(t.records[0]), len(t.records[1]))
	if t.broken || pairs == 0 {
		return nil
	}
	var list []comparedMetric
	for _, c := range t.records[0][0].Cases {
		for _, metric := range c.Metrics {
			if !compared(metric.Name) {
				continue
			}
			m := comparedMetric{better: metric.Better, share: metric.Name == measure.Failed.Name}
			m.Scenario, m.Case, m.Metric, m.Unit = t.scenario.Name, c.Name, metric.Name, metric.Unit
			m.Primary, m.Pairs = t.scenario.IsPrimary(c.Name, metric.Name), pairs
			var requests, identities int64
			for variant, records := range t.records {
				for _, record := range records[:pairs] {
					if in, found, ok := find(record, c.Name, metric.Name); ok {
						m.values[variant] = append(m.values[variant], found.Value)
						var sum stats.Count // of all repeats of the execution, as they are not independent
						for i, count := range found.Counts {
							sum.Events, sum.Of = sum.Events+float64(count.Events), sum.Of+float64(count.Of)
							if i < len(in.Requests) {
								requests, identities = requests+in.Requests[i], identities+count.Of
							}
						}
						if len(found.Counts) > 0 {
							m.counts[variant] = append(m.counts[variant], sum)
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

// counted converts Within for measures that are counts: a count may differ by this part of Within, of all
// requests. So 25% of a latency corresponds to 2.5 failed requests in 100.
const counted = 0.1

// judge decides what the measure shows at a level.
func (c *comparison) judge(m comparedMetric, level float64) reports.Difference {
	d := m.Difference
	d.Verdict, d.P = string(stats.TooFew), 1
	direction := stats.LowerIsBetter
	if m.better == measure.Rate.Better {
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
		if err != nil { // measures that may be 0 or less have no ratios
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
		d.Verdict = reports.Different
	}
	return d
}

// counted are the counts of a measure that has them in all executions.
func (m comparedMetric) counted() (stats.Counts, bool) {
	if len(m.counts[0]) < len(m.values[0]) || len(m.counts[1]) < len(m.values[1]) {
		return stats.Counts{}, false
	}
	counts, err := stats.NewCounts(m.counts[0], m.counts[1], m.share)
	return counts, err == nil
}

// more estimates how many more pairs a measure takes that is no count; 0 if that is unknown.
func (m comparedMetric) more(level, within float64) int {
	paired, err := stats.NewPaired(m.values[0], m.values[1])
	if _, ok := m.counted(); ok || err != nil {
		return 0
	}
	return paired.More(level, within)
}

func finite(value float64) bool { return !math.IsInf(value, 0) && !math.IsNaN(value) }

// differences are the results of the run: the primary measures, then the secondary ones.
func (c *comparison) differences() []reports.Difference {
	var primary, secondary []reports.Difference
	var p []float64
	for _, t := range c.trials {
		share := c.shares[t.scenario.Name]
		for _, m := range t.comparedMetrics() {
			if d, ok := c.found[m.About()]; ok {
				primary = append(primary, d)
				continue
			}
			d := c.judge(m, stats.Level(share, 1))
			d.Within = 0 // secondary measures are not tested for sameness
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

// method describes for the report how the run compares.
func (c *comparison) method() string {
	return fmt.Sprintf("A and B alternate in the order A B B A, and the agent is started anew each time. "+
		"%s: their intervals hold together, over all of the run's looks (%d), with 95%% confidence (Bonferroni), so that of twenty runs with the same agent twice "+
		"at most one shows a difference. Measured values are compared by the ratios of their pairs (t test of the logarithms), counts by their rates, "+
		"with the over-dispersion of the repeats (quasi-likelihood, score intervals). The same means: within %.3g%%, or within %.3g in 100 requests for counts. "+
		"Secondary measures: of those that are reported to differ at most one in twenty is wrong (Benjamini and Hochberg).",
		reports.Plural(c.primaries, "primary measure"), c.looks, 100*c.within, 100*c.within*counted)
}
