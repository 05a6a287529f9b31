package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/bench/compare"
	"github.com/podidentity/epi/reports"
)

// defaultTolerance is the share by which a measure may get worse without a regression.
const defaultTolerance = 0.1

// share is a flag with a value such as "10%" or 0.1.
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

func (a *app) compareCommand() *cobra.Command {
	tolerance := share(defaultTolerance)
	var fail, all bool
	cmd := &cobra.Command{
		Use:     "compare OLD NEW",
		GroupID: "main",
		Short:   "What changed between two runs, and whether that is more than chance",
		Long: `Compare shows which requirements flipped between two runs, and which measures of their
benchmarks moved. OLD and NEW are folders of runs, such as _artifacts/latest, or their
results.json or bench.json.

A measure moved if the values of its repeats differ by more than chance explains
(Mann-Whitney U test, p <= 0.05). If not, it prints "no difference shown", which does not
prove that there is none. With fewer than four repeats in each run no difference can be
shown: "too few measurements". Of twenty comparisons of the same thing about one shows a
difference by chance alone, and machines vary from day to day. Measure again before you
believe a small difference, or compare two agents within one run.

It warns if the runs differ in machines, sizes, seeds or versions of Kubernetes.

-o markdown writes a comment for a pull request or a job's summary, -o html one page
that loads nothing, -o json a document for programs.

The exit code is 0 when the runs were compared, whatever was found, and 2 if they
cannot be. With --fail-on-regression it is 1 if a requirement fails that did not, or a
measure is shown to be worse than the old one with --tolerance on top; 3 if it is, but
the load generator was the limit.`,
		Example: `  epi compare _artifacts/20261120-090000 _artifacts/latest
  epi compare main/bench.json bench.json --fail-on-regression --tolerance 15%
  epi compare main-run _artifacts/latest -o markdown >> "$GITHUB_STEP_SUMMARY"
  epi compare old new -o html > compare.html`,
		Args:              exactly("an OLD run", "a NEW one"),
		ValidArgsFunction: completeRuns(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(comparisonOutputs, a.output) {
				return usageError("flag --output: %q is not %s", a.output, anyOf(comparisonOutputs))
			}
			c, err := compareRuns(args[0], args[1], float64(tolerance))
			if err != nil {
				return err
			}
			switch a.output {
			case "json":
				err = a.printJSON(c)
			case "markdown":
				err = reports.WriteComparisonMarkdown(a.out, c)
			case "html":
				err = reports.WriteComparisonHTML(a.out, c)
			default:
				err = reports.WriteComparison(a.out, c, all)
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
	flags.StringVarP(&a.output, "output", "o", "text", "output: "+anyOf(comparisonOutputs))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(comparisonOutputs, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

// comparisonOutputs are the forms of a comparison.
var comparisonOutputs = []string{"text", "json", "markdown", "html"}

// anyOf lists words, the last one after an "or".
func anyOf(list []string) string {
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// compareRuns compares the runs at two paths.
func compareRuns(before, after string, tolerance float64) (reports.Comparison, error) {
	var c reports.Comparison
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
	if len(old.Specs)*len(current.Specs) == 0 && (old.Bench == nil || current.Bench == nil) {
		return c, usageError("%s has %s, %s has %s: there is nothing to compare", before, contents(old), after, contents(current))
	}
	if c, err = compared(old, current, tolerance); err != nil {
		return c, fmt.Errorf("compare %s and %s: %w", before, after, err)
	}
	c.Old, c.New = before, after
	return c, nil
}

// compared compares two runs, which are named by their IDs.
func compared(old, current reports.Run, tolerance float64) (reports.Comparison, error) {
	c := reports.Comparison{
		Old: old.ID, New: current.ID, Tolerance: tolerance,
		Changes: []string{}, Unlike: []string{}, Gone: []string{}, Requirements: []reports.Flip{}, Benchmarks: []reports.Difference{},
	}
	c.ComparedSpecs = len(old.Specs) > 0 && len(current.Specs) > 0
	c.Changes = append(c.Changes, compare.Changes(old, current)...)
	c.Requirements = append(c.Requirements, compare.Requirements(old, current)...)
	for _, flip := range c.Requirements {
		c.Regressed = c.Regressed || flip.Broke
	}
	if old.Bench == nil || current.Bench == nil {
		return c, nil
	}
	c.Unlike = append(c.Unlike, compare.Unlike(old, current)...)
	c.Gone = append(c.Gone, compare.Gone(*old.Bench, *current.Bench)...)
	differences, err := compare.Benches(*old.Bench, *current.Bench, tolerance)
	if err != nil {
		return c, err
	}
	c.Benchmarks = append(c.Benchmarks, differences...)
	for _, d := range c.Benchmarks {
		c.Regressed = c.Regressed || d.Regressed
		c.Doubtful = c.Doubtful || d.Limited != ""
	}
	return c, nil
}

// sameRun says whether two paths lead to the same run: its folder, or a file in it.
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
