// Package compare says what changed between two runs: which measures changed by more than chance, and which requirements
// flipped.
package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/epi/bench/stats"
	"github.com/podidentity/epi/reports"
)

// Benches compares each measure that both benchmarks have, in the order of the new one, by the samples of its repeats. A
// measure regressed if it is shown to be worse than the old values increased by the tolerance, which is a share of them. A
// difference of the medians is not enough: of hundreds of measures of two equal runs some differ, and users ignore a gate
// with false alarms. A measure for which the generator was the limit is reported as limited instead. Measures without
// samples are not compared.
func Benches(before, after reports.Bench, tolerance float64) ([]reports.Difference, error) {
	old := map[place]reports.Metric{}
	each(before, func(at place, _ reports.Case, m reports.Metric) { old[at] = m })
	var differences []reports.Difference
	var failed error
	each(after, func(at place, c reports.Case, m reports.Metric) {
		was, both := old[at]
		if !both || was.Unit != m.Unit || failed != nil || len(was.Samples) == 0 || len(m.Samples) == 0 {
			return
		}
		var d reports.Difference
		if d, failed = difference(at, was, m, tolerance); failed == nil {
			if limit := c.LimitOf(m.Name); d.Regressed && limit != "" { // the generator may be the reason
				d.Regressed, d.Limited = false, limit
			}
			differences = append(differences, d)
		}
	})
	return differences, failed
}

// place identifies a metric in a benchmark.
type place struct{ scenario, name, metric string }

// each calls visit with the metrics of the completed scenarios.
func each(bench reports.Bench, visit func(place, reports.Case, reports.Metric)) {
	for _, scenario := range bench.Scenarios {
		if !scenario.Outcome.Decided() {
			continue
		}
		for _, c := range scenario.Cases {
			for _, m := range c.Metrics {
				visit(place{scenario.Name, c.Name, m.Name}, c, m)
			}
		}
	}
}

func difference(at place, before, after reports.Metric, tolerance float64) (reports.Difference, error) {
	d := reports.Difference{Scenario: at.scenario, Case: at.name, Metric: at.metric, Unit: after.Unit}
	direction := stats.LowerIsBetter
	if after.Better == "higher" {
		direction = stats.HigherIsBetter
	}
	shown, err := stats.Compare(before.Samples, after.Samples, direction)
	if err != nil {
		return d, fmt.Errorf("%s: %w", d.About(), err)
	}
	d.Old, d.New, d.P, d.Verdict = shown.Old.Median, shown.New.Median, shown.P, string(shown.Verdict)
	switch {
	case d.Old != 0:
		d.Ratio = d.New / d.Old
	case d.New == 0:
		d.Ratio = 1
	}
	moved := shown.Verdict == stats.Better || shown.Verdict == stats.Worse
	if moved && after.Better == "" {
		d.Verdict = reports.Different
	}
	if d.Verdict != string(stats.Worse) {
		return d, nil
	}
	tolerated, err := stats.Compare(scaled(before.Samples, direction, tolerance), after.Samples, direction)
	if err != nil {
		return d, fmt.Errorf("%s: %w", d.About(), err)
	}
	d.Regressed = tolerated.Verdict == stats.Worse
	return d, nil
}

// scaled returns samples that are worse by a share.
func scaled(samples []float64, direction stats.Direction, by float64) []float64 {
	factor := 1 + by
	if direction == stats.HigherIsBetter {
		factor = max(0, 1-by)
	}
	list := make([]float64, 0, len(samples))
	for _, sample := range samples {
		list = append(list, factor*sample)
	}
	return list
}

// Gone names measures that only the old benchmark has, of scenarios that both ran, and scenarios that only the old one
// completed. Nothing is known about them, which a gate must not count as good.
func Gone(before, after reports.Bench) []string {
	has := map[place]bool{}
	ended := map[string]bool{}
	for _, scenario := range after.Scenarios {
		ended[scenario.Name] = scenario.Outcome.Decided()
	}
	each(after, func(at place, _ reports.Case, _ reports.Metric) { has[at] = true })
	var gone []string
	reported := map[string]bool{}
	each(before, func(at place, _ reports.Case, _ reports.Metric) {
		switch {
		case has[at]:
		case ended[at.scenario]:
			gone = append(gone, reports.Difference{Scenario: at.scenario, Case: at.name, Metric: at.metric}.About())
		case !reported[at.scenario]:
			reported[at.scenario] = true
			gone = append(gone, at.scenario)
		}
	})
	return gone
}

// Requirements lists the requirements that flipped, those that fail now first; none if one of the runs has no specs.
func Requirements(before, after reports.Run) []reports.Flip {
	if len(before.Specs) == 0 || len(after.Specs) == 0 {
		return nil
	}
	old := map[string]reports.Outcome{}
	for _, result := range reports.NewFindings(before).Requirements {
		old[result.ID] = result.Outcome
	}
	var broke, others []reports.Flip
	for _, result := range reports.NewFindings(after).Requirements {
		was, both := old[result.ID]
		if both && was == result.Outcome || !both && result.Outcome != reports.Fail {
			continue
		}
		flip := reports.Flip{ID: result.ID, Old: was, New: result.Outcome, Statement: result.Statement, Reason: result.Reason}
		if flip.Broke = result.Outcome == reports.Fail; flip.Broke {
			broke = append(broke, flip)
		} else {
			others = append(others, flip)
		}
	}
	return append(broke, others...)
}

// Changes lists the subjects and programs that differ.
func Changes(before, after reports.Run) []string {
	var list []string
	say := changed(&list)
	roles := map[string]bool{}
	old, current := map[string]string{}, map[string]string{}
	for _, of := range []struct {
		run  reports.Run
		into map[string]string
	}{{before, old}, {after, current}} {
		for _, subject := range of.run.Subjects {
			roles[subject.Role] = true
			of.into[subject.Role] = named(subject)
		}
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		say(role, old[role], current[role])
	}
	say("epi", strings.TrimSpace(before.Epi.Version+" "+before.Epi.Revision), strings.TrimSpace(after.Epi.Version+" "+after.Epi.Revision))
	return list
}

func named(subject reports.Subject) string {
	switch {
	case subject.Absent:
		return "absent"
	case subject.Digest == "":
		return subject.Image
	default:
		return subject.Image + "@" + subject.Digest
	}
}

// Unlike says why the benchmarks should not be compared: other machines, sizes or seeds. It is empty if nothing is known.
func Unlike(before, after reports.Run) []string {
	var list []string
	say := changed(&list)
	say("provider", before.Environment.Provider, after.Environment.Provider)
	say("Kubernetes", before.Environment.KubernetesVersion, after.Environment.KubernetesVersion)
	say("AWS", before.Environment.AWS, after.Environment.AWS)
	if before.Bench == nil || after.Bench == nil {
		return list
	}
	say("machines", machines(*before.Bench), machines(*after.Bench))
	say("seed", fmt.Sprint(before.Bench.Seed), fmt.Sprint(after.Bench.Seed))
	say("load generators", fmt.Sprint(before.Bench.Generator.Pods), fmt.Sprint(after.Bench.Generator.Pods))
	old := map[string]reports.Scenario{}
	for _, scenario := range before.Bench.Scenarios {
		old[scenario.Name] = scenario
	}
	for _, scenario := range after.Bench.Scenarios {
		was, both := old[scenario.Name]
		if !both {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(union(was.Size, scenario.Size))) {
			say(scenario.Name+" "+key, was.Size[key], scenario.Size[key])
		}
	}
	return list
}

// machines are the CPUs and cores of the nodes. The nodes' names have no meaning.
func machines(bench reports.Bench) string {
	var list []string
	for _, m := range bench.Machines {
		list = append(list, fmt.Sprintf("%s, %d cores", m.CPU, m.Cores))
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return all
}

// changed returns a function that lists what differs.
func changed(list *[]string) func(what, before, after string) {
	return func(what, before, after string) {
		if before != after {
			*list = append(*list, fmt.Sprintf("%s: %s → %s", what, orNone(before), orNone(after)))
		}
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
