// Package runner runs a tree of Ginkgo specs over several processes of the same program.
//
// Ginkgo's own command line starts the processes between which it distributes specs, but epi is one binary. So the runner
// starts its own program several times. Each process has the whole tree and asks the parent for each spec before it runs
// it. So a slow spec delays no queue, and a process that crashes loses only its current spec. Specs marked Serial run alone
// and last. A process and its parent exchange JSON lines: the process reads an order and answers on standard input, and
// writes its plan, its claims and its results to file descriptor 3. Its standard output and error may contain anything, and
// are kept to explain a crash.
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
	// Selected says that Focus and LabelFilter of the order choose it.
	Selected bool `json:"selected"`
	// Pending says that the spec exists but must not run (PIt). No filter chooses it.
	Pending bool `json:"pending,omitempty"`
}

// order is the first line that a process reads.
type order struct {
	// Process counts from 1.
	Process int `json:"process"`
	// ListOnly ends the process after its plan.
	ListOnly bool `json:"listOnly,omitempty"`
	// Focus is a regular expression on the key of specs, and LabelFilter is Ginkgo's. An empty one chooses all. The parent
	// grants only specs that both choose.
	Focus       string `json:"focus,omitempty"`
	LabelFilter string `json:"labelFilter,omitempty"`
	// Seed determines the order of the specs; 0 means 1.
	Seed int64 `json:"seed,omitempty"`
	// Payload is for the function that opens the harness in the process.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// answer follows each claim.
type answer struct {
	Granted bool `json:"granted"`
}

// message is a line that a process writes. Exactly one field is set.
type message struct {
	Plan   *plan         `json:"plan,omitempty"`
	Claim  string        `json:"claim,omitempty"`
	Record *reports.Spec `json:"record,omitempty"`
	// Problem is the reason why the process could not begin.
	Problem string `json:"problem,omitempty"`
}

type plan struct {
	Specs []Planned `json:"specs"`
	// Focused says that the tree contains an FIt or FDescribe.
	Focused bool `json:"focused,omitempty"`
}
