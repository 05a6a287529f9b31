package reports

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// profileOrder is the order of the profiles in a request: from the pod's admission to the client that uses the credentials.
// Others follow by name.
var profileOrder = [...]string{"webhook", "agent", "platform", "client"}

// sorted returns a copy of the run in the order of every writer, so that reports do not depend on which of two parallel
// specs ended first, and with all times in UTC. Problems keep their order, because the first one is often the cause of the
// others.
func (r Run) sorted() Run {
	r.Started, r.Ended = r.Started.UTC(), r.Ended.UTC()
	r.Environment.Capabilities = slices.Sorted(slices.Values(r.Environment.Capabilities))
	r.Subjects = orEmpty(slices.SortedStableFunc(slices.Values(r.Subjects), func(a, b Subject) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Image, b.Image))
	}))
	r.Deviations = slices.SortedStableFunc(slices.Values(r.Deviations), func(a, b Deviation) int {
		return cmp.Or(CompareIDs(a.Requirement, b.Requirement), strings.Compare(a.Role, b.Role))
	})
	r.Phases = orEmpty(slices.SortedStableFunc(slices.Values(r.Phases), func(a, b Phase) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.Name, b.Name), cmp.Compare(a.Duration, b.Duration))
	}))
	r.Requirements = orEmpty(slices.SortedStableFunc(slices.Values(r.Requirements), compareRequirements))
	r.Specs = orEmpty(slices.SortedStableFunc(slices.Values(r.Specs), func(a, b Spec) int {
		return cmp.Or(strings.Compare(a.Suite, b.Suite), strings.Compare(a.Name, b.Name),
			a.Started.Compare(b.Started), cmp.Compare(a.Process, b.Process), strings.Compare(string(a.Outcome), string(b.Outcome)))
	}))
	r.Absences = slices.SortedStableFunc(slices.Values(r.Absences), func(a, b Absence) int {
		return cmp.Or(a.From.Compare(b.From), strings.Compare(a.Part, b.Part))
	})
	for i, absence := range r.Absences {
		r.Absences[i].From, r.Absences[i].To = absence.From.UTC(), absence.To.UTC()
	}
	r.Calls = slices.SortedStableFunc(slices.Values(r.Calls), func(a, b Calls) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), cmp.Compare(b.Count, a.Count), strings.Compare(a.Operation, b.Operation))
	})
	r.Pods = slices.SortedStableFunc(slices.Values(r.Pods), func(a, b PodStart) int {
		return cmp.Or(a.Admitted.Compare(b.Admitted), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for i := range r.Pods {
		pod := &r.Pods[i]
		for _, at := range []*time.Time{&pod.Admitted, &pod.Scheduled, &pod.Started, &pod.Credentials, &pod.Object} {
			*at = at.UTC()
		}
	}
	r.Bench = r.Bench.sorted()
	for i := range r.Phases {
		r.Phases[i].Started = r.Phases[i].Started.UTC()
	}
	for i, spec := range r.Specs {
		r.Specs[i].Started = spec.Started.UTC()
		ids := orEmpty(slices.SortedFunc(slices.Values(spec.Requirements), CompareIDs))
		r.Specs[i].Requirements = slices.Compact(ids)
	}
	return r
}

// orEmpty replaces nil by an empty list, so that JSON has [] and not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func compareRequirements(a, b Requirement) int {
	return cmp.Or(compareProfiles(a.Profile, b.Profile), CompareIDs(a.ID, b.ID))
}

func compareProfiles(a, b string) int {
	rank := func(profile string) int {
		if i := slices.Index(profileOrder[:], profile); i >= 0 {
			return i
		}
		return len(profileOrder)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
}

// CompareIDs orders requirement IDs by their prefix, then by their number, so AGT-9 comes before AGT-10.
func CompareIDs(a, b string) int {
	aPrefix, aNumber := splitID(a)
	bPrefix, bNumber := splitID(b)
	return cmp.Or(strings.Compare(aPrefix, bPrefix), cmp.Compare(aNumber, bNumber), strings.Compare(a, b))
}

func splitID(id string) (prefix string, number int) {
	prefix = strings.TrimRightFunc(id, func(r rune) bool { return r <= unicode.MaxASCII && unicode.IsDigit(r) })
	number, err := strconv.Atoi(id[len(prefix):])
	if err != nil {
		return id, 0
	}
	return prefix, number
}

// sorted returns a copy in the order of every writer. Scenarios keep the order of their execution, because one can affect
// the next.
func (b *Bench) sorted() *Bench {
	b = b.copied()
	if b == nil {
		return nil
	}
	b.Machines = orEmpty(slices.SortedStableFunc(slices.Values(b.Machines), func(x, y Machine) int { return strings.Compare(x.Name, y.Name) }))
	b.Scenarios = orEmpty(b.Scenarios)
	for i, scenario := range b.Scenarios {
		b.Scenarios[i].Started = scenario.Started.UTC()
		b.Scenarios[i].Cases = orEmpty(scenario.Cases)
		for k, c := range scenario.Cases {
			b.Scenarios[i].Cases[k].Metrics = orEmpty(c.Metrics)
			for m, metric := range c.Metrics {
				c.Metrics[m].Samples = orEmpty(metric.Samples)
			}
		}
	}
	for i, threshold := range b.Thresholds {
		b.Thresholds[i].Measured = orEmpty(threshold.Measured)
	}
	return b
}
