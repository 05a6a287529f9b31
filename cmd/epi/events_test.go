package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podidentity/epi/cmd/epi/timeline"
	"github.com/podidentity/epi/reports"
)

// eventsOf reads a stream of events: each line is an object, with a time and a kind.
func eventsOf(t *testing.T, stream string) []event {
	t.Helper()
	var list []event
	for line := range strings.Lines(stream) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if e.Time.IsZero() || e.Event == "" {
			t.Errorf("%q has no time or no kind", line)
		}
		list = append(list, e)
	}
	return list
}

// A run reports events when they happen, from its begin to its end.
func TestOutputOfARunIsAStreamOfEvents(t *testing.T) {
	t.Parallel()
	p := install(t).withCluster(t, refuse)
	for _, args := range [][]string{
		append([]string{"test", "--name", "up", "-o", "json"}, offline...),
		append([]string{"run", "--bench", "none", "-o", "json"}, offline...),
	} {
		command := p.command(args)
		output, err := command.Output()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		list := eventsOf(t, string(output))
		var kinds []string
		for _, e := range list {
			kinds = append(kinds, e.Event)
		}
		if len(list) < 4 || list[0].Event != "begin" || list[len(list)-1].Event != "end" {
			t.Fatalf("%q: %q", args, kinds)
		}
		first, last := list[0], list[len(list)-1]
		if first.Schema != eventsSchema || first.Run != filepath.Base(first.Dir) || last.Dir != first.Dir {
			t.Errorf("%q: begins with %+v", args, first)
		}
		if last.ExitCode == nil || *last.ExitCode != command.ProcessState.ExitCode() || last.Outcome == "" || last.Summary == "" {
			t.Errorf("%q: exit code %d, ends with %+v", args, command.ProcessState.ExitCode(), last)
		}
		if !slices.Contains(last.Files, filepath.Join(last.Dir, reports.ResultsFile)) {
			t.Errorf("%q: reports %q", args, last.Files)
		}
		run, err := reports.ReadDir(filepath.Join(p.dir, last.Dir))
		if err != nil {
			t.Fatal(err)
		}
		begun, ended := 0, 0
		for _, e := range list {
			switch e.Event {
			case "spec-begin":
				begun++
				if e.Suite == "" || e.Name == "" {
					t.Errorf("%q: %+v", args, e)
				}
			case "spec":
				ended++
				if !slices.ContainsFunc(run.Specs, func(s reports.Spec) bool { return s.Name == e.Spec.Name && s.Outcome == e.Spec.Outcome }) {
					t.Errorf("%q: results.json has no %q that is %s", args, e.Spec.Name, e.Spec.Outcome)
				}
			case "step":
				if e.Step.Name == "" {
					t.Errorf("%q: %+v", args, e)
				}
			}
		}
		if begun == 0 || ended != len(run.Specs) {
			t.Errorf("%q: %d specs begin, %d end, %d are recorded", args, begun, ended, len(run.Specs))
		}
	}
}

// Secrets do not reach the stream, and lines do not mix.
func TestEventsAreWholeAndWithoutSecrets(t *testing.T) {
	var out strings.Builder
	s := &session{events: &events{w: &out, now: time.Now}, dir: t.TempDir()}
	var err error
	if s.recorder, err = reports.NewRecorder(s.dir, sampleRun("20261103-120000")); err != nil {
		t.Fatal(err)
	}
	s.app, s.timeline = newApp(io.Discard, io.Discard, func(string) (string, bool) { return "", false }), &timeline.Timeline{}
	const secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
	var writers sync.WaitGroup
	for range 20 {
		writers.Go(func() {
			s.spec(reports.Spec{Name: "spec\nof two lines", Outcome: reports.Fail, Failure: &reports.Failure{Message: "token " + secret}, Output: secret})
			s.phase(phase{name: "Step", err: errors.New(secret)})
			s.problem("run suites", errors.New(secret))
		})
	}
	writers.Wait()
	if list := eventsOf(t, out.String()); len(list) != 60 {
		t.Errorf("%d events", len(list))
	}
	if strings.Contains(out.String(), secret) {
		t.Error("a token is in the stream")
	}
}

func TestEventsReportThatTheyCannotBeWritten(t *testing.T) {
	reader, writer := io.Pipe()
	_ = reader.CloseWithError(io.ErrClosedPipe) // never fails
	e := &events{w: writer, now: time.Now}
	e.write("step", event{})
	if err := e.broken(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
	(*events)(nil).write("step", event{}) // without --output json there are no events
}
