package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/bench/compare"
	"github.com/podidentity/epi/bench/scenario"
	"github.com/podidentity/epi/bench/stats"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// restoreTime bounds putting back the agent that ran before, also when the run was interrupted.
const restoreTime = 2 * time.Minute

// agent is the subject that is swapped.
const agent = "agent"

// Swapper puts one of the two variants in the place of the agent that runs, and that one back.
type Swapper interface {
	Put(ctx context.Context, variant int, task clusters.Task) error
	Restore(ctx context.Context, task clusters.Task) error
}

// AB are the options of a run that measures two agents in turn.
type AB struct {
	Options
	// Variants in the order of the swapper's numbers.
	Variants [2]reports.Variant
	Swapper  Swapper
	// Pairs of turns; 0: as many as the comparisons need by stats.Pairs.
	Pairs int
}

// ABSink takes what was shown, at the end, beside what a Sink takes.
type ABSink interface {
	Sink
	Differences(differences []reports.Difference)
}

// ChooseAB is Choose for an A/B run: what each of the many turns plays is small. No name is those
// scenarios that tell agents apart soonest. A scenario that is not about the agent is an error, unless the
// whole smoke set is asked for.
func ChooseAB(names []string, size scenario.Size) ([]scenario.Scenario, error) {
	if len(names) == 0 {
		names = []string{scenario.Warm.Name, scenario.HerdSame.Name, scenario.HerdDistinct.Name}
	}
	list, err := Choose(names, scenario.Size{})
	if err != nil {
		return nil, err
	}
	var others []string
	list = slices.DeleteFunc(list, func(s scenario.Scenario) bool {
		if s.Subject != agent {
			others = append(others, s.Name)
		}
		return s.Subject != agent
	})
	if len(others) > 0 && names[0] != smoke {
		return nil, fmt.Errorf("scenario %s is not about the agent, which is what changes", strings.Join(others, ", "))
	}
	for i, s := range list {
		if s.Smoke != nil {
			s.Size = *s.Smoke
		}
		list[i].Size = size.Or(s.Size)
		list[i].Size.Repeats = 1 // a turn is one
	}
	return list, nil
}

// RunAB measures two agents in turn in one run, in the order A B B A, so that what changes on the machine
// meanwhile changes both: in each turn the agent is started anew and plays every scenario once. Then it
// compares the pairs; see stats.ComparePairs. Records have the cases of both, as "variant=A/rate=900".
// A scenario that does not pass is not played again and not compared. The agent that ran before is put
// back whatever happens.
func RunAB(ctx context.Context, ab AB, progress clusters.Progress, sink ABSink) error {
	ctx, release := ab.untilGone(ctx)
	defer release()
	var contests []*contest
	for _, s := range ab.Scenarios {
		contests = append(contests, &contest{all: s.InTurn()})
	}
	act := scenario.Do(ctx, func(ctx context.Context, act *scenario.Act) {
		ab.play(ctx, act, contests, progress, sink)
	})
	err := ab.restore(ctx, progress)
	for i, t := range contests {
		record := t.all.Record()
		switch {
		case ctx.Err() != nil:
			record.Outcome, record.Reason, record.Failure = reports.NotRun, "the run was interrupted before all of its turns", nil
		case i == 0:
			record.Notes = append(record.Notes, ab.who(), method(contests))
		}
		sink.Scenario(record)
	}
	if ctx.Err() != nil {
		return cmp.Or(err, context.Cause(ctx))
	}
	if failure := act.Err(); failure != nil {
		return errors.Join(failure, err)
	}
	differences, compared := differences(contests)
	sink.Differences(differences)
	return errors.Join(compared, err)
}

func (ab AB) play(ctx context.Context, act *scenario.Act, contests []*contest, progress clusters.Progress, sink ABSink) {
	setting := prepare(ctx, act, ab.Options, progress, sink)
	pairs := max(ab.Pairs, 1)
	for pair := 0; pair < pairs; pair++ {
		for _, variant := range order(pair) {
			if ctx.Err() != nil {
				return
			}
			task := progress.Start(fmt.Sprintf("Pair %s, agent %s", ab.progress(pair, pairs), ab.Variants[variant].Name))
			err := ab.turn(ctx, variant, contests, setting, task)
			task.End(err)
			if err != nil {
				act.Fatalf("%v", err)
			}
		}
		if pair == 0 && ab.Pairs == 0 {
			pairs = stats.Pairs(len(measures(contests)))
		}
	}
}

// progress is "3 of 8"; before the first pair nobody knows what there is to compare.
func (ab AB) progress(pair, pairs int) string {
	if pair == 0 && ab.Pairs == 0 {
		return "1"
	}
	return fmt.Sprintf("%d of %d", pair+1, pairs)
}

// order of the variants in a pair: A B, then B A, so that a drift slows each as often as the other.
func order(pair int) [2]int { return [2]int{pair % 2, 1 - pair%2} }

// turn is one variant's turn of a pair. Its error says that there is nothing to measure.
func (ab AB) turn(ctx context.Context, variant int, contests []*contest, setting scenario.Setting, task clusters.Task) error {
	if err := ab.Swapper.Put(ctx, variant, task); err != nil {
		return err
	}
	setting.Task = task
	for _, t := range contests {
		if !t.over {
			t.play(ctx, variant, ab.Variants[variant].Name, setting)
		}
	}
	return ctx.Err()
}

// restore puts the agent of before back, also after an interrupt, unless there is nowhere to put it.
func (ab AB) restore(ctx context.Context, progress clusters.Progress) error {
	if ab.Watch != nil && ab.Watch.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	task := progress.Start("Put the agent of before back")
	err := ab.Swapper.Restore(ctx, task)
	task.End(err)
	return err
}

// contest is the turns of one scenario.
type contest struct {
	all *scenario.Turns
	// records of the single turns, by variant.
	records [2][]reports.Scenario
	// over says that one of them did not pass.
	over bool
}

func (t *contest) play(ctx context.Context, variant int, name string, setting scenario.Setting) {
	record := t.all.Play(ctx, name, setting)
	t.records[variant] = append(t.records[variant], record)
	t.over = record.Outcome != reports.Pass
}

// measure is one comparison of a run: the values of both variants, pair by pair.
type measure struct {
	reports.Difference
	better string
	values [2][]float64
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
func measures(contests []*contest) []measure {
	var list []measure
	for _, t := range contests {
		if t.over || len(t.records[0]) == 0 {
			continue
		}
		first := t.records[0][0]
		for _, c := range first.Cases {
			for _, metric := range c.Metrics {
				if !compared(metric.Name) {
					continue
				}
				m := measure{better: metric.Better}
				m.Scenario, m.Case, m.Metric, m.Unit = first.Name, c.Name, metric.Name, metric.Unit
				for variant, records := range t.records {
					for _, record := range records {
						if value, ok := valueOf(record, c.Name, metric.Name); ok {
							m.values[variant] = append(m.values[variant], value)
						}
					}
				}
				if len(m.values[0]) == len(t.records[0]) && len(m.values[1]) == len(m.values[0]) {
					list = append(list, m)
				}
			}
		}
	}
	return list
}

func valueOf(record reports.Scenario, name, metric string) (float64, bool) {
	for _, c := range record.Cases {
		for _, m := range c.Metrics {
			if c.Name == name && m.Name == metric {
				return m.Value, true
			}
		}
	}
	return 0, false
}

// who says what A and B are, with their arguments: an image may be both.
func (ab AB) who() string {
	var list []string
	for _, v := range ab.Variants {
		list = append(list, strings.Join(append([]string{v.Name + " is " + v.Image}, v.Args...), " "))
	}
	return strings.Join(list, ", ")
}

// method says how the run compares, for its report.
func method(contests []*contest) string {
	comparisons, pairs := len(measures(contests)), len(contests[0].records[1])
	text := fmt.Sprintf("A and B in turn in the order A B B A, pairs: %d, the agent started anew each time. "+
		"%d measures are compared by the ratios of their pairs (sign test); with 95%% confidence all of their intervals hold together (Bonferroni), "+
		"so that of twenty runs with the same agent twice at most one shows any difference.", pairs, comparisons)
	if need := stats.Pairs(comparisons); pairs < need {
		text += fmt.Sprintf(" These pairs are too few: so many measures need %d.", need)
	}
	return text
}

// differences are what the run showed.
func differences(contests []*contest) ([]reports.Difference, error) {
	list := measures(contests)
	var shown []reports.Difference
	for _, m := range list {
		direction := stats.LowerIsBetter
		if m.better == scenario.Rate.Better {
			direction = stats.HigherIsBetter
		}
		found, err := stats.ComparePairs(m.values[0], m.values[1], direction, len(list))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.About(), err)
		}
		d := m.Difference
		d.Old, d.New, d.P, d.Verdict = found.Old.Median, found.New.Median, found.P, string(found.Verdict)
		if m.better == "" && (found.Verdict == stats.Better || found.Verdict == stats.Worse) {
			d.Verdict = compare.Different
		}
		d.Ratio, d.Low, d.High = finite(found.Ratio), finite(found.Low), finite(found.High)
		shown = append(shown, d)
	}
	return shown, nil
}

// finite is the value, or 0 where there is none: a ratio to nothing.
func finite(value float64) float64 {
	if math.IsInf(value, 0) || math.IsNaN(value) {
		return 0
	}
	return value
}
