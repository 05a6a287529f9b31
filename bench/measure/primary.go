package measure

import (
	"path"
	"strings"
)

// Primary is a measure that a scenario is about. An A/B run continues until it can conclude all of them,
// and corrects its error for their number. All other measures are reported as secondary.
type Primary struct {
	// Case is the pattern of the cases' names (path.Match, part by part): "rate=*" means each rate.
	Case string
	// Metric by name.
	Metric string
}

// String is the measure's name in reports, such as "rate=* p50".
func (p Primary) String() string { return strings.TrimSpace(p.Case + " " + p.Metric) }

// of reports whether p is about the metric of a case.
func (p Primary) of(name, metric string) bool {
	match, err := path.Match(p.Case, name)
	return p.Metric == metric && match && err == nil
}

// IsPrimary reports whether a metric of a case is one of the scenario's primary measures.
func (s Scenario) IsPrimary(name, metric string) bool {
	for _, p := range s.Primary {
		if p.of(name, metric) {
			return true
		}
	}
	return false
}
