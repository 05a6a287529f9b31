package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/bench/compare"
	"github.com/podidentity/epi/bench/stats"
	"github.com/podidentity/epi/reports"
)

// defaultTolerance is by which share a measure may get worse before that counts.
const defaultTolerance = 0.1

// share is a flag that takes "10%" or 0.1.
type share float64

// String implements pflag.Value.
func (s *share) String() string { return strconv.FormatFloat(100*float64(*s), 'g', -1, 64) + "%" }

// Type implements pflag.Value.
func (s *share) Type() string { return "percent" }

// Set implements pflag.Value.
func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return fmt.Errorf("%q is no share, such as 10%% or 0.1", text)
	}
	if percent {
		value /= 100
	}
	if value < 0 {
		return fmt.Errorf("%q is negative", text)
	}
	*s = share(value)
	return nil
}

// comparison is what changed between two runs.
type comparison struct {
	Old string `json:"old"`
	New string `json:"new"`
	// Changes are what the runs tested that differs, Unlike what makes their benchmarks unlike.
	Changes []string `json:"changes"`
	Unlike  []string `json:"unlike"`
	// Gone are measures and scenarios that only the old run has.
	Gone         []string             `json:"gone"`
	Tolerance    float64              `json:"tolerance"`
	Requirements []compare.Flip       `json:"requirements"`
	Benchmarks   []reports.Difference `json:"benchmarks"`
	// Regressed says that a requirement fails now that did not, or a benchmark is worse than the
	// old one with the tolerance on top.
	Regressed bool `json:"regressed"`
	// Doubtful says that a benchmark is worse where the generator, and not the subject, was the limit.
	Doubtful bool `json:"doubtful"`

	// comparedSpecs says that both runs have specs.
	comparedSpecs bool
}

func (a *app) compareCommand() *cobra.Command {
	tolerance := share(defaultTolerance)
	var fail, all bool
	cmd := &cobra.Command{
		Use:     "compare OLD NEW",
		GroupID: "main",
		Short:   "What changed between two runs, and whether that is more than chance",
		Long: `Compare tells which requirements flipped between two runs, and which measures of their
benchmarks moved. OLD and NEW are folders of runs, such as _artifacts/latest, or their
results.json or bench.json.

A measure moved if the values of its repeats differ by more than chance would have
them (Mann-Whitney U test, p <= 0.05). If not, "no difference shown" is said, which is
not to say that there is none; and with fewer than four repeats in each run nothing
could be shown: "too few measurements". Of many comparisons of the same thing, one in
twenty is shown by chance alone, and machines have good days and bad: measure again
before you believe a small difference, or compare two agents within one run.

Unlike things are told: other machines, sizes, seeds or versions of Kubernetes.

With --fail-on-regression the exit code is 1 if a requirement fails that did not, or a
measure is shown to be worse than the old one with --tolerance on top; 3 if it is, but
the load generator was the limit.`,
		Example: `  epi compare _artifacts/20261120-090000 _artifacts/latest
  epi compare main/bench.json bench.json --fail-on-regression --tolerance 15%
  epi compare old new -o json`,
		Args:              exactly("an OLD run", "a NEW one"),
		ValidArgsFunction: completeRuns(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			c, err := compareRuns(args[0], args[1], float64(tolerance))
			if err != nil {
				return err
			}
			if a.output == "json" {
				err = a.printJSON(c)
			} else {
				err = c.print(a.out, all)
			}
			switch {
			case err != nil || !fail:
				return err
			case c.Regressed:
				return &codedError{code: exitFailed, err: errors.New("the new run is worse"), reported: true}
			case c.Doubtful:
				return &codedError{code: exitEnvironment, err: errors.New("the generator was the limit"), reported: true}
			default:
				return nil
			}
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&fail, "fail-on-regression", false, "exit with 1 if the new run is worse")
	flags.Var(&tolerance, "tolerance", "by how much a measure may get worse before that is a regression")
	flags.BoolVar(&all, "all", false, "also list the measures for which no difference was shown")
	a.outputFlag(cmd)
	return cmd
}

// compareRuns compares the runs at two paths.
func compareRuns(before, after string, tolerance float64) (comparison, error) {
	c := comparison{
		Old: before, New: after, Tolerance: tolerance,
		Changes: []string{}, Unlike: []string{}, Gone: []string{}, Requirements: []compare.Flip{}, Benchmarks: []reports.Difference{},
	}
	if sameRun(before, after) {
		return c, usageError("%s and %s are the same run: give an OLD one and a NEW one", before, after)
	}
	old, err := openRun(before)
	if err != nil {
		return c, err
	}
	current, err := openRun(after)
	if err != nil {
		return c, err
	}
	c.comparedSpecs = len(old.Specs) > 0 && len(current.Specs) > 0
	benches := old.Bench != nil && current.Bench != nil
	if !c.comparedSpecs && !benches {
		return c, usageError("%s has %s, %s has %s: there is nothing to compare", before, contents(old), after, contents(current))
	}
	c.Changes = append(c.Changes, compare.Changes(old, current)...)
	c.Requirements = append(c.Requirements, compare.Requirements(old, current)...)
	for _, flip := range c.Requirements {
		c.Regressed = c.Regressed || flip.Broke
	}
	if !benches {
		return c, nil
	}
	c.Unlike = append(c.Unlike, compare.Unlike(old, current)...)
	c.Gone = append(c.Gone, compare.Gone(*old.Bench, *current.Bench)...)
	differences, err := compare.Benches(*old.Bench, *current.Bench, tolerance)
	if err != nil {
		return c, fmt.Errorf("compare %s and %s: %w", before, after, err)
	}
	c.Benchmarks = append(c.Benchmarks, differences...)
	for _, d := range c.Benchmarks {
		c.Regressed = c.Regressed || d.Regressed
		c.Doubtful = c.Doubtful || d.Limited != ""
	}
	return c, nil
}

// sameRun says whether two paths lead to one run: its folder, or a file in it.
func sameRun(before, after string) bool {
	folder := func(path string) string {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			path = resolved
		}
		if info, err := os.Stat(path); err == nil && !info.IsDir() && slices.Contains([]string{reports.ResultsFile, reports.BenchFile}, filepath.Base(path)) {
			path = filepath.Dir(path)
		}
		absolute, err := filepath.Abs(path)
		if err != nil {
			return path
		}
		return absolute
	}
	return folder(before) == folder(after)
}

// openRun reads a run that the user named.
func openRun(path string) (reports.Run, error) {
	run, err := reports.Open(path)
	if err != nil {
		return run, usageError("%w\nA run is a folder, such as _artifacts/latest, or its results.json or bench.json", err)
	}
	return run, nil
}

func contents(run reports.Run) string {
	switch {
	case len(run.Specs) > 0 && run.Bench != nil:
		return "specs and a benchmark"
	case len(run.Specs) > 0:
		return "specs only"
	case run.Bench != nil:
		return "a benchmark only"
	default:
		return "neither specs nor a benchmark"
	}
}

// print tells people.
func (c comparison) print(w io.Writer, all bool) error {
	var b strings.Builder
	for _, change := range c.Changes {
		fmt.Fprintf(&b, "%s\n", change)
	}
	for _, unlike := range c.Unlike {
		fmt.Fprintf(&b, "Warning: unlike things are compared: %s\n", unlike)
	}
	for _, gone := range c.Gone {
		fmt.Fprintf(&b, "Warning: only the old run measured %s\n", gone)
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	c.printRequirements(&b)
	if err := c.printBenchmarks(&b, all); err != nil {
		return err
	}
	switch {
	case c.Regressed:
		b.WriteString("The new run is worse.\n")
	case c.Doubtful:
		b.WriteString("The new run is worse, or its generator was the limit: measure again on a machine that is less busy, or at lower rates.\n")
	default:
		b.WriteString("The new run is not shown to be worse.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c comparison) printRequirements(b *strings.Builder) {
	if !c.comparedSpecs {
		return
	}
	if len(c.Requirements) == 0 {
		b.WriteString("Requirements: none flipped.\n\n")
		return
	}
	b.WriteString("Requirements that flipped:\n")
	for _, flip := range c.Requirements {
		was := "not there"
		if flip.Old != "" {
			was = flip.Old.Words()
		}
		mark := "-"
		switch {
		case flip.Broke:
			mark = "✗"
		case flip.New == reports.Pass:
			mark = "✓"
		}
		fmt.Fprintf(b, " %s %s %s → %s: %s\n", mark, flip.ID, was, flip.New.Words(), flip.Statement)
	}
	b.WriteByte('\n')
}

func (c comparison) printBenchmarks(b *strings.Builder, all bool) error {
	if len(c.Benchmarks) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	listed := 0
	unshown := map[string]int{}
	for _, d := range c.Benchmarks {
		if d.Verdict == string(stats.NoDifference) || d.Verdict == string(stats.TooFew) {
			unshown[d.Verdict]++
			if !all {
				continue
			}
		}
		if listed++; listed == 1 {
			_, _ = fmt.Fprintln(table, "BENCHMARK\tOLD\tNEW\tRATIO\tP\tVERDICT")
		}
		ratio, verdict := "–", d.Verdict
		if d.Ratio > 0 {
			ratio = fmt.Sprintf("× %.3g", d.Ratio)
		}
		switch {
		case d.Limited != "":
			verdict += ", or the generator's limit"
		case d.Verdict == string(stats.Worse) && !d.Regressed:
			verdict += ", tolerated"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.3f\t%s\n", d.About(), reports.Quantity(d.Old, d.Unit), reports.Quantity(d.New, d.Unit), ratio, d.P, verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, verdict := range []string{string(stats.NoDifference), string(stats.TooFew)} {
		if n := unshown[verdict]; n > 0 {
			fmt.Fprintf(b, "%d of %d measures: %s\n", n, len(c.Benchmarks), verdict)
		}
	}
	b.WriteByte('\n')
	return nil
}
