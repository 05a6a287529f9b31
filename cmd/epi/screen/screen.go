// Package screen writes lines to a stream and, where the stream is a terminal, keeps the lines about
// what still runs below them, drawn again and again in place.
//
// One goroutine writes. Whoever prints only adds to a list: nobody waits for a terminal that does not
// read, and no error of a terminal that is gone ends anything. The cursor is never hidden and no
// attribute stays set between two writes, so a program that ends in any way, also killed, leaves a
// terminal as it should be.
package screen

import (
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// interval is how often the lines of what runs are drawn again.
	interval = 100 * time.Millisecond
	// logInterval is how often a stream that is not redrawn is asked whether there is something to say.
	logInterval = time.Second
	// patience is how long Close waits, once it need not, for a reader that does not read.
	patience = 2 * time.Second
)

// Source says what still runs.
type Source interface {
	// Draw returns it in at most rows lines of at most columns columns, for a terminal.
	Draw(columns, rows int) []string
	// Log returns the lines that are due in a stream that keeps all of them, such as a file.
	Log() []string
}

// Screen is a stream of lines; New makes it.
type Screen struct {
	w      io.Writer
	source Source
	size   func() (columns, rows int)

	mu      sync.Mutex
	lines   []string // printed and not yet written
	resumed bool     // what was drawn is no longer where the cursor is
	over    bool

	wake, closing, closed chan struct{}

	// drawn are the widths of the lines that are on display below what was printed. Only write uses it.
	drawn []int
}

// New starts a screen on w. Size reports the terminal's size, at each drawing anew; where it is nil or
// reports zero, nothing is redrawn. The caller must Close the screen.
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

// Print adds a line, above what still runs. After Close it writes at once.
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

// Resume tells the screen that others have written to the terminal, such as the shell while this
// program was stopped: it begins anew below that.
func (s *Screen) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resumed = true
}

// Close writes what was printed and takes what still runs off the display. Once hurry is closed it waits
// no longer than 2 s for a reader that does not read; nil never hurries.
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
			// The last column stays free, else some terminals go to the next line; the last row is the cursor's.
			running = s.source.Draw(columns-1, rows-1)
		}
		s.write(running, columns)
	}
}

// redrawable reports whether there is room for a line and for the cursor below it.
func redrawable(columns, rows int) bool { return columns > 1 && rows > 1 }

func (s *Screen) add(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, lines...)
}

// write puts what was printed in the place of what was drawn, and running below it.
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
