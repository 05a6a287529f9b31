// Package history keeps the results of many runs and says what changed between them: which run broke which requirement,
// which requirements are unstable although the tested programs did not change, and which measures changed lastingly.
package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/reports"
)

// RecordSchema is the version of the records that this package writes. A record of another version is derived again from
// the results in the same file.
const RecordSchema = "epi.record/v1"

// Record has what pages over many runs need of one run. It is derived from the run's results alone.
type Record struct {
	Schema string `json:"schema"`
	// Results is the SHA-256 of the run's results, in hexadecimal. It is equal for the same run only.
	Results     string    `json:"results"`
	ID          string    `json:"id"`
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended"`
	Interrupted bool      `json:"interrupted,omitempty"`

	Epi         reports.Epi         `json:"epi"`
	Environment reports.Environment `json:"environment"`
	Subjects    []reports.Subject   `json:"subjects"`
	Selection   []string            `json:"selection,omitempty"`

	// Outcome is the verdict, and Sentence is the verdict in words.
	Outcome  reports.Outcome `json:"outcome"`
	Sentence string          `json:"sentence"`
	// Specs is their number.
	Specs int `json:"specs"`
	// Requirements are the IDs by outcome.
	Requirements map[reports.Outcome][]string `json:"requirements,omitempty"`

	// Bench has the measurements; nil if there are none.
	Bench *Measured `json:"bench,omitempty"`

	// File is the path of the run in the store, with slashes; empty for a record outside a store.
	File string `json:"-"`
}

// Measured has the measurements of a run.
type Measured struct {
	// Machines are the CPUs and cores of the nodes and the number of generators. Values of other machines are not
	// comparable.
	Machines string `json:"machines"`
	// Generator has the limits of the load generators, measured with a handler that does nothing.
	Generator reports.Generator `json:"generator"`
	Measures  []Measure         `json:"measures"`
	// Baseline and Variants are what the run was compared with. Moved has the results.
	Baseline string               `json:"baseline,omitempty"`
	Variants []reports.Variant    `json:"variants,omitempty"`
	Moved    []reports.Difference `json:"moved,omitempty"`
	// Compared is the number of compared measures.
	Compared int `json:"compared,omitempty"`
}

// Measure is one metric of one case.
type Measure struct {
	Scenario string `json:"scenario"`
	Case     string `json:"case,omitempty"`
	Metric   string `json:"metric"`
	Unit     string `json:"unit"`
	Better   string `json:"better"`
	// Size has the settings of the scenario, such as "duration=5s rates=900". Values of other sizes are not comparable.
	Size    string    `json:"size,omitempty"`
	Samples []float64 `json:"samples"`
}

// RecordOf derives the record of a run, and returns its results as one line, to which the record refers.
func RecordOf(run reports.Run) (Record, []byte, error) {
	var indented, line bytes.Buffer
	if err := reports.WriteJSON(&indented, run); err != nil {
		return Record{}, nil, err
	}
	if err := json.Compact(&line, indented.Bytes()); err != nil {
		return Record{}, nil, fmt.Errorf("write results in a line: %w", err)
	}
	// The results are read back, so that a record is the same for a run and for its stored results.
	run, err := reports.ReadJSON(bytes.NewReader(line.Bytes()))
	if err != nil {
		return Record{}, nil, err
	}
	return recordOf(run, digest(line.Bytes())), line.Bytes(), nil
}

func recordOf(run reports.Run, results string) Record {
	findings := reports.NewFindings(run)
	verdict := findings.Verdict
	record := Record{
		Schema: RecordSchema, Results: results, ID: run.ID, Started: run.Started.UTC(), Ended: run.Ended.UTC(), Interrupted: run.Interrupted,
		Epi: run.Epi, Environment: run.Environment, Subjects: run.Subjects, Selection: run.Selection,
		Outcome: verdict.Outcome, Sentence: verdict.Sentence(), Specs: len(run.Specs),
	}
	if len(run.Specs) > 0 {
		record.Requirements = map[reports.Outcome][]string{}
		for _, result := range findings.Requirements {
			record.Requirements[result.Outcome] = append(record.Requirements[result.Outcome], result.ID)
		}
	}
	if run.Bench != nil {
		record.Bench = measuredBy(*run.Bench)
	}
	return record
}

func measuredBy(bench reports.Bench) *Measured {
	var machines []string
	for _, m := range bench.Machines {
		machines = append(machines, fmt.Sprintf("%s, %d cores", m.CPU, m.Cores))
	}
	slices.Sort(machines)
	m := &Measured{
		Machines:  fmt.Sprintf("%s; generators: %d", strings.Join(machines, "; "), bench.Generator.Pods),
		Generator: bench.Generator, Measures: []Measure{}, Baseline: bench.Baseline, Variants: bench.Variants, Compared: len(bench.Differences),
	}
	for _, d := range bench.Differences {
		if d.Verdict == reports.Worse || d.Verdict == reports.Better || d.Verdict == reports.Different {
			m.Moved = append(m.Moved, d)
		}
	}
	for _, scenario := range bench.Scenarios {
		if !scenario.Outcome.Decided() {
			continue
		}
		for _, c := range scenario.Cases {
			for _, metric := range c.Metrics {
				if c.LimitOf(metric.Name) != "" { // the values are the generator's
					continue
				}
				samples := metric.Samples
				if len(samples) == 0 {
					samples = []float64{metric.Value}
				}
				m.Measures = append(m.Measures, Measure{
					Scenario: scenario.Name, Case: c.Name, Metric: metric.Name, Unit: metric.Unit, Better: metric.Better,
					Size: sizeOf(scenario.Size), Samples: samples,
				})
			}
		}
	}
	return m
}

func sizeOf(size map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(size)) {
		parts = append(parts, key+"="+size[key])
	}
	return strings.Join(parts, " ")
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// OutcomeOf is the run's result for a requirement; "" if the run does not have it.
func (r Record) OutcomeOf(id string) reports.Outcome {
	for outcome, ids := range r.Requirements {
		if slices.Contains(ids, id) {
			return outcome
		}
	}
	return ""
}

// Key identifies the run among all, by its start and its results.
func (r Record) Key() string {
	return r.Started.UTC().Format("20060102-150405") + "-" + r.Results[:min(len(r.Results), 12)]
}

// Change is a difference between two runs.
type Change struct {
	// What such as "agent" or "Kubernetes".
	What, Old, New string
}

// String is the change in words.
func (c Change) String() string { return fmt.Sprintf("%s: %s → %s", c.What, c.Old, c.New) }

// Changes are the differences between two runs, in the tested programs, the version of epi and the environment.
func Changes(before, after Record) []Change {
	return append(subjectChanges(before, after), epiChanges(before, after)...)
}

// subjectChanges are the differences in the tested programs and the environment.
func subjectChanges(before, after Record) []Change {
	var list []Change
	say := func(what, old, current string) {
		if old != current {
			list = append(list, Change{what, orNone(old), orNone(current)})
		}
	}
	for _, role := range roles(before, after) {
		say(role, before.subject(role), after.subject(role))
	}
	a, b := before.Environment, after.Environment
	say("Kubernetes", a.KubernetesVersion, b.KubernetesVersion)
	say("node image", a.NodeImage, b.NodeImage)
	say("provider", a.Provider, b.Provider)
	say("AWS", a.AWS, b.AWS)
	say("region", a.Region, b.Region)
	say("nodes", fmt.Sprint(a.Nodes), fmt.Sprint(b.Nodes))
	say("IMDS hop limit", fmt.Sprint(a.IMDSHopLimit), fmt.Sprint(b.IMDSHopLimit))
	say("capabilities", sorted(a.Capabilities), sorted(b.Capabilities))
	say("container engine", a.Engine, b.Engine)
	return list
}

func epiChanges(before, after Record) []Change {
	old, current := named(before.Epi), named(after.Epi)
	if old == current {
		return nil
	}
	return []Change{{"epi", orNone(old), orNone(current)}}
}

func named(epi reports.Epi) string {
	switch {
	case epi.Revision == "" || strings.HasPrefix(epi.Revision, epi.Version):
		return epi.Version
	case epi.Version == "":
		return epi.Revision
	default:
		return epi.Version + " " + epi.Revision
	}
}

func roles(records ...Record) []string {
	var list []string
	for _, record := range records {
		for _, subject := range record.Subjects {
			if !slices.Contains(list, subject.Role) {
				list = append(list, subject.Role)
			}
		}
	}
	slices.Sort(list)
	return list
}

// subject describes what a run tested in a role, so that equal texts mean the same program.
func (r Record) subject(role string) string {
	var list []string
	for _, subject := range r.Subjects {
		switch {
		case subject.Role != role:
		case subject.Absent:
			list = append(list, "absent")
		case subject.Digest == "":
			list = append(list, subject.Image)
		default:
			list = append(list, subject.Image+"@"+subject.Digest)
		}
	}
	return strings.Join(list, ", ")
}

func sorted(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), " ") }

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// Outcomes are the run's results by requirement.
func (r Record) Outcomes() map[string]reports.Outcome {
	all := map[string]reports.Outcome{}
	for outcome, ids := range r.Requirements {
		for _, id := range ids {
			all[id] = outcome
		}
	}
	return all
}
