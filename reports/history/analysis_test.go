package history

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/reports/history/internal/synthetic"
)

func trackOf(t testing.TB, o synthetic.Options) Track {
	t.Helper()
	var records []Record
	for _, run := range synthetic.Runs(o) {
		records = append(records, recordOf(run, run.ID))
	}
	tracks := Tracks(records)
	if len(tracks) != 1 {
		t.Fatalf("%d tracks", len(tracks))
	}
	return tracks[0]
}

// outcomes are runs of one requirement, a letter each: p passes, f fails, s is skipped, - lacks the requirement.
func outcomes(t testing.TB, letters string, change func(int, *reports.Run)) Track {
	t.Helper()
	return trackOf(t, synthetic.Options{Runs: len(letters), Requirements: 2, Change: func(n int, run *reports.Run) {
		switch letters[n] {
		case 'f':
			synthetic.Set(run, "INJ-01", reports.Fail)
		case 's':
			synthetic.Set(run, "INJ-01", reports.Skipped)
		case 'e':
			synthetic.Set(run, "INJ-01", reports.Error)
		case '-':
			run.Requirements, run.Specs = run.Requirements[1:], run.Specs[1:]
		}
		if change != nil {
			change(n, run)
		}
	}})
}

func TestBreaks(t *testing.T) {
	for letters, want := range map[string][]string{
		"pppp":    nil,
		"ssss":    nil,
		"ppff":    {"1 2 lasts, 2 failed"},
		"pf":      {"0 1 lasts, 1 failed"},
		"ffff":    {"none 0 lasts, 4 failed"},
		"ppfp":    {"1 2 until 3, 1 failed"},
		"psef":    {"0 3 lasts, 1 failed, 2 undecided"},
		"pfsf":    {"0 1 lasts, 2 failed"},
		"pfpf":    {"2 3 lasts, 1 failed", "0 1 until 2, 1 failed"},
		"p-f-":    {"0 2 lasts, 1 failed, 1 undecided"},
		"-f":      {"none 1 lasts, 1 failed, 1 undecided"},
		"fpffpff": {"4 5 lasts, 2 failed", "1 2 until 4, 2 failed", "none 0 until 1, 1 failed"},
	} {
		track := outcomes(t, letters, nil)
		place := func(r Record) string {
			i := slices.IndexFunc(track.Runs, func(other Record) bool { return other.ID == r.ID })
			if i < 0 {
				return "none"
			}
			return fmt.Sprint(i)
		}
		var got []string
		for _, b := range track.Breaks() {
			text := place(b.Held) + " " + place(b.Broke)
			if b.Fixed == nil {
				text += " lasts"
			} else {
				text += " until " + place(*b.Fixed)
			}
			text += fmt.Sprintf(", %d failed", b.Failed)
			if b.Undecided > 0 {
				text += fmt.Sprintf(", %d undecided", b.Undecided)
			}
			if b.ID != "INJ-01" {
				text = b.ID + " " + text
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", letters, diff)
		}
	}
}

// Each change that may come with a break is reported.
func TestWhatCameWithABreak(t *testing.T) {
	for want, change := range map[string]func(*reports.Run){
		"":                               func(*reports.Run) {},
		"agent: ":                        func(run *reports.Run) { run.Subjects[0].Digest = "sha256:new" },
		"agent: epi-agent:1@sha256:aaaa": func(run *reports.Run) { run.Subjects[0].Digest = "sha256:new" },
		"webhook: ":                      func(run *reports.Run) { run.Subjects[1].Digest = "sha256:new" },
		"Kubernetes: v1.36.3 → v1.37.0":  func(run *reports.Run) { run.Environment.KubernetesVersion = "v1.37.0" },
		"region: us-west-2 → eu-west-1":  func(run *reports.Run) { run.Environment.Region = "eu-west-1" },
		"epi: v0.1.0 30ed0da41c66 → v0.2.0 30ed0da41c66": func(run *reports.Run) { run.Epi.Version = "v0.2.0" },
		"IMDS hop limit: 1 → 2":                          func(run *reports.Run) { run.Environment.IMDSHopLimit = 2 },
		"nodes: 1 → 3":                                   func(run *reports.Run) { run.Environment.Nodes = 3 },
		"node image: epi-node:v1.36.3 → other":           func(run *reports.Run) { run.Environment.NodeImage = "other" },
		"capabilities: none → imds":                      func(run *reports.Run) { run.Environment.Capabilities = []string{"imds"} },
	} {
		breaks := outcomes(t, "pppff", func(n int, run *reports.Run) {
			if n >= 3 {
				change(run)
			}
		}).Breaks()
		if len(breaks) != 1 {
			t.Errorf("%s: %d breaks", want, len(breaks))
			continue
		}
		switch changes := breaks[0].Changes; {
		case want == "" && len(changes) > 0:
			t.Errorf("nothing changed, got %v", changes)
		case want != "" && (len(changes) != 1 || !strings.HasPrefix(changes[0].String(), want)):
			t.Errorf("want %q, got %v", want, changes)
		}
	}
}

func TestFlakes(t *testing.T) {
	epi := func(run *reports.Run, n int) { run.Epi.Revision = fmt.Sprint(n) }
	agent := func(run *reports.Run, n int) { run.Subjects[0].Digest = fmt.Sprint("sha256:", n) }
	for _, row := range []struct {
		letters string
		change  func(run *reports.Run, n int)
		want    string
	}{
		{"pppppp", nil, ""},
		{"ffffff", nil, ""},
		{"ppfppp", nil, "2 of 5"},
		{"pfpfpf", nil, "5 of 5"},
		{"ppsfpp", nil, "2 of 4"}, // an undecided run is no flip
		{"ppefpp", nil, "2 of 4"},
		{"pppf", nil, "1 of 3"},
		{"pppfffff", nil, "1 of 7 once"},
		{"pppfff", agent, ""}, // each run has another agent
		{"ppfpp", epi, "2 of 4, 2 with another epi"},
		{"pppfff", epi, ""}, // the suites may have changed
		// A B A B: each agent by itself is stable.
		{"pfpfpf", func(run *reports.Run, n int) { agent(run, n%2) }, ""},
		// … and one of them is not.
		{"ppfppp", func(run *reports.Run, n int) { agent(run, n%2) }, "2 of 4"},
	} {
		flakes := outcomes(t, row.letters, func(n int, run *reports.Run) {
			if row.change != nil {
				row.change(run, n)
			}
		}).Flakes()
		got := ""
		for _, f := range flakes {
			got += fmt.Sprintf("%d of %d", f.Flips, f.Pairs)
			if f.Once {
				got += " once"
			}
			if f.OnlyEpi > 0 {
				got += fmt.Sprintf(", %d with another epi", f.OnlyEpi)
			}
			if f.ID != "INJ-01" || f.Low >= f.Rate || f.High < f.Rate || f.Low <= 0 {
				t.Errorf("%s: %+v", row.letters, f)
			}
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.letters, got, row.want)
		}
	}
}

// The exact interval of 0 of n ends at 1-0.025^(1/n), that of n of n begins at 0.025^(1/n); 5 of 10 is in every table:
// https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Clopper%E2%80%93Pearson_interval
func TestProportion(t *testing.T) {
	for _, row := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 10, 0, 1 - math.Pow(0.025, 0.1)}, {10, 10, math.Pow(0.025, 0.1), 1}, {5, 10, 0.187086, 0.812914}, {1, 1, 0.025, 1}, {0, 1, 0, 0.975}, {3, 1000, 0.000619, 0.008744},
	} {
		low, high := proportion(row.k, row.n)
		if math.Abs(low-row.low) > 1e-5 || math.Abs(high-row.high) > 1e-5 {
			t.Errorf("%d of %d: %.6f to %.6f, want %.6f to %.6f", row.k, row.n, low, high, row.low, row.high)
		}
	}
}

func TestTracksKeepUnlikeRunsApart(t *testing.T) {
	var records []Record
	for n, change := range []func(*reports.Run){
		func(*reports.Run) {},
		func(run *reports.Run) { run.Environment.Provider, run.Environment.AWS = "eks", "aws" },
		func(run *reports.Run) { run.Subjects[0].Digest = "sha256:other" }, // a version of the same program
		func(run *reports.Run) {
			run.Subjects[0] = reports.Subject{Role: "agent", Image: "example.com/eks/eks-pod-identity-agent:0.1.6@sha256:1"}
		},
		func(run *reports.Run) { run.Subjects[1] = reports.Subject{Role: "webhook", Absent: true} },
		func(run *reports.Run) { run.Selection = []string{"--break=role-without-policy"} },
		func(run *reports.Run) { run.Selection = []string{"--profile=core"} },
		func(run *reports.Run) { run.Subjects, run.Environment = nil, reports.Environment{} },
		func(run *reports.Run) { run.Environment.KubernetesVersion = "v1.37.0" },
	} {
		run := synthetic.Runs(synthetic.Options{Runs: n + 1})[n]
		change(&run)
		record, _, err := RecordOf(run)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	got := map[string]int{}
	slugs := map[string]bool{}
	for _, track := range Tracks(records) {
		got[track.Name] = len(track.Runs)
		slugs[track.Slug] = true
	}
	want := map[string]int{
		"kind with the emulator: reference agent, reference webhook":                              4,
		"eks with AWS: reference agent, reference webhook":                                        1,
		"kind with the emulator: agent eks-pod-identity-agent, reference webhook":                 1,
		"kind with the emulator: reference agent, no webhook":                                     1,
		"kind with the emulator: reference agent, reference webhook, --break=role-without-policy": 1,
		"no environment: nothing tested":                                                          1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(slugs) != len(want) {
		t.Errorf("slugs: %v", slugs)
	}
}

func changesOf(trends []Series) []ChangePoint {
	var all []ChangePoint
	for _, s := range trends {
		all = append(all, s.Changes...)
	}
	return all
}

// Unchanged code over 20 runs: at most one store of twenty may show any change. The runs have good and bad days, which
// their measures share. With a probability of 5%, more than 18 of 200 stores show one in less than 1% of cases.
func TestUnchangedCodeShowsNoChange(t *testing.T) {
	const stores = 200
	shown := 0
	for seed := range stores {
		if len(changesOf(Trends([]Track{trackOf(t, synthetic.Options{Runs: 20, Requirements: 1, Measures: 12, Seed: uint64(seed)})}))) > 0 {
			shown++
		}
	}
	t.Logf("%d of %d stores show a change", shown, stores)
	if shown > 18 {
		t.Errorf("%d of %d stores of unchanged code show a change, more than one of twenty", shown, stores)
	}
}

// A regression is found with its first bad run, and with the changes of that run.
func TestARegressionIsFoundWithItsFirstRun(t *testing.T) {
	const first = 12
	track := trackOf(t, synthetic.Options{Runs: 24, Requirements: 1, Measures: 4, Seed: 7,
		Slower: func(n int) float64 {
			if n >= first {
				return 1.6
			}
			return 1
		},
		Change: func(n int, run *reports.Run) {
			if n >= first {
				run.Subjects[0].Digest = "sha256:slower"
			}
		},
	})
	changes := changesOf(Trends([]Track{track}))
	if len(changes) != 8 {
		t.Errorf("%d changes of 8 measures", len(changes))
	}
	for _, c := range changes {
		if c.First.ID != track.Runs[first].ID || c.Before.ID != track.Runs[first-1].ID || !c.Worse || c.Better || c.Ratio < 1.4 || c.Ratio > 1.8 || c.Machine != "" {
			t.Errorf("%+v", c)
		}
		if len(c.Changes) != 1 || c.Changes[0].What != "agent" {
			t.Errorf("came with %v", c.Changes)
		}
	}
}

// It is also found if it disappears again, and if few runs follow it.
func TestSeveralChanges(t *testing.T) {
	for name, row := range map[string]struct {
		runs   int
		slower func(int) float64
		want   []int
	}{
		"there and back": {36, func(n int) float64 {
			if n >= 12 && n < 24 {
				return 2
			}
			return 1
		}, []int{12, 24}},
		"twice up": {36, func(n int) float64 { return math.Pow(1.7, float64(n/12)) }, []int{12, 24}},
		"late": {30, func(n int) float64 {
			if n >= 26 {
				return 2
			}
			return 1
		}, []int{26}},
		"one bad day":    {30, func(n int) float64 { return 1 + float64(max(0, 1-abs(n-15))) }, nil},
		"two bad days":   {30, func(n int) float64 { return 1 + float64(max(0, 1-abs(n/2-7))) }, nil},
		"too few runs":   {5, func(n int) float64 { return 1 + float64(n/3) }, nil},
		"nothing at all": {0, func(int) float64 { return 1 }, nil},
	} {
		if row.runs == 0 {
			if got := Trends(nil); got != nil {
				t.Errorf("%s: %v", name, got)
			}
			continue
		}
		for _, s := range Trends([]Track{trackOf(t, synthetic.Options{Runs: row.runs, Requirements: 1, Measures: 1, Seed: 3, Slower: row.slower})}) {
			var at []int
			for _, c := range s.Changes {
				at = append(at, c.At)
			}
			if diff := cmp.Diff(row.want, at); diff != "" {
				t.Errorf("%s, %s: %s", name, s.About(), diff)
			}
		}
	}
}

func abs(n int) int { return max(n, -n) }

// If the generators became slower at the same run, the report says that the machine may have changed.
func TestTheMachineMayHaveChanged(t *testing.T) {
	track := trackOf(t, synthetic.Options{Runs: 24, Requirements: 1, Measures: 2, Seed: 5,
		Slower: func(n int) float64 { return 1 + float64(n/12) },
		Change: func(n int, run *reports.Run) {
			if n >= 12 {
				run.Bench.Generator.P50 *= 2
				run.Bench.Generator.P99 *= 2
			}
		},
	})
	changes := changesOf(Trends([]Track{track}))
	if len(changes) == 0 {
		t.Fatal("no change")
	}
	for _, c := range changes {
		if !strings.HasPrefix(c.Machine, "p50, p99") {
			t.Errorf("%q", c.Machine)
		}
	}
}

// Values of other machines and sizes, and those that the generator limited, are not part of a series.
func TestSeriesAreOfLikeThings(t *testing.T) {
	track := trackOf(t, synthetic.Options{Runs: 9, Requirements: 1, Measures: 1, Change: func(n int, run *reports.Run) {
		switch n % 4 {
		case 1:
			run.Bench.Machines[0].Cores = 64
		case 2:
			run.Bench.Scenarios[0].Size["duration"] = "60s"
		case 3:
			run.Bench.Scenarios[0].Cases[0].Limited = "it sent half"
		}
	}})
	var got []int
	for _, s := range Trends([]Track{track}) {
		got = append(got, len(s.Points))
	}
	if diff := cmp.Diff([]int{3, 3, 2, 2, 2, 2}, got); diff != "" {
		t.Error(diff)
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

// A thousand runs of a benchmark with 60 measures are analysed in seconds. The bound is no measurement: quadratic work
// would take minutes.
func TestTrendsOfManyRuns(t *testing.T) {
	track := trackOf(t, synthetic.Options{Runs: 1000, Requirements: 1, Measures: 30, Slower: func(n int) float64 { return 1 + float64(n/700) }})
	began := processorTime(t)
	trends := Trends([]Track{track})
	took := processorTime(t) - began
	t.Logf("took %s", took)
	if took > time.Minute {
		t.Errorf("took %s", took)
	}
	for _, s := range trends {
		if len(s.Changes) == 0 || s.Changes[0].At < 695 || s.Changes[0].At > 705 {
			t.Errorf("%s: %d changes", s.About(), len(s.Changes))
		}
	}
}
