package timeline

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestATraceHasSpansAndWhatUsedTheCores(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var line Timeline
	line.Add(Span{Track: "steps", Name: "second", Started: start.Add(time.Second), Took: time.Second, Failed: true})
	line.Add(Span{Track: "steps", Name: "first", Started: start, Took: 3 * time.Second})
	line.Add(Span{Track: "steps", Name: "third", Started: start.Add(2 * time.Second), Took: time.Second})
	line.samples = []Sample{{At: start.Add(time.Second), Cores: map[string]float64{"compile": 1.5, "kubelet": 0.2}}}
	var out bytes.Buffer
	if err := line.Write(&out); err != nil {
		t.Fatal(err)
	}
	var trace struct{ TraceEvents []event }
	if err := json.Unmarshal(out.Bytes(), &trace); err != nil {
		t.Fatal(err)
	}
	lanes := map[string]int{}
	for _, e := range trace.TraceEvents {
		switch e.Phase {
		case "X":
			lanes[e.Name] = e.TID
			if e.Name == "second" && (e.At != 1e6 || e.Took != 1e6 || e.Args["failed"] != true) {
				t.Errorf("second: %+v", e)
			}
		case "C":
			if e.At != 1e6 || e.Args["compile"] != 1.5 || e.Args["all others"] != 0.0 {
				t.Errorf("cores: %+v", e)
			}
		}
	}
	// Overlapping spans have lanes of their own. The third uses the lane of the second.
	if len(trace.TraceEvents) != 5 || lanes["first"] != 1 || lanes["second"] != 2 || lanes["third"] != 2 {
		t.Errorf("%d events, lanes %v", len(trace.TraceEvents), lanes)
	}
}

// Texts as proc_pid_stat(5) and proc_stat(5) have them.
func TestWhatProcessesUse(t *testing.T) {
	proc := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(proc, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const rest = " S 1 1 1 0 -1 4194560 1 1 1 1 "
	write("stat", "cpu  100 0 50 900 10 0 0 0 0 0\ncpu0 1 2 3\n")
	write("7/stat", "7 (a ) b)"+rest+"10 5 0 0 20 0 1 0 77 0 0")
	write("8/stat", "broken")
	before, err := read(proc)
	if err != nil {
		t.Fatal(err)
	}
	write("stat", "cpu  300 0 150 950 20 0 0 0 0 0\n")
	write("7/stat", "7 (a ) b)"+rest+"110 55 0 0 20 0 1 0 77 0 0")
	write("9/stat", "9 (new)"+rest+"50 0 0 0 20 0 1 0 99 0 0")
	after, err := read(proc)
	if err != nil {
		t.Fatal(err)
	}
	after.at = before.at.Add(2 * time.Second)
	got := after.since(before).Cores
	for name, want := range map[string]float64{"a ) b": 150. / 200, "new": 50. / 200, "ended meanwhile, kernel": 100. / 200} {
		if math.Abs(got[name]-want) > 1e-9 {
			t.Errorf("%s used %g cores, want %g", name, got[name], want)
		}
	}
	if _, err := busy([]byte("intr 5")); err == nil {
		t.Error("a file without the time of all processors was read")
	}
	if _, err := read(filepath.Join(proc, "none")); err == nil {
		t.Error("a folder that is none was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("7 (a ) b) S 1 1 1 0 -1 4194560 1 1 1 1 10 5 0 0 20 0 1 0 77 0 0"))
	f.Fuzz(func(t *testing.T, stat []byte) {
		if _, used, ok := parse(1, stat); ok && used.ticks < 0 {
			t.Errorf("%d ticks of %q", used.ticks, stat)
		}
	})
}
