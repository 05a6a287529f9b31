package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/bench/scenario"
	"github.com/podidentity/epi/bench/stats"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// restoreTime bounds the restoration of the earlier agent, also after an interrupt.
const restoreTime = 2 * time.Minute

// agent is the subject that is swapped.
const agent = "agent"

// Swapper replaces the installed agent by one of the two variants, and restores it.
type Swapper interface {
	Put(ctx context.Context, variant int, task clusters.Task) error
	Restore(ctx context.Context, task clusters.Task) error
}

// AB are the options of a run that measures two agents alternately.
type AB struct {
	Options
	// Variants in the order of the swapper's numbers.
	Variants [2]reports.Variant
	Swapper  Swapper
	// Pairs is the exact number of pairs; 0 means as many as the conclusions need, within Time.
	Pairs int
	// Time that all pairs may take; 0 is DefaultTime.
	Time time.Duration
	// Within is the relative difference of a measure that does not matter; 0 is DefaultWithin.
	Within float64
}

// The defaults of an A/B run.
const (
	DefaultTime   = 5 * time.Minute
	DefaultWithin = 0.25
)

// ABSink is a Sink that also receives the plan before the first execution, and the differences at the end.
type ABSink interface {
	Sink
	Plan(lines []string)
	Differences(differences []reports.Difference)
}

// ChooseAB is Choose for an A/B run, whose executions are many and small. No name means the scenarios that
// distinguish agents soonest. A scenario that is not about the agent is an error, except in the smoke set.
func ChooseAB(names []string, size measure.Size) ([]measure.Scenario, error) {
	if len(names) == 0 {
		names = []string{scenario.Warm.Name, scenario.HerdSame.Name, scenario.HerdDistinct.Name}
	}
	list, err := Choose(names, measure.Size{})
	if err != nil {
		return nil, err
	}
	var others []string
	list = slices.DeleteFunc(list, func(s measure.Scenario) bool {
		if s.Subject != agent {
			others = append(others, s.Name)
		}
		return s.Subject != agent
	})
	if len(others) > 0 && names[0] != smoke {
		return nil, fmt.Errorf("scenario %s is not about the agent, which is what changes", strings.Join(others, ", "))
	}
	for i, s := range list {
		repeats := 1
		switch {
		case s.PairSize != nil:
			s.Size, repeats = *s.PairSize, s.PairSize.Repeats
		case s.Smoke != nil:
			s.Size = *s.Smoke
		}
		list[i].Size = size.Or(s.Size)
		list[i].Size.Repeats = repeats // the user's number of repeats is the number of pairs
	}
	return list, nil
}

// RunAB measures two agents alternately in one run, in the order A B B A, so that changes of the machine
// affect both. For each variant of a pair it starts the agent anew and executes every scenario once. After
// some pairs it looks at what they show (see comparison). A scenario whose primary measures have all been
// concluded is not executed again. The run ends with the last of them, or when its time is over. Records
// have the cases of both variants, as "variant=A/rate=900". A scenario that does not pass is not executed again
// and not compared. At the end the agent that was installed before is restored, whatever happens.
func RunAB(ctx context.Context, ab AB, progress clusters.Progress, sink ABSink) error {
	ctx, release := ab.untilGone(ctx)
	defer release()
	ab.Time, ab.Within = cmp.Or(ab.Time, DefaultTime), cmp.Or(ab.Within, DefaultWithin)
	sink.Plan(ab.plan())
	comparison := newComparison(ab.Scenarios, ab.Within)
	attempt := measure.Do(ctx, func(ctx context.Context, attempt *measure.Attempt) {
		ab.executePairs(ctx, attempt, comparison, progress, sink)
	})
	err := ab.restore(ctx, progress)
	for i, t := range comparison.trials {
		record := t.executions.Record()
		switch {
		case ctx.Err() != nil:
			record.Outcome, record.Reason, record.Failure = reports.NotRun, "the run was interrupted before all of its pairs", nil
		case i == 0:
			record.Notes = append(record.Notes, ab.who(), comparison.method())
		}
		sink.Scenario(record)
	}
	if ctx.Err() != nil {
		return cmp.Or(err, context.Cause(ctx))
	}
	if failure := attempt.Err(); failure != nil {
		return errors.Join(failure, err)
	}
	sink.Differences(comparison.differences())
	return err
}

// executePairs executes pairs until all scenarios are concluded, or the time or the number of pairs is reached.
func (ab AB) executePairs(ctx context.Context, attempt *measure.Attempt, comparison *comparison, progress clusters.Progress, sink ABSink) {
	runOptions := prepare(ctx, attempt, ab.Options, progress, sink)
	began := time.Now()
	var longest time.Duration
	for pair := 0; comparison.open(); pair++ {
		pairBegan := time.Now()
		for _, variant := range order(pair) {
			if ctx.Err() != nil {
				return
			}
			task := progress.Start(fmt.Sprintf("Pair %s, agent %s", ab.progress(pair), ab.Variants[variant].Name))
			err := ab.executeVariant(ctx, variant, comparison.trials, runOptions, task)
			task.End(err)
			if err != nil {
				attempt.Fatalf("%v", err)
			}
		}
		longest = max(longest, time.Since(pairBegan))
		over := ab.Pairs > 0 && pair+1 == ab.Pairs || ab.Pairs == 0 && time.Since(began)+longest > ab.Time
		if !over && !ab.looks(pair+1) {
			continue
		}
		comparison.look(over)
		progress.Start(fmt.Sprintf("After %s: %s", reports.Plural(pair+1, "pair"), comparison.state())).End(nil)
		if over {
			return
		}
	}
}

// looks reports whether the run looks at its results after that number of pairs. With a fixed number of pairs
// it does not.
func (ab AB) looks(pairs int) bool {
	return ab.Pairs == 0 && slices.Contains(stats.Looks(pairs), pairs)
}

// progress is "3 of 8", or "3" if the number of pairs is open.
func (ab AB) progress(pair int) string {
	if ab.Pairs == 0 {
		return fmt.Sprint(pair + 1)
	}
	return fmt.Sprintf("%d of %d", pair+1, ab.Pairs)
}

// order of the variants in a pair: A B, then B A, so that a drift slows both equally often.
func order(pair int) [2]int { return [2]int{pair % 2, 1 - pair%2} }

// executeVariant executes all open scenarios with one variant of a pair. An error means that there is nothing
// to measure.
func (ab AB) executeVariant(ctx context.Context, variant int, trials []*trial, runOptions measure.RunOptions, task clusters.Task) error {
	if err := ab.Swapper.Put(ctx, variant, task); err != nil {
		return err
	}
	runOptions.Task = task
	for _, t := range trials {
		if t.open() {
			t.execute(ctx, variant, ab.Variants[variant].Name, runOptions)
		}
	}
	return ctx.Err()
}

// restore restores the agent that was installed before, also after an interrupt, unless the environment is gone.
func (ab AB) restore(ctx context.Context, progress clusters.Progress) error {
	if ab.Watch != nil && ab.Watch.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	task := progress.Start("Restore the previous agent")
	err := ab.Swapper.Restore(ctx, task)
	task.End(err)
	return err
}

// who describes A and B with their arguments, as both may have the same image.
func (ab AB) who() string {
	var list []string
	for _, v := range ab.Variants {
		list = append(list, strings.Join(append([]string{v.Name + " is " + v.Image}, v.Args...), " "))
	}
	return strings.Join(list, ", ")
}
