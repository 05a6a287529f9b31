// Package measure executes the scenarios of a benchmark. It makes their load, meters the subject
// meanwhile, and records what was measured as cases with samples.
package measure

import (
	"context"
	"slices"
	"time"

	"github.com/podidentity/epi/clusters"
)

// Scenario is one question about a subject's performance.
type Scenario struct {
	// Name such as "herd-same"; Title describes it in a few words.
	Name, Title string
	// About says what is done and what it shows. Source is a report of users about it, or a document.
	About, Source string
	// Subject is "agent" or "webhook".
	Subject string
	// Needs are the abilities that an environment must have.
	Needs []clusters.Capability
	// Size by default: at most 60 s in all. A field that is zero has no meaning for the scenario.
	Size Size
	// Smoke is its size in the smoke set; nil if the set does not contain it.
	Smoke *Size
	// PairSize is its size in each of the many executions of an A/B run; nil: Smoke, or else Size.
	PairSize *Size
	// Metrics that it records in addition to the Standard ones.
	Metrics []string
	// Primary are the one to three measures that the scenario is about.
	Primary []Primary
	// Run executes it. A broken fixture ends it through the setup's T, as in a spec.
	Run func(ctx context.Context, s *Setup)
}

// Size is how much a scenario does.
type Size struct {
	// Rates in requests a second. Each is a case of its own.
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

// Or returns other with the fields that are set in s, except those that have no meaning (zero) in other.
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
