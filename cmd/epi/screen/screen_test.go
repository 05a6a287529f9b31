package screen

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

// display is a terminal of columns × rows that supports what a screen uses, and wraps long lines.
type display struct {
	columns, rows int

	mu       sync.Mutex
	lines    []string // all of them, also those that have scrolled off
	row, col int
	writes   int
	stuck    chan struct{} // if set, a write waits until it is closed
	blocked  chan struct{} // closed when the first does
	once     sync.Once
	unknown  []string
}

var control = regexp.MustCompile(`^\x1b\[(\d*)([A-Za-z])`)

func (d *display) Write(data []byte) (int, error) {
	if d.stuck != nil {
		d.once.Do(func() { close(d.blocked) })
		<-d.stuck
		return 0, io.ErrClosedPipe
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	for text := string(data); text != ""; {
		if match := control.FindStringSubmatch(text); match != nil {
			text = text[len(match[0]):]
			n, _ := strconv.Atoi(match[1])
			d.do(match[2], n)
			continue
		}
		char := []rune(text)[0]
		text = text[len(string(char)):]
		d.put(char)
	}
	return len(data), nil
}

func (d *display) do(command string, n int) {
	switch command {
	case "A":
		d.row = max(0, len(d.lines)-d.rows, d.row-n)
	case "J":
		d.lines = d.lines[:min(len(d.lines), d.row)]
	case "m":
	default:
		d.unknown = append(d.unknown, command)
	}
}

func (d *display) put(char rune) {
	switch char {
	case '\r':
		d.col = 0
		return
	case '\n':
		d.row, d.col = d.row+1, 0
		return
	}
	if d.col+runewidth.RuneWidth(char) > d.columns {
		d.row, d.col = d.row+1, 0
	}
	for len(d.lines) <= d.row {
		d.lines = append(d.lines, "")
	}
	d.lines[d.row] += string(char)
	d.col += runewidth.RuneWidth(char)
}

func (d *display) size() (int, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.columns, d.rows
}

// narrow makes the display narrower, and wraps longer lines like most terminals.
func (d *display) narrow(columns int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.columns = columns
	var lines []string
	for _, line := range d.lines {
		for runewidth.StringWidth(line) > columns {
			head := runewidth.Truncate(line, columns, "")
			lines = append(lines, head)
			line = line[len(head):]
		}
		lines = append(lines, line)
	}
	d.row += len(lines) - len(d.lines)
	d.lines = lines
}

func (d *display) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, "\n")
}

// source is what runs, as a test sets it.
type source struct {
	mu    sync.Mutex
	lines []string
	log   []string
	asked int
}

func (s *source) set(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = lines
}

func (s *source) Draw(columns, rows int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	var lines []string
	for _, line := range s.lines {
		lines = append(lines, Cut(line, columns))
	}
	return lines[:min(rows, len(lines))]
}

func (s *source) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log
}

func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func TestWhatRunsStaysBelowWhatWasPrinted(t *testing.T) {
	d, running := &display{columns: 20, rows: 5}, &source{}
	s := New(d, running, d.size)
	running.set("a: 1", "b: 1")
	wait(t, "first drawing", func() bool { return d.text() == "a: 1\nb: 1" })
	s.Print("first")
	running.set("b: 2 and more than there is room for")
	wait(t, "second drawing", func() bool { return d.text() == "first\nb: 2 and more than…" })
	s.Print("a line of its own that is longer than the display")
	wait(t, "third drawing", func() bool { return strings.HasSuffix(d.text(), "display\nb: 2 and more than…") })
	s.Close(nil)
	if want := "first\na line of its own th\nat is longer than th\ne display"; d.text() != want {
		t.Errorf("left is\n%s\nwant\n%s", d.text(), want)
	}
	if d.col != 0 || len(d.unknown) > 0 {
		t.Errorf("cursor in column %d, commands %q", d.col, d.unknown)
	}
	s.Print("after the end")
	if !strings.HasSuffix(d.text(), "after the end") {
		t.Error("what is printed after the end is lost")
	}
	s.Close(nil) // a second time does nothing
}

func TestLinesThatANarrowerTerminalWrapsAreTakenOff(t *testing.T) {
	d, running := &display{columns: 40, rows: 10}, &source{}
	s := New(d, running, d.size)
	s.Print("printed")
	running.set(strings.Repeat("x", 39), "short", strings.Repeat("y", 25))
	wait(t, "drawing", func() bool { return strings.HasSuffix(d.text(), strings.Repeat("y", 25)) })
	d.narrow(12)
	running.set("z")
	wait(t, "drawing after the change", func() bool { return d.text() == "printed\nz" })
	s.Close(nil)
}

func TestNoMoreLinesThanRows(t *testing.T) {
	d, running := &display{columns: 20, rows: 4}, &source{}
	s := New(d, running, d.size)
	s.Print("top")
	var many []string
	for n := range 10 {
		many = append(many, fmt.Sprint(n))
	}
	running.set(many...)
	wait(t, "three drawings", func() bool { return d.text() == "top\n0\n1\n2" && d.count() > 3 })
	s.Close(nil)
}

func (d *display) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

func TestWithoutASizeThereAreOnlyLines(t *testing.T) {
	for _, size := range []func() (int, int){nil, func() (int, int) { return 0, 0 }, func() (int, int) { return 0, 24 }, func() (int, int) { return 80, 1 }, func() (int, int) { return 1, 24 }} {
		d, running := &display{columns: 80, rows: 24}, &source{log: []string{"still at it"}}
		running.set("drawn")
		s := New(d, running, size)
		s.Print("printed")
		wait(t, "log", func() bool { return strings.HasPrefix(d.text(), "printed\nstill at it") })
		s.Close(nil)
		if strings.Contains(d.text(), "drawn") || len(d.unknown) > 0 {
			t.Errorf("drew:\n%s", d.text())
		}
	}
}

func TestAfterAPauseItBeginsBelowWhatOthersWrote(t *testing.T) {
	d := &display{columns: 20, rows: 10}
	s := &Screen{w: d}
	s.write([]string{"a", "b"}, d.columns)
	s.Resume()
	_, _ = io.WriteString(d, "[1]+ Stopped\n")
	s.write([]string{"c"}, d.columns)
	s.write([]string{"d"}, d.columns)
	if want := "a\nb\n[1]+ Stopped\nd"; d.text() != want {
		t.Errorf("left is\n%s\nwant\n%s", d.text(), want)
	}
}

func TestATerminalThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	d := &display{stuck: make(chan struct{}), blocked: make(chan struct{})}
	s := New(d, &source{}, nil)
	s.Print("nobody reads this")
	<-d.blocked
	for range 1000 {
		s.Print("nor this") // does not wait
	}
	hurry := make(chan struct{})
	close(hurry)
	s.Close(hurry) // returns, else the test does not end
	close(d.stuck)
	<-s.closed
}

// gone is a terminal that was closed.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("input/output error") }

func TestATerminalThatIsGoneEndsNothing(t *testing.T) {
	running := &source{}
	running.set("a")
	s := New(gone{}, running, func() (int, int) { return 80, 24 })
	s.Print("b")
	wait(t, "further drawings", func() bool {
		running.mu.Lock()
		defer running.mu.Unlock()
		return running.asked > 2
	})
	s.Close(nil)
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                                "plain",
		"\x1b[31mred\x1b[0m and \x1b[1;4mbold": "red and bold",
		"title \x1b]0;mine\x07end":             "title end",
		"link \x1b]8;;http://x\x1b\\y":         "link y",
		"up\x1b[2A\x1b[Kdown\x1b7\x1b8\x1b(B":  "updown",
		"tab\tand\r\nnewline":                  "tab and  newline",
		"bell\a, back\b, c1\u0085":             "bell, back, c1",
		"unfinished \x1b[12":                   "unfinished 12",
	} {
		if got := Plain(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m", 5)
	f.Add("日本語のテキスト", 7)
	f.Add("e\u0301\u200d\U0001f468", 1)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		plain := Plain(text)
		if strings.ContainsAny(plain, "\x1b\r\n\t\b\a\x00") {
			t.Errorf("%q moves the cursor", plain)
		}
		if columns = min(columns, 1000); columns >= 0 {
			if width := Width(Cut(plain, columns)); width > columns {
				t.Errorf("%q cut to %d takes %d columns", plain, columns, width)
			}
		}
	})
}
