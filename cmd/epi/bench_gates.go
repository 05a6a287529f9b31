package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/podidentity/epi/bench/compare"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/bench/threshold"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// fewestRepeats is the number of repeats from which a baseline can show a regression.
const fewestRepeats = 4

// gates are the conditions for a benchmark: thresholds, and no regression against a baseline.
type gates struct {
	slo       []string
	baseline  string
	tolerance share

	conditions []threshold.Condition
	before     reports.Run
}

func (g *gates) register(flags *pflag.FlagSet) {
	g.tolerance = defaultTolerance
	flags.StringArrayVar(&g.slo, "slo", nil, "condition that must hold, such as 'warm.p99<5ms' or 'warm/rate=900.cpu<0.2'; may be repeated")
	flags.StringVar(&g.baseline, "baseline", "", "earlier run that this one must not be worse than: its folder, results.json or bench.json")
	flags.Var(&g.tolerance, "tolerance", "by how much a measure may be worse than the baseline's, in addition to chance")
}

// check reads the gates and checks them against the selected scenarios, before any runs.
func (g *gates) check(scenarios []measure.Scenario) error {
	for _, text := range g.slo {
		conditions, err := threshold.Parse(text)
		if err != nil {
			return usageError("flag --slo: %w", err)
		}
		g.conditions = append(g.conditions, conditions...)
	}
	if err := threshold.Check(g.conditions, known(scenarios)); err != nil {
		return usageError("flag --slo: %w", err)
	}
	if g.baseline == "" {
		return nil
	}
	before, err := openRun(g.baseline)
	if err != nil {
		return fmt.Errorf("flag --baseline: %w", err)
	}
	if before.Bench == nil {
		return usageError("flag --baseline: %s has no benchmark", g.baseline)
	}
	// A scenario that was not selected is not reported as missing.
	chosen := *before.Bench
	chosen.Scenarios = slices.DeleteFunc(slices.Clone(chosen.Scenarios), func(of reports.Scenario) bool {
		return !slices.ContainsFunc(scenarios, func(s measure.Scenario) bool { return s.Name == of.Name })
	})
	if len(chosen.Scenarios) == 0 {
		return usageError("flag --baseline: %s measured none of the scenarios that are to run", g.baseline)
	}
	before.Bench = &chosen
	g.before = before
	return nil
}

// known are the metrics of scenarios, for thresholds. The unit of a scenario's own metric is known only after it ran.
func known(scenarios []measure.Scenario) threshold.Known {
	list := threshold.Known{}
	for _, s := range scenarios {
		metrics := map[string]string{}
		for _, metric := range measure.Standard() {
			metrics[metric.Name] = metric.Unit
		}
		for _, name := range s.Metrics {
			metrics[name] = ""
		}
		list[s.Name] = metrics
	}
	return list
}

// judge records the results of the gates for a benchmark. warn receives the doubts about a comparison.
func (g *gates) judge(measured reports.Bench, session *session, environment reports.Environment, warn func(string)) {
	if len(g.conditions) > 0 {
		session.keep(session.recorder.Thresholds(threshold.Judge(g.conditions, measured)))
	}
	if g.baseline == "" {
		return
	}
	after := reports.Run{Environment: environment, Bench: &measured}
	for _, unlike := range compare.Unlike(g.before, after) {
		warn(fmt.Sprintf("Warning: the baseline measured something else: %s", unlike))
	}
	differences, err := compare.Benches(*g.before.Bench, measured, float64(g.tolerance))
	if err != nil {
		session.problem("compare with baseline", err)
		return
	}
	session.keep(session.recorder.Differences(g.baseline, float64(g.tolerance), differences))
	if gone := compare.Gone(*g.before.Bench, measured); len(gone) > 0 {
		session.problem("compare with baseline", &clusters.EnvironmentError{
			Doing:  "look for what the baseline has",
			Err:    fmt.Errorf("this run lacks %s", some(gone)),
			Remedy: "measure with the sizes of the baseline, or make a new one",
		})
	}
}

// some are the first elements of a list that may be long.
func some(list []string) string {
	const most = 3
	if more := len(list) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), more)
	}
	return strings.Join(list, ", ")
}
