package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/cmd/epi/screen"
	"github.com/podidentity/epi/reports"
)

const (
	// quietFor is the longest time without a line for a step whose detail has changed, if the output is not redrawn.
	// unchangedFor is that for an unchanged detail.
	quietFor     = 5 * time.Second
	unchangedFor = 30 * time.Second
)

// phase is a finished step, for the record.
type phase struct {
	name    string
	started time.Time
	took    time.Duration
	err     error
}

// steps shows the steps of a command on standard error: redrawn in place on a terminal, and otherwise a line for each step.
// It implements clusters.Progress.
type steps struct {
	screen *screen.Screen
	colour bool
	now    func() time.Time
	// hurry is closed when the user has asked the program to end.
	hurry <-chan struct{}
	// done, if set, receives each finished step.
	done func(phase)
	// before has the earlier durations of steps of these names.
	before map[string]time.Duration

	mu   sync.Mutex
	live []*step
	// failed are the errors of steps.
	failed []error
}

// newSteps returns the steps of one command; the caller must Close it.
func (a *app) newSteps(done func(phase)) *steps {
	s := &steps{now: a.now, done: done, colour: a.colourOn(a.err), hurry: a.interrupts.asked()}
	var size func() (columns, rows int)
	if terminal := a.terminal(a.err); terminal != nil && a.color != "never" {
		size = screen.Size(terminal)
	}
	s.screen = screen.New(a.err, s, size)
	a.interrupts.showOn(s.screen)
	return s
}

// terminal is the terminal behind a stream of this program; nil if there is none, or if it has no control sequences, in
// which case TERM is dumb or unset.
func (a *app) terminal(w io.Writer) *os.File {
	file := fileOf(w)
	if file == nil || !screen.IsTerminal(file) {
		return nil
	}
	if kind, _ := a.lookupEnv("TERM"); kind == "" || kind == "dumb" {
		return nil
	}
	return file
}

// colourOn decides about colour for a stream. NO_COLOR (no-color.org) counts unless colour was requested.
func (a *app) colourOn(w io.Writer) bool {
	if a.color != "auto" {
		return a.color == "always"
	}
	noColor, _ := a.lookupEnv("NO_COLOR")
	return noColor == "" && a.terminal(w) != nil
}

// Close ends the display. Steps that were not ended are shown as stopped.
func (s *steps) Close() {
	s.mu.Lock()
	live := s.live
	s.live = nil
	s.mu.Unlock()
	for _, step := range live {
		step.End(context.Canceled)
	}
	s.screen.Close(s.hurry)
}

// Start implements clusters.Progress.
func (s *steps) Start(name string) clusters.Task {
	step := &step{steps: s, name: screen.Plain(name), started: s.now()}
	step.shown = step.started
	if before, ok := s.before[step.name]; ok {
		step.left = func(now time.Time) (time.Duration, bool) { return before - now.Sub(step.started), true }
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = append(s.live, step)
	return step
}

// Print writes a line of its own between the steps.
func (s *steps) Print(line string) { s.screen.Print(line) }

// Draw implements screen.Source.
func (s *steps) Draw(columns, rows int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.live
	var lines []string
	if more := len(shown) - rows; more > 0 { // one row is for the number of hidden steps
		shown = shown[more+1:]
		lines = append(lines, screen.Cut(fmt.Sprintf("   and %d more", more+1), columns))
	}
	spare := rows - len(shown) - len(lines)
	for _, step := range shown {
		if detail := step.below(columns); detail != "" && spare > 0 {
			spare--
			lines = append(lines, step.bare(columns), detail)
			continue
		}
		lines = append(lines, step.line(columns))
	}
	return lines
}

// narrow is the width up to which a terminal has no room for a detail beside the step's name, which then has a line of its
// own.
const narrow = 60

// Log implements screen.Source: a running step is printed from time to time, so that a log never seems to hang.
func (s *steps) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, step := range s.live {
		if line, due := step.reassurance(s.now()); due {
			lines = append(lines, line)
		}
	}
	return lines
}

// step is one step on display.
type step struct {
	steps   *steps
	name    string
	started time.Time

	mu     sync.Mutex
	detail string
	// left, if set, estimates the step's remaining time.
	left        func(now time.Time) (time.Duration, bool)
	shown       time.Time
	shownDetail string
	ended       time.Duration
	state       state
}

// state is the state of a step.
type state int

const (
	running state = iota
	succeeded
	failed
	// stopped is neither success nor failure: the step ended because another one failed or the user interrupted.
	stopped
)

// Detail implements clusters.Task.
func (t *step) Detail(format string, args ...any) {
	detail := screen.Plain(reports.FirstLine(fmt.Sprintf(format, args...)))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.detail = detail
}

// estimate makes the step show its estimated remaining time.
func (t *step) estimate(left func(now time.Time) (time.Duration, bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = left
}

// End implements clusters.Task.
func (t *step) End(err error) {
	s := t.steps
	s.mu.Lock()
	t.mu.Lock()
	if t.state != running {
		t.mu.Unlock()
		s.mu.Unlock()
		return
	}
	t.ended, t.state = s.now().Sub(t.started), s.judge(err)
	t.mu.Unlock()
	for i, live := range s.live {
		if live == t {
			s.live = append(s.live[:i:i], s.live[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	s.screen.Print(t.line(0))
	if s.done != nil {
		s.done(phase{name: t.name, started: t.started, took: t.ended, err: err})
	}
}

// judge returns how a step ended. A step did not fail itself if its error is the end of its context, or the same error that
// ended another step and so the context.
func (s *steps) judge(err error) state {
	if err == nil {
		return succeeded
	}
	if errors.Is(err, context.Canceled) {
		return stopped
	}
	for _, other := range s.failed {
		if errors.Is(err, other) {
			return stopped
		}
	}
	s.failed = append(s.failed, err)
	return failed
}

// below is the detail of a running step as a line of its own on a narrow terminal; "" on a wide one.
func (t *step) below(columns int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if columns >= narrow || t.detail == "" {
		return ""
	}
	return screen.Cut("   "+t.detail, columns)
}

// bare is the step's line without its detail.
func (t *step) bare(columns int) string { return t.look(columns, false) }

// line is the step's current line, cut to columns; 0 cuts nothing.
func (t *step) line(columns int) string { return t.look(columns, true) }

func (t *step) look(columns int, detailed bool) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	mark, colour, took := "•", "36", t.ended
	switch t.state {
	case running:
		took = t.steps.now().Sub(t.started)
	case succeeded:
		mark, colour = "✓", "32"
	case failed:
		mark, colour = "✗", "31"
	case stopped:
		mark, colour = "-", "33"
	}
	text := fmt.Sprintf(" %s (%s%s)", t.name, seconds(took), t.remaining())
	switch {
	case t.state == stopped:
		text += ": stopped"
	case t.state == running && t.detail != "" && detailed:
		text += ": " + t.detail
	}
	if columns > 0 {
		text = screen.Cut(text, columns-screen.Width(" "+mark))
	}
	return " " + t.paint(colour, mark) + text
}

// remaining is the estimated time of a running step, in words; "" if it is not known, or if the earlier duration is over.
func (t *step) remaining() string {
	if t.state != running || t.left == nil {
		return ""
	}
	left, known := t.left(t.steps.now())
	if !known || left < time.Second/2 {
		return ""
	}
	return ", about " + roughly(left) + " left"
}

// roughly is a duration with the precision of an estimate: in seconds, from a minute on in steps of five.
func roughly(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%ds", int(d.Round(time.Second).Seconds()))
	}
	d = d.Round(5 * time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// reassurance is the line about a running step, and says whether it is due.
func (t *step) reassurance(now time.Time) (string, bool) {
	t.mu.Lock()
	quiet, changed := now.Sub(t.shown), t.detail != t.shownDetail
	due := quiet >= unchangedFor || quiet >= quietFor && changed
	if due {
		t.shown, t.shownDetail = now, t.detail
	}
	t.mu.Unlock()
	if !due {
		return "", false
	}
	return t.line(0), true
}

func (t *step) paint(code, text string) string {
	if !t.steps.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// seconds is a duration in the usual form: 0.4s, 12.9s, 6m23s.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}
