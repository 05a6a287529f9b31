package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	// Pairs of turns, neither more nor less; 0: as many as it takes to conclude, within Time.
	Pairs int
	// Time that the turns may take; 0 is DefaultTime.
	Time time.Duration
	// Within is the share of a measure that does not matter; 0 is DefaultWithin.
	Within float64
}

// What a run does if it is not told.
const (
	DefaultTime   = 5 * time.Minute
	DefaultWithin = 0.25
)

// ABSink takes what will be done, before anything is, and what was shown, at the end, beside what a Sink takes.
type ABSink interface {
	Sink
	Plan(lines []string)
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
		repeats := 1
		switch {
		case s.PairSize != nil:
			s.Size, repeats = *s.PairSize, s.PairSize.Repeats
		case s.Smoke != nil:
			s.Size = *s.Smoke
		}
		list[i].Size = size.Or(s.Size)
		list[i].Size.Repeats = repeats // those that the user gave are of turns
	}
	return list, nil
}

// RunAB measures two agents in turn in one run, in the order A B B A, so that what changes on the machine
// meanwhile changes both: in each turn the agent is started anew and plays every scenario once. After some
// pairs it looks at what they show (see Comparison); a scenario whose primary measures have all been
// concluded is not played again, and the run ends with the last of them, or when its time is over. Records
// have the cases of both, as "variant=A/rate=900". A scenario that does not pass is not played again and not
// compared. The agent that ran before is put back whatever happens.
func RunAB(ctx context.Context, ab AB, progress clusters.Progress, sink ABSink) error {
	ctx, release := ab.untilGone(ctx)
	defer release()
	ab.Time, ab.Within = cmp.Or(ab.Time, DefaultTime), cmp.Or(ab.Within, DefaultWithin)
	sink.Plan(ab.plan())
	comparison := newComparison(ab.Scenarios, ab.Within)
	act := scenario.Do(ctx, func(ctx context.Context, act *scenario.Attempt) {
		ab.play(ctx, act, comparison, progress, sink)
	})
	err := ab.restore(ctx, progress)
	for i, t := range comparison.trials {
		record := t.turns.Record()
		switch {
		case ctx.Err() != nil:
			record.Outcome, record.Reason, record.Failure = reports.NotRun, "the run was interrupted before all of its turns", nil
		case i == 0:
			record.Notes = append(record.Notes, ab.who(), comparison.method())
		}
		sink.Scenario(record)
	}
	if ctx.Err() != nil {
		return cmp.Or(err, context.Cause(ctx))
	}
	if failure := act.Err(); failure != nil {
		return errors.Join(failure, err)
	}
	sink.Differences(comparison.differences())
	return err
}

func (ab AB) play(ctx context.Context, act *scenario.Attempt, comparison *comparison, progress clusters.Progress, sink ABSink) {
	setting := prepare(ctx, act, ab.Options, progress, sink)
	began := time.Now()
	var longest time.Duration
	for pair := 0; comparison.open(); pair++ {
		pairBegan := time.Now()
		for _, variant := range order(pair) {
			if ctx.Err() != nil {
				return
			}
			task := progress.Start(fmt.Sprintf("Pair %s, agent %s", ab.progress(pair), ab.Variants[variant].Name))
			err := ab.turn(ctx, variant, comparison.trials, setting, task)
			task.End(err)
			if err != nil {
				act.Fatalf("%v", err)
			}
		}
		longest = max(longest, time.Since(pairBegan))
		over := ab.Pairs > 0 && pair+1 == ab.Pairs || ab.Pairs == 0 && time.Since(began)+longest > ab.Time
		if !over && !ab.looks(pair+1) {
			continue
		}
		comparison.look(over)
		progress.Start(fmt.Sprintf("After %s: %s", plural(pair+1, "pair"), comparison.state())).End(nil)
		if over {
			return
		}
	}
}

// looks says whether the run looks after so many pairs, if it has not been told how many to make.
func (ab AB) looks(pairs int) bool {
	return ab.Pairs == 0 && slices.Contains(stats.Looks(pairs), pairs)
}

// progress is "3 of 8", or "3" where nobody knows how many it takes.
func (ab AB) progress(pair int) string {
	if ab.Pairs == 0 {
		return fmt.Sprint(pair + 1)
	}
	return fmt.Sprintf("%d of %d", pair+1, ab.Pairs)
}

// order of the variants in a pair: A B, then B A, so that a drift slows each as often as the other.
func order(pair int) [2]int { return [2]int{pair % 2, 1 - pair%2} }

// turn is one variant's turn of a pair. Its error says that there is nothing to measure.
func (ab AB) turn(ctx context.Context, variant int, trials []*trial, setting scenario.RunOptions, task clusters.Task) error {
	if err := ab.Swapper.Put(ctx, variant, task); err != nil {
		return err
	}
	setting.Task = task
	for _, t := range trials {
		if t.open() {
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

// who says what A and B are, with their arguments: an image may be both.
func (ab AB) who() string {
	var list []string
	for _, v := range ab.Variants {
		list = append(list, strings.Join(append([]string{v.Name + " is " + v.Image}, v.Args...), " "))
	}
	return strings.Join(list, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
