package reports

import (
	"slices"
	"strings"
)

// Deviation is a requirement that a version of a subject is known not to hold. It explains a failure and does not excuse
// it: the requirement still fails.
type Deviation struct {
	// Requirement is its ID.
	Requirement string `json:"requirement"`
	// Role of the subject: "agent" or "webhook".
	Role    string `json:"role"`
	Product string `json:"product"`
	// Version that the subject was recognised as, such as "v0.1.37".
	Version string `json:"version"`
	// Does says in a sentence what it does instead. Link is a document about it.
	Does string `json:"does"`
	Link string `json:"link"`
}

// knownOf is the text that marks a deviation wherever it is shown.
func (d Deviation) knownOf() string { return "known of " + d.Version }

// sentence describes a deviation in a line.
func (d Deviation) sentence() string {
	return d.Product + " " + d.Version + ": " + d.Does
}

// known are the deviations of the run's subjects from one of the requirements.
func (r Run) known(requirements ...string) []Deviation {
	var list []Deviation
	for _, deviation := range r.Deviations {
		if slices.Contains(requirements, deviation.Requirement) {
			list = append(list, deviation)
		}
	}
	return list
}

// knownOf are the distinct marks of deviations, one after the other.
func knownOf(list []Deviation) string {
	var marks []string
	for _, deviation := range list {
		if mark := deviation.knownOf(); !slices.Contains(marks, mark) {
			marks = append(marks, mark)
		}
	}
	return strings.Join(marks, ", ")
}
