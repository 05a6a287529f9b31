package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters"
)

// quietFor is the longest time that a step goes without a line.
const quietFor = 20 * time.Second

// lines reports steps as lines: one when a step ends, and from time to time one about its work.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func newLines(w io.Writer) *lines { return &lines{w: w} }

// Start implements clusters.Progress.
func (l *lines) Start(step string) clusters.Task {
	t := &line{lines: l, step: step, began: time.Now(), over: make(chan struct{})}
	go t.reassure()
	return t
}

func (l *lines) print(mark string, t *line, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.w, " %s %s (%.1fs) %s\n", mark, t.step, time.Since(t.began).Seconds(), detail)
}

type line struct {
	lines *lines
	step  string
	began time.Time
	over  chan struct{}

	mu     sync.Mutex
	detail string
	ended  bool
}

func (t *line) reassure() {
	ticker := time.NewTicker(quietFor)
	defer ticker.Stop()
	for {
		select {
		case <-t.over:
			return
		case <-ticker.C:
			t.mu.Lock()
			detail := t.detail
			t.mu.Unlock()
			t.lines.print("•", t, detail)
		}
	}
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
	close(t.over)
	mark := "✓"
	if err != nil {
		mark = "✗"
	}
	t.lines.print(mark, t, t.detail)
}
