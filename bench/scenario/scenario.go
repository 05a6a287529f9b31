// Package scenario has the scenarios of the benchmark. Each scenario is a value that says how the subject is loaded and
// what is measured. Package measure executes it.
package scenario

import (
	"slices"

	"github.com/podidentity/epi/bench/measure"
)

// All returns the scenarios in the order of their execution.
func All() []measure.Scenario {
	return []measure.Scenario{
		Warm, Identities, HerdSame, HerdDistinct, Rotation, Throttled, SlowAuth, Outage, Saturation,
		Admission, Ghost, PodStart, S3, Soak,
	}
}

// Lookup returns the scenario of a name.
func Lookup(name string) (measure.Scenario, bool) {
	list := All()
	i := slices.IndexFunc(list, func(s measure.Scenario) bool { return s.Name == name })
	if i < 0 {
		return measure.Scenario{}, false
	}
	return list[i], true
}

// Smoke returns the scenarios of the smoke set, with the sizes that they have there.
func Smoke() []measure.Scenario {
	var set []measure.Scenario
	for _, s := range All() {
		if s.Smoke != nil {
			s.Size = *s.Smoke
			set = append(set, s)
		}
	}
	return set
}
