package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters"
)

// lines tells steps as lines: one when a step ends.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func newLines(w io.Writer) *lines { return &lines{w: w} }

// Start implements clusters.Progress.
func (l *lines) Start(step string) clusters.Task {
	return &line{lines: l, step: step, began: time.Now()}
}

type line struct {
	lines *lines
	step  string
	began time.Time

	mu     sync.Mutex
	detail string
	ended  bool
}

// Detail implements clusters.Task.
func (t *line) Detail(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.detail = fmt.Sprintf(format, args...)
}

// End implements clusters.Task.
func (t *line) End(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	mark := "✓"
	if err != nil {
		mark = "✗"
	}
	t.lines.mu.Lock()
	defer t.lines.mu.Unlock()
	_, _ = fmt.Fprintf(t.lines.w, " %s %s (%.1fs) %s\n", mark, t.step, time.Since(t.began).Seconds(), t.detail)
}
