// Package reports has the results of a run: one versioned model (Run), what follows from it (Findings, computed once), and
// writers that are pure functions of the findings. It imports nothing else of epi.
package reports

import (
	"errors"
	"time"
)

// Schema is the version of the results model that this package reads and writes.
const Schema = "epi.results/v1"

// Outcome of a spec or a requirement. Fail blames the subject, and Error blames epi or its environment. NotSupported,
// Skipped and NotRun are different.
type Outcome string

const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Error        Outcome = "error"
	Skipped      Outcome = "skipped"       // a user chose not to run it: see Reason
	NotSupported Outcome = "not-supported" // the environment cannot decide it: see Reason
	NotRun       Outcome = "not-run"       // it was selected, but the run ended before its turn
)

// Run has all results of one run: the contents of results.json.
type Run struct {
	Schema string `json:"schema"`
	// ID is the name of the run, such as "20261123-1415-epi".
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Interrupted says that the run was stopped before its end.
	Interrupted bool        `json:"interrupted,omitempty"`
	Epi         Epi         `json:"epi"`
	Environment Environment `json:"environment"`
	Subjects    []Subject   `json:"subjects"`
	// Deviations are the known ones of the subjects' versions.
	Deviations []Deviation `json:"deviations,omitempty"`
	// Clients are the AWS clients of the client matrix.
	Clients []Client `json:"clients,omitempty"`
	// Selection has the flags that selected specs: empty for all.
	Selection    []string      `json:"selection,omitempty"`
	Phases       []Phase       `json:"phases"`
	Requirements []Requirement `json:"requirements"`
	Specs        []Spec        `json:"specs"`
	// Bench has the measurements of the benchmark; nil if there was none.
	Bench *Bench `json:"bench,omitempty"`
	// Absences are the times when a part of the environment was absent.
	Absences []Absence `json:"absences,omitempty"`
	// Calls are AWS's calls during the specs, if AWS reports them, by service and operation.
	Calls []Calls `json:"calls,omitempty"`
	// Pods are the pods of the specs whose start was seen, the newest of many.
	Pods []PodStart `json:"pods,omitempty"`
	// Repeats is the number of rounds of the specs, if it is more than one. The record is of the last round.
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

// Environment describes where the subjects ran.
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

// Subject is a tested program: the agent or the webhook.
type Subject struct {
	Role      string `json:"role"`
	Image     string `json:"image"`
	Digest    string `json:"digest,omitempty"`
	Reference bool   `json:"reference"`
	Absent    bool   `json:"absent,omitempty"`
	// Product and Version are the recognised ones, such as "eks-pod-identity-agent" and "v0.1.37"; empty if nothing was
	// recognised.
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	// Compat is the product that a reference imitates, such as "upstream"; empty for its own behaviour.
	Compat string `json:"compat,omitempty"`
}

// Phase is a step of the run with its time, such as "Control plane".
type Phase struct {
	Name     string        `json:"name"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"` // nanoseconds
	Error    string        `json:"error,omitempty"`
}

// Requirement is an entry of the catalogue at the time of this run.
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
	// Output is the spec's log, with secrets redacted.
	Output string `json:"output,omitempty"`
	// Slow is the approximate duration of a spec that runs only if slow specs are requested.
	Slow time.Duration `json:"slow,omitempty"` // nanoseconds
	// Client is the name of its AWS client, if it is about one.
	Client string `json:"client,omitempty"`
	// Process is the number of the parallel process that ran it, from 1.
	Process int `json:"process,omitempty"`
	// Again says why the spec ran a second time. The record is of the second time.
	Again string `json:"again,omitempty"`
}

// Step is a line about a spec's action, as a person would do it by hand.
type Step struct {
	Text     string        `json:"text"`
	Duration time.Duration `json:"duration"` // nanoseconds
}

// Failure says why a spec failed or could not be decided.
type Failure struct {
	Message string `json:"message"`
	// Location is file:line, relative to the repository.
	Location string `json:"location,omitempty"`
	// Cause is CauseEnvironment if the environment was absent; empty otherwise.
	Cause string `json:"cause,omitempty"`
}

// CauseEnvironment is the cause of specs that could not be decided because the environment was absent. It goes with Error.
const CauseEnvironment = "environment"

// Absence is a time during which a part of the environment was absent.
type Absence struct {
	Part   string    `json:"part"`
	Reason string    `json:"reason"`
	From   time.Time `json:"from"`
	// To is zero if the part did not return.
	To time.Time `json:"to,omitzero"`
}

// Err is the failure as an error; nil of nil.
func (f *Failure) Err() error {
	if f == nil {
		return nil
	}
	return errors.New(f.Message)
}

// Evidence is what was collected about a failed spec before its fixtures were removed.
type Evidence struct {
	// Dir is the folder with all of it, relative to that of results.json.
	Dir string `json:"dir,omitempty"`
	// Excerpts are the most important parts, with secrets redacted.
	Excerpts []Excerpt `json:"excerpts,omitempty"`
}

// Excerpt is a short part of the evidence, such as the agent's last lines about the spec.
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

func (r Run) hasBench() bool { return r.Bench != nil }

// onlyBench says whether the run has measurements and selected no spec.
func (r Run) onlyBench() bool { return r.Bench != nil && len(r.Specs) == 0 }

// Calls says how often the run called an operation of AWS, and how long the calls took.
type Calls struct {
	// Service is the signing name, such as "eks-auth"; Operation such as "AssumeRoleForPodIdentity".
	Service   string `json:"service"`
	Operation string `json:"operation"`
	Count     int    `json:"count"`
	// Refused is the number of error answers. Suites cause many on purpose.
	Refused int `json:"refused,omitempty"`
	// P50 and P99 of the time until the answer was written, in seconds.
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// PodStart has the times of a pod of the run until its first object. A time is zero if the pod did not come so far, or if
// the time is not known.
type PodStart struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Injected says that the webhook added what Pod Identity needs.
	Injected bool `json:"injected"`
	// Admitted is when the run saw the pod in the API server, Scheduled when it saw the pod's node, and Started when it saw
	// a running container.
	Admitted  time.Time `json:"admitted"`
	Scheduled time.Time `json:"scheduled,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	// Credentials is the time of the first call to EKS Auth for it, and Object that of the first answer of S3 with an
	// object, by the emulator's clock.
	Credentials time.Time `json:"credentials,omitzero"`
	Object      time.Time `json:"object,omitzero"`
}
