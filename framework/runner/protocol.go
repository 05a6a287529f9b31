// Package runner runs a tree of Ginkgo specs over several processes of the same program.
//
// Ginkgo spreads specs over processes that its own command line starts; epi is one binary. So the
// runner starts its own program several times. Each process holds the whole tree and, before each
// spec, asks the parent whether it may have it: a slow spec holds up no queue, a process that dies
// costs the one spec that it was in. Specs marked Serial run alone, last. A process talks to its
// parent in JSON lines: it hears an order and answers on standard input, and reports its plan, what
// it claims and what it found on file descriptor 3. Nothing else of it is trusted to be clean: its
// standard output and error are kept to explain a crash.
package runner

import (
	"encoding/json"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// Planned is a spec of the tree.
type Planned struct {
	// Key identifies the spec: its whole text.
	Key string `json:"key"`
	// Suite is the folder of the file that holds it.
	Suite        string                `json:"suite"`
	Requirements []string              `json:"requirements"`
	Needs        []clusters.Capability `json:"needs,omitempty"`
	Labels       []string              `json:"labels,omitempty"`
	Serial       bool                  `json:"serial,omitempty"`
	// Location is file:line, relative to the repository.
	Location string `json:"location"`
	// Selected says whether Focus and LabelFilter of the order choose it.
	Selected bool `json:"selected"`
	// Pending says that the spec is written but must not run (PIt); no filter chooses it.
	Pending bool `json:"pending,omitempty"`
}

// order is the first line that a process hears.
type order struct {
	// Process counts from 1.
	Process int `json:"process"`
	// ListOnly ends the process after its plan.
	ListOnly bool `json:"listOnly,omitempty"`
	// Focus is a regular expression on the key of specs, LabelFilter Ginkgo's; an empty one chooses
	// all. The parent grants only what both choose.
	Focus       string `json:"focus,omitempty"`
	LabelFilter string `json:"labelFilter,omitempty"`
	// Seed draws the order of the specs; 0 is 1.
	Seed int64 `json:"seed,omitempty"`
	// Payload is for whoever opens the harness in the process.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// answer follows each claim.
type answer struct {
	Granted bool `json:"granted"`
}

// message is a line that a process reports; exactly one field is set.
type message struct {
	Plan   *plan         `json:"plan,omitempty"`
	Claim  string        `json:"claim,omitempty"`
	Record *reports.Spec `json:"record,omitempty"`
	// Problem is why the process could not begin.
	Problem string `json:"problem,omitempty"`
}

type plan struct {
	Specs []Planned `json:"specs"`
	// Focused says that somebody left an FIt or FDescribe in the tree.
	Focused bool `json:"focused,omitempty"`
}
