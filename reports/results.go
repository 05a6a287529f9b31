// Package reports says what a run found: one versioned model of results (Run) and writers that
// are pure functions of it. It imports nothing else of epi.
package reports

import (
	"errors"
	"time"
)

// Schema is the version of the results model that this package reads and writes.
const Schema = "epi.results/v1"

// Outcome of a spec or a requirement. Fail blames the subject, Error blames epi or its
// environment; NotSupported, Skipped and NotRun are three different things.
type Outcome string

const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Error        Outcome = "error"
	Skipped      Outcome = "skipped"       // somebody chose not to run it: see Reason
	NotSupported Outcome = "not-supported" // the environment cannot decide it: see Reason
	NotRun       Outcome = "not-run"       // it was selected, but the run ended before its turn
)

// Run is everything one run found: the contents of results.json.
type Run struct {
	Schema string `json:"schema"`
	// ID names the run, such as "20261123-1415-epi".
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Interrupted says that the run was stopped before its end.
	Interrupted bool        `json:"interrupted,omitempty"`
	Epi         Epi         `json:"epi"`
	Environment Environment `json:"environment"`
	Subjects    []Subject   `json:"subjects"`
	// Deviations are known ones of the versions of the subjects.
	Deviations []Deviation `json:"deviations,omitempty"`
	// Clients are the AWS clients of the client matrix.
	Clients []Client `json:"clients,omitempty"`
	// Selection is how specs were chosen, as flags: empty for all.
	Selection    []string      `json:"selection,omitempty"`
	Phases       []Phase       `json:"phases"`
	Requirements []Requirement `json:"requirements"`
	Specs        []Spec        `json:"specs"`
	// Bench is what the benchmark measured; nil if there was none.
	Bench *Bench `json:"bench,omitempty"`
	// Absences are when a part of the environment was not there.
	Absences []Absence `json:"absences,omitempty"`
	// Calls are what AWS was asked while the specs ran, where AWS reports it, by service and operation.
	Calls []Calls `json:"calls,omitempty"`
	// Pods are those of the specs that were seen to start, the newest of many.
	Pods []PodStart `json:"pods,omitempty"`
	// Repeats is how many times the specs ran, if more than once was asked for; the record is of the last time.
	Repeats int `json:"repeats,omitempty"`
	// Problems are errors of the run itself, outside any spec, such as a cluster that did not come up.
	Problems []Problem `json:"problems,omitempty"`
}

// Epi is the version of the runner.
type Epi struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Environment is what the subjects ran in.
type Environment struct {
	Provider          string `json:"provider"`
	Name              string `json:"name"`
	Region            string `json:"region,omitempty"`
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	NodeImage         string `json:"nodeImage,omitempty"`
	NodeImageOrigin   string `json:"nodeImageOrigin,omitempty"`
	Nodes             int    `json:"nodes,omitempty"`
	IMDSHopLimit      int    `json:"imdsHopLimit,omitempty"`
	Engine            string `json:"engine,omitempty"`
	// AWS is "emulator" or "aws".
	AWS          string   `json:"aws,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
}

// Subject is what was tested: the agent, the webhook.
type Subject struct {
	Role      string `json:"role"`
	Image     string `json:"image"`
	Digest    string `json:"digest,omitempty"`
	Reference bool   `json:"reference"`
	Absent    bool   `json:"absent,omitempty"`
	// Product and Version are what the subject was recognised as, such as "eks-pod-identity-agent" and
	// "v0.1.37"; empty if it was not.
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	// Compat is the product that a reference imitates, such as "upstream"; empty for its own.
	Compat string `json:"compat,omitempty"`
}

// Phase is a step of the run with its time, such as "Control plane".
type Phase struct {
	Name     string        `json:"name"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"` // nanoseconds
	Error    string        `json:"error,omitempty"`
}

// Requirement is an entry of the catalogue as it stood for this run.
type Requirement struct {
	ID        string `json:"id"`
	Level     string `json:"level"`   // MUST or SHOULD
	Profile   string `json:"profile"` // webhook, agent, platform or client
	Statement string `json:"statement"`
	Source    string `json:"source"`
	// Runs is where it can be decided: "local" (with the emulator), "aws" or "both".
	Runs string `json:"runs,omitempty"`
	// Since is the release of epi that first decided it.
	Since string `json:"since,omitempty"`
}

// Spec is the record of one spec.
type Spec struct {
	// Suite is the package of the spec, such as "injection".
	Suite string `json:"suite"`
	// Name is the whole text: subject and claim.
	Name         string        `json:"name"`
	Requirements []string      `json:"requirements"`
	Outcome      Outcome       `json:"outcome"`
	Reason       string        `json:"reason,omitempty"`
	Started      time.Time     `json:"started"`
	Duration     time.Duration `json:"duration"` // nanoseconds
	Failure      *Failure      `json:"failure,omitempty"`
	Evidence     *Evidence     `json:"evidence,omitempty"`
	Steps        []Step        `json:"steps,omitempty"`
	// Output is what the spec logged, with secrets redacted.
	Output string `json:"output,omitempty"`
	// Slow is about how long it takes, of a spec that only runs when slow ones are asked for.
	Slow time.Duration `json:"slow,omitempty"` // nanoseconds
	// Client is the name of the AWS client that it is about, if it is about one.
	Client string `json:"client,omitempty"`
	// Process is the number of the parallel process that ran it, from 1.
	Process int `json:"process,omitempty"`
	// Again says why the spec ran a second time; the record is of the second.
	Again string `json:"again,omitempty"`
}

// Step is a line of what a spec did, as a person would do it by hand.
type Step struct {
	Text     string        `json:"text"`
	Duration time.Duration `json:"duration"` // nanoseconds
}

// Failure says why a spec failed or could not be decided.
type Failure struct {
	Message string `json:"message"`
	// Location is file:line, relative to the repository.
	Location string `json:"location,omitempty"`
	// Cause is CauseEnvironment if the environment was not there; empty for the rest.
	Cause string `json:"cause,omitempty"`
}

// CauseEnvironment is the cause of what could not be decided since the environment was away. It goes with Error.
const CauseEnvironment = "environment"

// Absence is a time in which a part of the environment was not there.
type Absence struct {
	Part   string    `json:"part"`
	Reason string    `json:"reason"`
	From   time.Time `json:"from"`
	// To is zero if the part did not come back.
	To time.Time `json:"to,omitzero"`
}

// Err is the failure as an error; nil of nil.
func (f *Failure) Err() error {
	if f == nil {
		return nil
	}
	return errors.New(f.Message)
}

// Evidence is what was kept about a spec that failed, before its fixtures were removed.
type Evidence struct {
	// Dir is the folder that holds all of it, relative to that of results.json.
	Dir string `json:"dir,omitempty"`
	// Excerpts are what is worth to be read first, with secrets redacted.
	Excerpts []Excerpt `json:"excerpts,omitempty"`
}

// Excerpt is a short part of the evidence, such as the last lines of the agent about the spec.
type Excerpt struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Problem is an error outside any spec.
type Problem struct {
	Doing   string `json:"doing"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}
