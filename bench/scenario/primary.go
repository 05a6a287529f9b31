package scenario

import (
	"path"
	"strings"
)

// Primary is a measure that a scenario is about: one that an A/B run goes on for until it can conclude,
// and for whose number its error is corrected. All others are told beside as secondary.
type Primary struct {
	// Case is the pattern of the cases' names (path.Match, setting by setting): "rate=*" is each rate.
	Case string
	// Metric by name.
	Metric string
}

// String is it as reports name it, such as "rate=* p50".
func (p Primary) String() string { return strings.TrimSpace(p.Case + " " + p.Metric) }

// of says whether it is about the metric of a case.
func (p Primary) of(name, metric string) bool {
	match, err := path.Match(p.Case, name)
	return p.Metric == metric && match && err == nil
}

// IsPrimary says whether a metric of a case is one of the scenario's primary measures.
func (s Scenario) IsPrimary(name, metric string) bool {
	for _, p := range s.Primary {
		if p.of(name, metric) {
			return true
		}
	}
	return false
}
