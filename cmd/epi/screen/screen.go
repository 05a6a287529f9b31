// Package screen writes lines to a stream. On a terminal it also draws the lines about what runs below them, repeatedly and
// in place.
//
// One goroutine writes. Printing only adds to a list, so it never waits for a terminal that does not read, and an error of
// a closed terminal has no effect. The cursor is never hidden and no attribute stays set between two writes. So a program
// that ends in any way, also by a kill, leaves the terminal usable.
package screen

import (
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// interval is how often the lines about what runs are drawn.
	interval = 100 * time.Millisecond
	// logInterval is how often a stream that is not redrawn asks for due lines.
	logInterval = time.Second
	// patience is how long Close waits, after hurry, for a reader that does not read.
	patience = 2 * time.Second
)

// Source describes what runs.
type Source interface {
	// Draw returns it in at most rows lines of at most columns columns, for a terminal.
	Draw(columns, rows int) []string
	// Log returns the lines that are due in a stream that keeps all lines, such as a file.
	Log() []string
}

// Screen is a stream of lines; New makes it.
type Screen struct {
	w      io.Writer
	source Source
	size   func() (columns, rows int)

	mu      sync.Mutex
	lines   []string // printed and not written yet
	resumed bool     // the cursor is no longer below the drawn lines
	over    bool

	wake, closing, closed chan struct{}

	// drawn are the widths of the lines on display below the printed ones. Only write uses it.
	drawn []int
}

// New starts a screen on w. size returns the terminal's size for each drawing. If it is nil or returns zero, nothing is
// redrawn. The caller must call Close.
func New(w io.Writer, source Source, size func() (columns, rows int)) *Screen {
	s := &Screen{
		w: w, source: source, size: size,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), closed: make(chan struct{}),
	}
	if size == nil {
		s.size = func() (int, int) { return 0, 0 }
	}
	go s.run()
	return s
}

// Print adds a line above the drawn ones. After Close it writes at once.
func (s *Screen) Print(line string) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		_, _ = io.WriteString(s.w, line+"\n")
		return
	}
	s.lines = append(s.lines, line)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Resume says that others have written to the terminal, such as the shell while this program was stopped. The screen
// continues below that.
func (s *Screen) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resumed = true
}

// Close writes the printed lines and removes the drawn ones. After hurry is closed it waits for at most 2 s for a reader
// that does not read; nil never hurries.
func (s *Screen) Close(hurry <-chan struct{}) {
	s.mu.Lock()
	first := !s.over
	s.over = true
	s.mu.Unlock()
	if first {
		close(s.closing)
	}
	select {
	case <-s.closed:
		return
	case <-hurry:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.closed:
	case <-timer.C:
	}
}

func (s *Screen) run() {
	defer close(s.closed)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	logged := time.Now()
	for {
		select {
		case <-s.closing:
			columns, _ := s.size()
			s.write(nil, columns)
			return
		case <-s.wake:
		case now := <-ticker.C:
			if redrawable(s.size()) {
				break
			}
			if now.Sub(logged) < logInterval {
				continue
			}
			logged = now
			s.add(s.source.Log())
		}
		var running []string
		columns, rows := s.size()
		if redrawable(columns, rows) {
			// The last column stays free, because some terminals go to the next line after it. The last row is for the
			// cursor.
			running = s.source.Draw(columns-1, rows-1)
		}
		s.write(running, columns)
	}
}

// redrawable says whether there is room for a line and for the cursor below it.
func redrawable(columns, rows int) bool { return columns > 1 && rows > 1 }

func (s *Screen) add(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, lines...)
}

// write replaces the drawn lines by the printed ones, and draws running below them.
func (s *Screen) write(running []string, columns int) {
	s.mu.Lock()
	lines := s.lines
	s.lines = nil
	if s.resumed {
		s.drawn, s.resumed = nil, false
	}
	s.mu.Unlock()
	if len(lines) == 0 && len(running) == 0 && len(s.drawn) == 0 {
		return
	}
	var text strings.Builder
	text.WriteString(s.erase(columns))
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	for _, line := range running {
		text.WriteString(line + "\n")
		s.drawn = append(s.drawn, Width(line))
	}
	_, _ = io.WriteString(s.w, text.String()) // an error could not be shown
}
