package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/podidentity/epi/reports"
)

// eventsSchema is the version of the events. Within a version fields and kinds of events are only added.
const eventsSchema = "epi.events/v1"

// event is a line of --output json: a JSON object about one event, as in `go test -json`
// (https://pkg.go.dev/cmd/test2json). The kind determines the other fields.
type event struct {
	Time time.Time `json:"time"`
	// Event is begin, step, spec-begin, spec, scenario, problem or end.
	Event string `json:"event"`

	// For begin.
	Schema string `json:"schema,omitempty"`
	Run    string `json:"run,omitempty"`
	// Dir is the folder of the run. For begin and end.
	Dir string `json:"dir,omitempty"`

	// For step: a finished part of the run.
	Step *reports.Phase `json:"step,omitempty"`
	// For spec-begin.
	Suite string `json:"suite,omitempty"`
	Name  string `json:"name,omitempty"`
	// For spec, scenario and problem: as in results.json.
	Spec     *reports.Spec     `json:"spec,omitempty"`
	Scenario *reports.Scenario `json:"scenario,omitempty"`
	Problem  *reports.Problem  `json:"problem,omitempty"`

	// For end: the verdict, its exit code, and the reports that were written.
	Outcome  reports.Outcome `json:"outcome,omitempty"`
	Summary  string          `json:"summary,omitempty"`
	ExitCode *int            `json:"exitCode,omitempty"`
	Failed   []string        `json:"failed,omitempty"`
	Files    []string        `json:"files,omitempty"`
}

// events writes events, one on each line. nil writes none. Its methods may be called concurrently.
type events struct {
	mu  sync.Mutex
	w   io.Writer
	now func() time.Time
	err error
}

// write writes an event. The first error is kept, because the reader may be gone.
func (e *events) write(kind string, written event) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return
	}
	written.Time, written.Event = e.now().UTC(), kind
	encoder := json.NewEncoder(e.w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(written); err != nil {
		e.err = fmt.Errorf("write events: %w", err)
	}
}

// broken is the reason why events could not be written; nil if they could.
func (e *events) broken() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// startEvents begins the stream of a run whose output is for programs.
func (s *session) startEvents() {
	if s.app.output != "json" {
		return
	}
	s.events = &events{w: s.app.out, now: s.app.now}
	s.events.write("begin", event{Schema: eventsSchema, Run: s.id(), Dir: s.app.relative(s.dir)})
}
