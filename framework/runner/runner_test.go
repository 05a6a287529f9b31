package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/reports"
)

// treeVariable makes this test binary run as a process of a runner, with the named tree of specs.
const treeVariable = "EPI_RUNNER_TEST_TREE"

func TestMain(m *testing.M) {
	tree := os.Getenv(treeVariable)
	if tree == "" {
		os.Exit(m.Run())
	}
	trees[tree]()
	pipe, err := MessagesPipe()
	if err == nil {
		err = Process(os.Stdin, pipe, open)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// diary is a folder to which specs write what they do: a line is "PID begin NAME".
type diary struct {
	Dir string `json:"dir"`
	// Refuse makes the harness fail to open.
	Refuse string `json:"refuse,omitempty"`
	// Opened makes processes write that they have started.
	Opened bool `json:"opened,omitempty"`
}

type diaryKey struct{}

func (d diary) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, diaryKey{}, d)
}

func (d diary) Collect(_ context.Context, record reports.Spec) *reports.Evidence {
	d.write("evidence", record.Name+" "+string(record.Outcome))
	return &reports.Evidence{Dir: record.Name}
}

func (d diary) write(what, name string) {
	file, err := os.OpenFile(filepath.Join(d.Dir, "diary"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := fmt.Fprintf(file, "%d %s %s\n", os.Getpid(), what, name); err != nil {
		panic(err)
	}
}

// count returns the number of lines of the diary with this end.
func (d diary) count(end string) int {
	data, err := os.ReadFile(filepath.Join(d.Dir, "diary"))
	if err != nil {
		panic(err)
	}
	return strings.Count(string(data), " "+end+"\n")
}

// begun is the number of specs in the diary that have begun.
func (d diary) begun() int {
	data, _ := os.ReadFile(filepath.Join(d.Dir, "diary")) // there is no file before the first line
	return strings.Count(string(data), " begin ")
}

func (d diary) lines(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(d.Dir, "diary"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
}

func open(payload json.RawMessage) (Harness, error) {
	var d diary
	if err := json.Unmarshal(payload, &d); err != nil {
		return nil, err
	}
	if d.Refuse != "" {
		return nil, errors.New(d.Refuse)
	}
	if d.Opened {
		d.write("open", "process")
	}
	return d, nil
}

func diaryOf(ctx context.Context) diary { return ctx.Value(diaryKey{}).(diary) }

// works is a spec that lasts long enough to overlap with others.
func works(name string, args ...any) {
	It(name, append(args, func(ctx SpecContext) {
		d := diaryOf(ctx)
		d.write("begin", name)
		DeferCleanup(func() { d.write("end", name) })
		Eventually(ctx, time.After(30*time.Millisecond)).WithTimeout(5 * time.Second).Should(Receive())
	})...)
}

func blocks(name string) {
	It(name, func(ctx SpecContext) {
		d := diaryOf(ctx)
		DeferCleanup(func() { d.write("cleaned", name) })
		d.write("begin", name)
		<-ctx.Done()
	})
}

var trees = map[string]func(){
	"quiet": func() {
		Describe("The subject", func() {
			for i := range 12 {
				works(fmt.Sprintf("works %d", i))
			}
			works("is alone", Serial)
			works("is alone again", Serial)
		})
	},
	"verdicts": func() {
		Describe("The subject", func() {
			It("holds", requirement.Covers("INJ-01"), func() {
				By("looking at it")
				AddReportEntry("seen after", "120ms")
				_, _ = fmt.Fprintln(GinkgoWriter, "a line")
			})
			It("does not hold", func() { Expect("two").To(Equal("one")) })
			It("has a broken fixture", func() { Fixture{}.Fatalf("create bucket: no answer") })
			It("has a fixture that breaks in a wait", func(ctx SpecContext) {
				Eventually(ctx, func() int { Fixture{}.Fatalf("ask the API server: connection refused"); return 1 }).WithTimeout(time.Second).Should(Equal(2))
			})
			It("is denied by the subject in a fixture", func() { Fixture{}.Blamef("the webhook refused the pod") })
			It("panics", func() { panic("oh") })
			It("leaves something behind", func() {
				Fixture{}.Cleanup("bucket b", func(context.Context) error { return errors.New("not empty") })
			})
			It("takes too long", SpecTimeout(50*time.Millisecond), func(ctx SpecContext) {
				By("waiting in vain")
				<-ctx.Done()
			})
			It("is skipped", func() { Skip("no such thing here") })
			PIt("is pending")
			It("cannot be decided here", requirement.Needs(clusters.IMDS), func() { panic("must not run") })
		})
	},
	"crash": func() {
		Describe("The subject", func() {
			for i := range 6 {
				works(fmt.Sprintf("works %d", i))
			}
			It("kills the process", func() {
				fmt.Fprintln(os.Stderr, "the last words")
				os.Exit(7)
			})
			It("kills another process", Serial, func() { os.Exit(8) })
			works("is alone", Serial)
		})
	},
	"block": func() {
		Describe("The subject", func() {
			blocks("blocks one")
			blocks("blocks two")
			works("never begins", Serial)
		})
	},
	"slow": func() {
		Describe("The subject", func() {
			for i := range 6 {
				works(fmt.Sprintf("works %d", i))
			}
			works("takes minutes", requirement.Slow(2*time.Minute))
			works("takes longer", requirement.Slow(9*time.Minute))
		})
	},
	"ahead": func() {
		Describe("The subject", func() {
			It("lasts until there is a process for what follows", func(ctx SpecContext) {
				d := diaryOf(ctx)
				d.write("begin", "lasts")
				Eventually(ctx, func() int { return d.count("open process") }).WithTimeout(20 * time.Second).Should(Equal(2))
				d.write("end", "lasts")
			})
			works("is alone", Serial)
		})
	},
	"away": func() {
		Describe("The subject", func() {
			for _, serial := range []any{Label("beside"), Serial} {
				name := fmt.Sprintf("fails at first %v", serial)
				It(name, serial, func(ctx SpecContext) {
					d := diaryOf(ctx)
					d.write("begin", name)
					Expect(d.count("begin " + name)).To(Equal(2))
				})
			}
			works("works")
		})
	},
	"fails": func() {
		Describe("The subject", func() {
			for i := range 5 {
				It(fmt.Sprintf("fails %d", i), func() { Expect("two").To(Equal("one")) })
			}
			works("is alone", Serial)
		})
	},
	"focus": func() {
		Describe("The subject", func() {
			FIt("is focused", func() {})
			It("is not", func() {})
		})
	},
	"twice": func() {
		Describe("The subject", func() {
			It("has one name", func() {})
			It("has one name", func() {})
		})
	},
}

// options returns options to run this program with the tree. The specs write to the diary.
func options(t *testing.T, tree string) (Options, diary) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(treeVariable, tree)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each process of a race build sleeps for a second before it ends
	d := diary{Dir: t.TempDir()}
	return Options{Command: []string{self}, Procs: 3, Payload: d, Grace: 20 * time.Second}, d
}

// collect runs and returns the records by name; a second record of a spec is an error.
func collect(t *testing.T, ctx context.Context, o Options) (map[string]reports.Spec, error) {
	t.Helper()
	records := map[string]reports.Spec{}
	err := Run(ctx, o, func(spec reports.Spec) {
		name := strings.TrimPrefix(spec.Name, "The subject ")
		if _, twice := records[name]; twice {
			t.Errorf("%s was recorded twice", name)
		}
		records[name] = spec
	})
	return records, err
}

func TestEachSpecRunsOnceAndSerialOnesAloneAndLast(t *testing.T) {
	o, d := options(t, "quiet")
	records, err := collect(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	processes := map[int]bool{}
	for name, record := range records {
		if record.Outcome != reports.Pass {
			t.Errorf("%s: %s %+v", name, record.Outcome, record.Failure)
		}
		processes[record.Process] = true
	}
	if len(records) != 14 || len(processes) < 2 {
		t.Errorf("%d records of %d processes, want 14 of several", len(records), len(processes))
	}
	begun := map[string]int{}
	running, serial := 0, false
	for _, line := range d.lines(t) {
		_, rest, _ := strings.Cut(line, " ")
		what, name, _ := strings.Cut(rest, " ")
		if what == "end" {
			running--
			continue
		}
		begun[name]++
		isSerial := strings.HasPrefix(name, "is alone")
		if isSerial && running > 0 {
			t.Errorf("%s began beside %d others", name, running)
		}
		if serial && !isSerial {
			t.Errorf("%s began after a serial spec", name)
		}
		serial = serial || isSerial
		running++
	}
	for name, times := range begun {
		if times != 1 {
			t.Errorf("%s ran %d times", name, times)
		}
	}
	if len(begun) != 14 {
		t.Errorf("%d specs ran, want 14", len(begun))
	}
}

func TestTheProcessOfSerialSpecsStartsBesideTheLastOfTheOthers(t *testing.T) {
	o, d := options(t, "ahead")
	d.Opened = true
	o.Payload = d
	records, err := collect(t, t.Context(), o)
	if err != nil || len(records) != 2 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for name, record := range records {
		if record.Outcome != reports.Pass {
			t.Errorf("%s: %s %+v", name, record.Outcome, record.Failure)
		}
	}
	if lines := d.lines(t); d.count("open process") != 2 || !strings.HasSuffix(lines[len(lines)-1], " end is alone") {
		t.Errorf("the diary is %q", lines)
	}
}

func TestVerdicts(t *testing.T) {
	o, d := options(t, "verdicts")
	o.Decide = func(spec Planned) Decision {
		if len(spec.Needs) > 0 {
			return Decision{Instead: reports.NotSupported, Reason: "needs " + string(spec.Needs[0])}
		}
		return Decision{}
	}
	records, err := collect(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		outcome reports.Outcome
		says    string
	}{
		"holds":                                 {reports.Pass, ""},
		"does not hold":                         {reports.Fail, "to equal"},
		"has a broken fixture":                  {reports.Error, "create bucket: no answer"},
		"has a fixture that breaks in a wait":   {reports.Error, "ask the API server: connection refused"},
		"is denied by the subject in a fixture": {reports.Fail, "the webhook refused the pod"},
		"panics":                                {reports.Error, "oh"},
		"leaves something behind":               {reports.Error, "remove bucket b: not empty"},
		"takes too long":                        {reports.Fail, "timeout occurred while waiting in vain"},
		"is skipped":                            {reports.Skipped, "no such thing here"},
		"is pending":                            {reports.Skipped, "pending"},
		"cannot be decided here":                {reports.NotSupported, "needs imds"},
	} {
		record, ok := records[name]
		if !ok {
			t.Errorf("%s: no record", name)
			continue
		}
		said := record.Reason
		if record.Failure != nil {
			said += record.Failure.Message
		}
		if record.Outcome != want.outcome || !strings.Contains(said, want.says) {
			t.Errorf("%s: %s %q, want %s %q", name, record.Outcome, said, want.outcome, want.says)
		}
		if record.Suite != "runner" {
			t.Errorf("%s: suite %q", name, record.Suite)
		}
		failed := record.Outcome == reports.Fail || record.Outcome == reports.Error
		if failed && !strings.HasPrefix(record.Failure.Location, "framework/runner/") {
			t.Errorf("%s: location %q", name, record.Failure.Location)
		}
		// A spec that fails only in its clean-up leaves nothing to examine.
		collected := slices.ContainsFunc(d.lines(t), func(line string) bool { return strings.Contains(line, " evidence The subject "+name+" ") })
		if collected != (failed && name != "leaves something behind") {
			t.Errorf("%s (%s): evidence collected: %v", name, record.Outcome, collected)
		}
		if reported := record.Evidence != nil && record.Evidence.Dir == record.Name; reported != collected {
			t.Errorf("%s: evidence reported: %+v", name, record.Evidence)
		}
	}
	holds := records["holds"]
	if len(holds.Steps) != 1 || holds.Steps[0].Text != "looking at it" || len(holds.Requirements) != 1 ||
		!strings.Contains(holds.Output, "a line") || !strings.Contains(holds.Output, "seen after: 120ms") {
		t.Errorf("record %+v", holds)
	}
}

// If a slow spec begins last, everything waits for it. Different orders find specs that depend on an order: each seed has
// its own order, which is always the same.
func TestSeedDrawsTheOrder(t *testing.T) {
	order := func(seed int64) string {
		o, d := options(t, "quiet")
		o.Procs, o.Seed = 1, seed
		if records, err := collect(t, t.Context(), o); err != nil || len(records) != 14 {
			t.Fatalf("%d records, %v", len(records), err)
		}
		var begun []string
		for _, line := range d.lines(t) {
			if _, name, ok := strings.Cut(line, " begin "); ok {
				begun = append(begun, name)
			}
		}
		return strings.Join(begun, ", ")
	}
	first, second := order(0), order(2)
	if first == second {
		t.Errorf("seeds 1 and 2 both have the order %s", first)
	}
	if again := order(1); again != first {
		t.Errorf("seed 1 has the orders %s and %s", first, again)
	}
}

func TestSlowSpecsBeginFirst(t *testing.T) {
	o, d := options(t, "slow")
	o.Procs = 1
	records, err := collect(t, t.Context(), o)
	if err != nil || len(records) != 8 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	var begun []string
	for _, line := range d.lines(t) {
		if _, name, ok := strings.Cut(line, " begin "); ok {
			begun = append(begun, name)
		}
	}
	if len(begun) != 8 || begun[0] != "takes longer" || begun[1] != "takes minutes" {
		t.Errorf("began as %q", begun)
	}
	if records["takes longer"].Slow != 9*time.Minute || records["works 1"].Slow != 0 {
		t.Errorf("records %+v", records)
	}
}

func TestADeadProcessCostsTheSpecItWasIn(t *testing.T) {
	o, _ := options(t, "crash")
	records, err := collect(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for name, record := range records {
		want := reports.Pass
		if strings.HasPrefix(name, "kills") {
			want = reports.Error
		}
		if record.Outcome != want {
			t.Errorf("%s: %s %+v, want %s", name, record.Outcome, record.Failure, want)
		}
	}
	if got := records["kills the process"].Failure; got == nil || !strings.Contains(got.Message, "exit status 7") || !strings.Contains(got.Message, "the last words") {
		t.Errorf("the crash is explained by %+v", got)
	}
	if len(records) != 9 {
		t.Errorf("%d records, want 9", len(records))
	}
}

func TestAnInterruptedRunCleansUp(t *testing.T) {
	o, d := options(t, "block")
	o.Procs = 2
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		// This waits until both specs are in their bodies.
		for len(d.lines(t)) < 2 && t.Context().Err() == nil {
			select {
			case <-t.Context().Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
		cancel()
	}()
	records, err := collect(t, ctx, o)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{"blocks one", "blocks two", "never begins"} {
		if record := records[name]; record.Outcome != reports.NotRun || record.Reason == "" {
			t.Errorf("%s: %+v", name, record)
		}
	}
	cleaned := 0
	for _, line := range d.lines(t) {
		if strings.Contains(line, " cleaned ") {
			cleaned++
		}
	}
	if cleaned != 2 {
		t.Errorf("%d specs cleaned up, want 2: %q", cleaned, d.lines(t))
	}
}

func TestAnOrphanCleansUp(t *testing.T) {
	o, d := options(t, "block")
	c, err := start(t.Context(), o, order{Process: 1})
	if err != nil {
		t.Fatal(err)
	}
	for m := range c.messages {
		if m.Claim == "" {
			continue
		}
		granted := strings.Contains(m.Claim, "blocks")
		if err := c.answer(granted); err != nil {
			t.Fatal(err)
		}
		if !granted {
			continue
		}
		for len(d.lines(t)) == 0 && t.Context().Err() == nil {
			select {
			case <-t.Context().Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
		if err := c.stdin.Close(); err != nil { // this also happens when the parent is killed
			t.Fatal(err)
		}
		break
	}
	for range c.messages { // to its end
	}
	_ = c.command.Wait() // only its end matters
	if lines := strings.Join(d.lines(t), "\n"); strings.Count(lines, "cleaned") != 1 || strings.Count(lines, "begin") != 1 {
		t.Errorf("the diary says\n%s", lines)
	}
}

func TestAHarnessThatCannotOpenIsAnErrorOfEverySpec(t *testing.T) {
	o, d := options(t, "quiet")
	d.Refuse = "read kubeconfig: no such file"
	o.Payload = d
	records, err := collect(t, t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), d.Refuse) {
		t.Errorf("error %v", err)
	}
	for name, record := range records {
		if record.Outcome != reports.Error || !strings.Contains(record.Failure.Message, d.Refuse) {
			t.Errorf("%s: %+v", name, record)
		}
	}
	if len(records) != 14 {
		t.Errorf("%d records, want 14", len(records))
	}
}

func TestSelection(t *testing.T) {
	for name, row := range map[string]struct {
		tree   string
		choose func(*Options)
		want   []string // nil: a *SelectionError
	}{
		"by text":            {"quiet", func(o *Options) { o.Focus = "works 1$|alone$" }, []string{"is alone", "works 1"}},
		"by label":           {"verdicts", func(o *Options) { o.LabelFilter = "INJ-01" }, []string{"holds"}},
		"by the whole text":  {"quiet", func(o *Options) { o.Focus = "^The subject works 1$" }, []string{"works 1"}},
		"by the caller":      {"quiet", func(o *Options) { o.Decide = func(p Planned) Decision { return Decision{Excluded: !p.Serial} } }, []string{"is alone", "is alone again"}},
		"of nothing":         {"quiet", func(o *Options) { o.Focus = "nonsense" }, nil},
		"by a focus left in": {"focus", func(*Options) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o, _ := options(t, row.tree)
			row.choose(&o)
			records, err := collect(t, t.Context(), o)
			var selection *SelectionError
			if row.want == nil {
				if !errors.As(err, &selection) || len(records) > 0 {
					t.Errorf("error %v, %d records; want a selection error and none", err, len(records))
				}
				return
			}
			var names []string
			for name := range records {
				names = append(names, name)
			}
			slices.Sort(names)
			if err != nil || !slices.Equal(names, row.want) {
				t.Errorf("ran %q (error %v), want %q", names, err, row.want)
			}
		})
	}
}

func TestListRefusesTwoSpecsOfOneName(t *testing.T) {
	o, _ := options(t, "twice")
	if _, err := List(t.Context(), o); err == nil || !strings.Contains(err.Error(), "has one name") {
		t.Errorf("error %v", err)
	}
}
