// Package scenario has what the benchmark asks of a subject: each scenario is a way to load it and
// what is measured then. A scenario is a value; All lists them.
package scenario

import (
	"context"
	"slices"
	"time"

	"github.com/podidentity/epi/clusters"
)

// Scenario is one question about a subject's performance.
type Scenario struct {
	// Name such as "herd-same"; Title is it in a few words.
	Name, Title string
	// About says what is done and what it shows, Source where users tell of it or what documents it.
	About, Source string
	// Subject is "agent" or "webhook".
	Subject string
	// Needs are what an environment must have.
	Needs []clusters.Capability
	// Size by default: at most 60 s in all. What is zero has no meaning for the scenario.
	Size Size
	// Smoke is its size in the smoke set; nil: it has no part in it.
	Smoke *Size
	// PairSize is its size in a turn of an A/B run, of which there are many; nil: Smoke, or else Size.
	PairSize *Size
	// Metrics that it records beside the Standard ones.
	Metrics []string
	// Primary are the one to three measures that it is about.
	Primary []Primary
	// Run does it. What breaks ends it through the stage's T, as in a spec.
	Run func(ctx context.Context, s *Setup)
}

// Size is how much a scenario does.
type Size struct {
	// Rates in requests a second, each a case of its own.
	Rates []float64
	// Duration of a repeat.
	Duration time.Duration
	// Repeats of each case: samples for a comparison.
	Repeats int
	// Identities is how many tokens, associations or requests at once it is about.
	Identities int
	// Pods that are created.
	Pods int
}

// Or is the size with what is zero in it taken from another, as far as that has a meaning there.
func (s Size) Or(other Size) Size {
	if len(other.Rates) > 0 && len(s.Rates) > 0 {
		other.Rates = slices.Clone(s.Rates)
	}
	if other.Duration > 0 && s.Duration > 0 {
		other.Duration = s.Duration
	}
	if other.Repeats > 0 && s.Repeats > 0 {
		other.Repeats = s.Repeats
	}
	if other.Identities > 0 && s.Identities > 0 {
		other.Identities = s.Identities
	}
	if other.Pods > 0 && s.Pods > 0 {
		other.Pods = s.Pods
	}
	return other
}

// All are the scenarios, in the order in which they run.
func All() []Scenario {
	return []Scenario{
		Warm, Identities, HerdSame, HerdDistinct, Rotation, Throttled, SlowAuth, Outage, Saturation,
		Admission, Ghost, PodStart, S3, Soak,
	}
}

// Lookup finds a scenario by name.
func Lookup(name string) (Scenario, bool) {
	list := All()
	i := slices.IndexFunc(list, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return list[i], true
}

// Smoke is the smoke set with its sizes.
func Smoke() []Scenario {
	var set []Scenario
	for _, s := range All() {
		if s.Smoke != nil {
			s.Size = *s.Smoke
			set = append(set, s)
		}
	}
	return set
}
