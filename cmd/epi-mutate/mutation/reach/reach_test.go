package reach

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"os"
)

func TestReachingReportsWhoCanNotice(t *testing.T) {
	at := func(from, to, count int) Executed { return Executed{Block{"clusters/agent/a.go", from, to}, count} }
	var m Map
	m.Startup([]Executed{at(1, 3, 1), at(5, 9, 0), at(11, 12, 0), at(14, 15, 0)})
	m.Spec("first", []Executed{at(1, 3, 0), at(5, 9, 2), at(11, 12, 0), at(14, 15, 0)})
	m.Spec("second", []Executed{at(5, 9, 1), at(11, 12, 1)})
	for name, row := range map[string]struct {
		from, to int
		specs    []string
		all      bool
	}{
		"two specs run it":            {6, 6, []string{"first", "second"}, false},
		"one does":                    {12, 12, []string{"second"}, false},
		"lines of two blocks":         {9, 11, []string{"first", "second"}, false},
		"it ran before the first":     {2, 2, nil, true},
		"nobody runs it":              {14, 14, nil, false},
		"it is no statement":          {20, 21, nil, true},
		"it ends where another began": {3, 5, nil, true},
	} {
		specs, all := m.Reaching("clusters/agent/a.go", row.from, row.to)
		if all != row.all || !slices.Equal(specs, row.specs) {
			t.Errorf("%s: %q, all %t", name, specs, all)
		}
	}
	if _, all := m.Reaching("clusters/agent/other.go", 1, 1); !all {
		t.Error("a file that was not measured: not all")
	}
	m.Lost("third")
	if specs, _ := m.Reaching("clusters/agent/a.go", 14, 14); !slices.Equal(specs, []string{"third"}) {
		t.Errorf("a spec with lost counters may have run anything, got %q", specs)
	}
}

func TestParseRefusesWhatIsNoProfile(t *testing.T) {
	got, err := parse("mode: atomic\nexample.org/m/cmd/a.go:3.15,5.2 1 7\n", "example.org/m")
	if want := []Executed{{Block{"cmd/a.go", 3, 5}, 7}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := parse("nonsense\n", "example.org/m"); err == nil {
		t.Error("no error")
	}
}

// The output of runtime/coverage, from a program that is built like the subjects.
func TestDecodeReadsWhatAProgramReports(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.org/m\n\ngo 1.25\n",
		"main.go": `package main

import (
	"os"
	"runtime/coverage"
)

func main() {
	for i, name := range os.Args[1:] {
		file, _ := os.Create(name)
		if i == 0 {
			coverage.WriteMeta(file)
		} else {
			coverage.WriteCounters(file)
		}
	}
	if len(os.Args) > 100 {
		never()
	}
}

func never() {}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"go", "build", "-cover", "-covermode=atomic", "-o", "m", "."}, {"./m", "meta", "counters"}} {
		command := exec.Command(args[0], args[1:]...)
		command.Dir = dir
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, output)
		}
	}
	var counters [][]byte
	for _, name := range []string{"meta", "counters"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		counters = append(counters, data)
	}
	profile, err := Decode(t.Context(), "example.org/m", counters[0], counters[1])
	if err != nil {
		t.Fatal(err)
	}
	var m Map
	m.Spec("it", profile)
	for line, want := range map[int][]string{12: {"it"}, 18: nil} {
		if specs, all := m.Reaching("main.go", line, line); all || !slices.Equal(specs, want) {
			t.Errorf("line %d: %q, all %t; want %q", line, specs, all, want)
		}
	}
}
