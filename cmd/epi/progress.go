package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/podidentity/epi/clusters"
)

const (
	// quietFor is the longest time that a step goes without a line when the output is piped and
	// what it does has changed; unchangedFor when it has not.
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

// steps shows the steps of a command on standard error: redrawn in place on a terminal, a line a
// step when piped. It implements clusters.Progress.
type steps struct {
	w      io.Writer
	screen *mpb.Progress // nil when piped
	colour bool
	now    func() time.Time
	// done, if set, is told each finished step.
	done func(phase)

	mu   sync.Mutex
	stop chan struct{}
	live []*step
}

// newSteps returns the steps of one command; the caller must Close it.
func (a *app) newSteps(done func(phase)) *steps {
	terminal := false
	if file, ok := a.err.(*os.File); ok {
		terminal = term.IsTerminal(int(file.Fd()))
	}
	s := &steps{w: a.err, now: a.now, done: done, stop: make(chan struct{}), colour: a.colourOn(terminal)}
	if terminal && a.color != "never" {
		s.screen = mpb.New(mpb.WithOutput(a.err), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithAutoRefresh())
	} else {
		go s.reassure()
	}
	return s
}

// colourOn decides about colour for a stream: NO_COLOR (no-color.org) counts unless asked for.
func (a *app) colourOn(terminal bool) bool {
	if a.color != "auto" {
		return a.color == "always"
	}
	noColor, _ := a.lookupEnv("NO_COLOR")
	return terminal && noColor == ""
}

// Close ends the display. Steps that were not ended keep their last line.
func (s *steps) Close() {
	close(s.stop)
	if s.screen == nil {
		return
	}
	s.mu.Lock()
	live := s.live
	s.mu.Unlock()
	for _, step := range live {
		step.bar.Abort(false)
	}
	s.screen.Wait()
}

// Start implements clusters.Progress.
func (s *steps) Start(name string) clusters.Task {
	step := &step{steps: s, name: name, started: s.now()}
	step.shown = step.started
	s.mu.Lock()
	s.live = append(s.live, step)
	s.mu.Unlock()
	if s.screen != nil {
		// Without a total: only such a bar does SetTotal complete, and Wait waits for each.
		step.bar = s.screen.New(0, mpb.NopStyle(), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return step.line() })))
	}
	return step
}

// Print writes a line of its own between the steps.
func (s *steps) Print(line string) {
	if s.screen != nil {
		_, _ = fmt.Fprintln(s.screen, line)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintln(s.w, line)
}

// reassure writes what the running steps do now and then, so that a log never seems stuck.
func (s *steps) reassure() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		for _, step := range s.live {
			if line, due := step.reassurance(s.now()); due {
				_, _ = fmt.Fprintln(s.w, line)
			}
		}
		s.mu.Unlock()
	}
}

// step is one step on display.
type step struct {
	steps   *steps
	name    string
	started time.Time
	bar     *mpb.Bar

	mu          sync.Mutex
	detail      string
	shown       time.Time
	shownDetail string
	ended       time.Duration
	err         error
	over        bool
}

// Detail implements clusters.Task.
func (t *step) Detail(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.detail = fmt.Sprintf(format, args...)
}

// End implements clusters.Task.
func (t *step) End(err error) {
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return
	}
	t.over, t.err, t.ended = true, err, t.steps.now().Sub(t.started)
	t.mu.Unlock()

	s := t.steps
	s.mu.Lock()
	for i, live := range s.live {
		if live == t {
			s.live = append(s.live[:i:i], s.live[i+1:]...)
			break
		}
	}
	if s.screen == nil {
		_, _ = fmt.Fprintln(s.w, t.line())
	}
	s.mu.Unlock()
	if t.bar != nil {
		t.bar.SetTotal(1, true)
	}
	if s.done != nil {
		s.done(phase{name: t.name, started: t.started, took: t.ended, err: err})
	}
}

// line is how the step looks now.
func (t *step) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.over:
		line := fmt.Sprintf(" %s %s (%s)", t.paint("36", "•"), t.name, seconds(t.steps.now().Sub(t.started)))
		if t.detail != "" {
			line += ": " + firstLine(t.detail)
		}
		return line
	case t.err != nil:
		return fmt.Sprintf(" %s %s (%s)", t.paint("31", "✗"), t.name, seconds(t.ended))
	default:
		return fmt.Sprintf(" %s %s (%s)", t.paint("32", "✓"), t.name, seconds(t.ended))
	}
}

// reassurance is the line to write about a step that still runs, and whether it is due.
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
	return t.line(), true
}

func (t *step) paint(code, text string) string {
	if !t.steps.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// seconds renders a duration as people time things: 0.4s, 12.9s, 6m23s.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
