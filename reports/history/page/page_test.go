package page

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/reports/history"
	"github.com/podidentity/epi/reports/history/internal/synthetic"
)

func storeOf(t testing.TB, runs []reports.Run) history.Store {
	t.Helper()
	store, err := history.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		if _, _, err := store.Add(run); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// eventful are runs in which something breaks with another agent, something is unstable, and the agent becomes slower.
func eventful(runs int) []reports.Run {
	return synthetic.Runs(synthetic.Options{Runs: runs, Requirements: 24, Measures: 3, Seed: 9,
		Slower: func(n int) float64 {
			if n >= runs*2/3 {
				return 1.8
			}
			return 1
		},
		Change: func(n int, run *reports.Run) {
			if n >= runs*2/3 {
				run.Subjects[0].Digest = "sha256:" + strings.Repeat("c", 64)
				synthetic.Set(run, "AGT-03", reports.Fail)
			}
			if n%7 == 2 {
				synthetic.Set(run, "INJ-02", reports.Fail)
			}
			if n >= 5 && n < 9 {
				run.Environment.KubernetesVersion = "v1.35.1"
				synthetic.Set(run, "AUT-01", reports.Fail)
			}
			if n%3 == 0 {
				synthetic.Set(run, "SDK-01", reports.NotSupported)
			}
			if n == runs-2 {
				run.Bench.Baseline, run.Bench.Differences = "main/bench.json", []reports.Difference{{Scenario: "warm", Metric: "p99", Unit: "sec", Old: 1, New: 2, Ratio: 2, P: 0.01, Verdict: "worse", Regressed: true}}
			}
		},
	})
}

func written(t testing.TB, store history.Store, options Options) (string, Written) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pages")
	w, err := Write(dir, store, options)
	if err != nil {
		t.Fatal(err)
	}
	return dir, w
}

func read(t testing.TB, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// text is the text of a page in one line.
func text(t testing.TB, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for node := range root.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "script" && node.Parent.Data != "style" {
			words = append(words, strings.Fields(node.Data)...)
		}
	}
	return strings.Join(words, " ")
}

func TestTheFirstPageSaysWhatChanged(t *testing.T) {
	runs := eventful(60)
	dir, w := written(t, storeOf(t, runs), Options{Reports: 5})
	if w.Runs != 60 || w.Reports < 5 || w.Reports > 30 {
		t.Errorf("%+v", w)
	}
	said := text(t, read(t, dir, indexFile))
	for _, want := range []string{
		"1 requirement fails, 6 measures changed", "60 runs, from 1 September 2026 to 30 October 2026.",
		"AGT-03 Claim 9 holds for `pods` that ask", "agent: epi-agent:1@sha256:aaaaaaaaaaaa… → epi-agent:1@sha256:cccccccccccc…", "20 runs",
		"INJ-02 Claim 4 holds", "10 that hold again", "Kubernetes: v1.36.3 → v1.35.1",
		"warm/rate=100 p50", "worse", "with the baseline main/bench.json", "warm p99 × 2 worse",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the first page lacks %q", want)
		}
	}
	first := runs[40].ID
	for _, section := range []string{"open", "moves"} {
		from := strings.Index(read(t, dir, indexFile), `<section id="`+section+`"`)
		if from < 0 || !strings.Contains(read(t, dir, indexFile)[from:from+8000], ">"+first+"<") {
			t.Errorf("%s does not name %s as the first run", section, first)
		}
	}
	if t.Failed() {
		t.Log(said[:min(len(said), 6000)])
	}
}

// Every link of every page has a target, and no page requests anything else.
func TestLinksLeadSomewhere(t *testing.T) {
	dir, _ := written(t, storeOf(t, eventful(130)), Options{Reports: 20})
	ids, links := map[string]map[string]bool{}, map[string][]string{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".html") {
			return err
		}
		below, _ := filepath.Rel(dir, name)
		ids[below] = map[string]bool{}
		root, err := html.Parse(strings.NewReader(read(t, dir, below)))
		if err != nil {
			return err
		}
		for node := range root.Descendants() {
			for _, attribute := range node.Attr {
				switch attribute.Key {
				case "id":
					if ids[below][attribute.Val] {
						t.Errorf("%s has the id %s twice", below, attribute.Val)
					}
					ids[below][attribute.Val] = true
				case "href":
					if node.Data == "a" {
						links[below] = append(links[below], attribute.Val)
					}
				case "src", "onclick", "style":
					t.Errorf("%s has %s=%q", below, attribute.Key, attribute.Val)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) < 25 {
		t.Errorf("only %d pages", len(ids))
	}
	for page, list := range links {
		for _, link := range list {
			target, anchor, _ := strings.Cut(link, "#")
			if strings.HasPrefix(link, "https://") {
				continue
			}
			name := filepath.Join(filepath.Dir(page), target)
			if target == "" {
				name = page
			}
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Errorf("%s leads to %s: %v", page, link, err)
			} else if anchor != "" && !ids[name][anchor] {
				t.Errorf("%s leads to %s, which has no such place", page, link)
			}
		}
	}
}

func TestReportsThatAreThereStay(t *testing.T) {
	store := storeOf(t, eventful(9))
	dir, _ := written(t, store, Options{Reports: 9})
	kept := filepath.Join(dir, "run")
	entries, err := os.ReadDir(kept)
	if err != nil || len(entries) != 9 {
		t.Fatalf("%d reports, %v", len(entries), err)
	}
	own := filepath.Join(kept, entries[0].Name(), indexFile)
	if err := os.WriteFile(own, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Write(dir, store, Options{Reports: 9})
	if err != nil || w.Reports != 0 {
		t.Errorf("%+v, %v", w, err)
	}
	if data, _ := os.ReadFile(own); string(data) != "kept" {
		t.Error("a report was written again")
	}
	if w, err = Write(dir, store, Options{Rewrite: true}); err != nil || w.Reports != 9 {
		t.Errorf("%+v, %v", w, err)
	}
	// Without any plot every row is still readable.
	dir, _ = written(t, store, Options{})
	if strings.Contains(read(t, dir, indexFile), "run/") {
		t.Error("the first page leads to a report that is not there")
	}
}

// A measure with fewer runs than a plot needs is a row of a table with its newest value, and not an empty plot.
func TestMeasuresOfFewRunsAreATable(t *testing.T) {
	for runs, plots := range map[int]bool{1: false, 2: false, 3: true} {
		dir, _ := written(t, storeOf(t, synthetic.Runs(synthetic.Options{Runs: runs, Measures: 2, Seed: 4})), Options{Reports: 1})
		page := read(t, dir, trendsFile)
		if got := strings.Count(page, `<svg class="plot"`) > 0; got != plots {
			t.Errorf("%d runs: plots %t, want %t", runs, got, plots)
		}
		if got := strings.Count(page, "<article") > 0; got != plots {
			t.Errorf("%d runs: places for plots %t, want %t", runs, got, plots)
		}
		if got := strings.Contains(page, `<section id="few"`); got == plots {
			t.Errorf("%d runs: the table of few runs is there: %t", runs, got)
		}
		if said := text(t, page); !strings.Contains(said, "warm/rate=100 p50") {
			t.Errorf("%d runs: the measure is missing in %q", runs, said)
		}
	}
}

func TestAnEmptyStoreHasAPage(t *testing.T) {
	dir, _ := written(t, storeOf(t, nil), Options{Reports: 9})
	if said := text(t, read(t, dir, indexFile)); !strings.Contains(said, "No runs yet") {
		t.Error(said)
	}
}

func TestDamageIsReported(t *testing.T) {
	store := storeOf(t, eventful(3))
	files, err := filepath.Glob(filepath.Join(store.Dir(), "runs", "*", "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%q, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, w := written(t, store, Options{Reports: 9})
	if len(w.Damages) != 1 || !strings.Contains(text(t, read(t, dir, indexFile)), filepath.Base(files[0])) {
		t.Errorf("%+v", w)
	}
}

// processorTime is the processor time of this process, in all its threads. Other load on the machine does not increase it.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A thousand runs with a catalogue of the real size: the first page stays below a megabyte, and writing the pages of a
// store takes seconds. The time bound is no measurement. The time is logged.
func TestAThousandRuns(t *testing.T) {
	runs := synthetic.Runs(synthetic.Options{Runs: 1000, Requirements: 120, Measures: 5, Seed: 4, Change: func(n int, run *reports.Run) {
		for i := range 120 {
			if (n*31+i*17)%53 == 0 {
				synthetic.Set(run, synthetic.ID(i), reports.Fail)
			}
		}
	}})
	store := storeOf(t, runs)
	began := processorTime(t)
	dir, w := written(t, store, Options{})
	took := processorTime(t) - began
	largest, name := int64(0), ""
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if info, statErr := os.Stat(file); statErr == nil && info.Size() > largest && !info.IsDir() {
			largest, name = info.Size(), filepath.Base(file)
		}
		return err
	})
	t.Logf("%d runs in %s; first page %d bytes; largest %s, %d bytes", w.Runs, took, len(read(t, dir, indexFile)), name, largest)
	if err != nil || took > time.Minute {
		t.Errorf("took %s, %v", took, err)
	}
	if size := len(read(t, dir, indexFile)); size > 1<<20 {
		t.Errorf("the first page has %d bytes", size)
	}
}

// Names and sentences of a hostile run stay text everywhere.
func TestHostileRunsStayText(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>"'</script><script>alert(2)</script>` + "\x1b[31m\u202e"
	runs := synthetic.Runs(synthetic.Options{Runs: 9, Requirements: 3, Measures: 1, Change: func(n int, run *reports.Run) {
		run.Requirements[0].ID, run.Requirements[0].Statement = evil, strings.Repeat(evil, 1000)
		run.Specs[0].Requirements = []string{evil}
		run.Subjects[0].Image, run.Subjects[0].Reference = evil, false
		run.Environment.KubernetesVersion, run.Environment.Provider, run.Epi.Version = evil+string(rune('a'+n)), evil, evil
		run.Bench.Scenarios[0].Name, run.Bench.Machines[0].CPU = evil, evil
		if n > 4 {
			run.Specs[0].Outcome = reports.Fail
		}
		run.ID = evil
	}})
	dir, _ := written(t, storeOf(t, runs), Options{Reports: 9})
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".html") {
			return err
		}
		below, _ := filepath.Rel(dir, name)
		page := read(t, dir, below)
		root, parseErr := html.Parse(strings.NewReader(page))
		scripts := 0
		for node := range root.Descendants() {
			switch node.Data {
			case "img":
				t.Errorf("%s has an image", below)
			case "script":
				if node.Type == html.ElementNode {
					scripts++
				}
			}
			for _, attribute := range node.Attr {
				if strings.HasPrefix(attribute.Key, "on") {
					t.Errorf("%s has %s", below, attribute.Key)
				}
			}
		}
		if scripts != 1 || strings.ContainsAny(page, "\x1b\u202e") {
			t.Errorf("%s has %d scripts, or controls terminals", below, scripts)
		}
		return errors.Join(parseErr, err)
	})
	if err != nil {
		t.Fatal(err)
	}
	if size := len(read(t, dir, indexFile)); size > 1<<20 {
		t.Errorf("the first page has %d bytes", size)
	}
}

func TestBadges(t *testing.T) {
	dir, _ := written(t, storeOf(t, eventful(60)), Options{})
	var endpoint struct {
		SchemaVersion         int
		Label, Message, Color string
	}
	if err := json.Unmarshal([]byte(read(t, dir, "badge.json")), &endpoint); err != nil || endpoint.SchemaVersion != 1 || endpoint.Label != "Pod Identity conformance" || endpoint.Message != "23/24" || endpoint.Color != "red" {
		t.Errorf("%+v, %v", endpoint, err)
	}
	decoder := xml.NewDecoder(strings.NewReader(read(t, dir, "badge.svg")))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(read(t, dir, "badge.svg"), `aria-label="Pod Identity conformance: 23/24"`) {
		t.Error(read(t, dir, "badge.svg"))
	}
}
