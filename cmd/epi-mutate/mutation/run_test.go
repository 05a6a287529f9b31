package mutation

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// world is a cluster, a builder and suites that know the installed program.
type world struct {
	mu sync.Mutex
	// runs is the folder of each installed program.
	runs map[string]string
	// replaced lists the installed programs and folders.
	replaced []string
	// broken are the requirements that fail with the program of a folder.
	broken map[string][]string
	// refuses are folders that cannot be installed.
	refuses []string
	// selections of each run of specs.
	selections []Selection
	discarded  []string
	onExamine  func(dir string)
}

func (w *world) Replace(ctx context.Context, program, binaries string, _ clusters.Task) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.runs[program] = binaries
	w.replaced = append(w.replaced, program+" "+binaries)
	if slices.Contains(w.refuses, binaries) {
		return errors.New("it does not start")
	}
	return nil
}

func (w *world) Environment() *clusters.Environment { return &clusters.Environment{Name: "test"} }

func (w *world) Reference(context.Context, string, []Subject) error { return nil }

func (w *world) Build(_ context.Context, m Mutant) (string, error) {
	if strings.Contains(m.Name, "broken") {
		return "", &BuildError{Mutant: m.Name, Output: "syntax error"}
	}
	return m.Name, nil
}

func (w *world) Discard(dir string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.discarded = append(w.discarded, dir)
}

func (w *world) Instrumented(context.Context, Subject) (string, error) {
	return "instrumented", nil
}

func (w *world) Instances(context.Context, string, int) (map[string]string, *http.Client, error) {
	return nil, nil, nil
}

func (w *world) examine(ctx context.Context, _ *clusters.Environment, selection Selection) ([]reports.Spec, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.selections = append(w.selections, selection)
	var failing []string
	for _, dir := range w.runs {
		failing = append(failing, w.broken[dir]...)
		if w.onExamine != nil {
			w.onExamine(dir)
		}
	}
	var specs []reports.Spec
	for _, id := range []string{"AGT-01", "INJ-01", "TOK-01"} {
		if selection.Requirements != nil && !slices.Contains(selection.Requirements, id) {
			continue
		}
		outcome := reports.Pass
		if slices.Contains(failing, id) {
			outcome = reports.Fail
		}
		specs = append(specs, reports.Spec{Name: id, Requirements: []string{id}, Outcome: outcome})
	}
	return specs, ctx.Err()
}

type silence struct{}

func (silence) Start(string) clusters.Task { return silence{} }
func (silence) Detail(string, ...any)      {}
func (silence) End(error)                  {}

func newWorld() *world {
	return &world{runs: map[string]string{}, broken: map[string][]string{}}
}

func (w *world) run(t *testing.T, scope Scope, mutants ...Mutant) (*Matrix, error) {
	return w.runContext(t.Context(), scope, mutants...)
}

func (w *world) runContext(ctx context.Context, scope Scope, mutants ...Mutant) (*Matrix, error) {
	return Run{
		Mutants: mutants, Scope: scope, Builder: w, Binaries: "reference", Cluster: w, Examine: w.examine, Progress: silence{},
	}.Do(ctx)
}

func verdicts(m *Matrix) map[string]Verdict {
	list := map[string]Verdict{}
	for _, result := range m.Mutants {
		list[result.Name] = result.Verdict
	}
	return list
}

var (
	weakAgent  = Mutant{Name: "agent-weak", Subject: Agent, Violates: []string{"AGT-01"}}
	blindAgent = Mutant{Name: "agent-blind", Subject: Agent, Violates: []string{"AGT-01", "TOK-01"}}
	deafHook   = Mutant{Name: "webhook-deaf", Subject: Webhook, Violates: []string{"INJ-01"}}
	brokenHook = Mutant{Name: "webhook-broken", Subject: Webhook, Violates: []string{"INJ-01"}}
)

func TestRunExaminesOneSubjectAfterTheOther(t *testing.T) {
	w := newWorld()
	w.broken = map[string][]string{"agent-weak": {"AGT-01"}, "agent-blind": {"AGT-01"}, "webhook-deaf": {"INJ-01", "TOK-01"}}
	matrix, err := w.run(t, ScopeAll, deafHook, weakAgent, brokenHook, blindAgent)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Verdict{"agent-weak": Killed, "agent-blind": Survived, "webhook-deaf": Killed, "webhook-broken": Undone}
	if diff := cmp.Diff(want, verdicts(matrix)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"TOK-01"}, matrix.Mutants[2].Collateral); diff != "" {
		t.Errorf("collateral of %s: %s", matrix.Mutants[2].Name, diff)
	}
	order := []string{
		"epi-probe reference", "epi-emulator reference", "epi-agent reference", "epi-webhook reference", // the current source, before the baseline
		"epi-agent agent-weak", "epi-agent agent-blind", "epi-agent reference", "epi-webhook webhook-deaf", "epi-webhook reference",
	}
	if diff := cmp.Diff(order, w.replaced); diff != "" {
		t.Errorf("replaced: %s", diff)
	}
	if diff := cmp.Diff([]string{"agent-weak", "agent-blind", "webhook-deaf", ""}, w.discarded); diff != "" {
		t.Errorf("discarded: %s", diff)
	}
	if problem := matrix.Mutants[3].Problem; !strings.Contains(problem, "syntax error") {
		t.Errorf("the compiler's words are missing in %q", problem)
	}
}

func TestRunSelectsByScope(t *testing.T) {
	w := newWorld()
	w.broken = map[string][]string{"agent-weak": {"AGT-01"}, "webhook-deaf": {"INJ-01"}}
	if _, err := w.run(t, ScopeDeclared, weakAgent, deafHook); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"AGT-01", "INJ-01"}, {"AGT-01"}, {"INJ-01"}} {
		if diff := cmp.Diff(want, w.selections[i].Requirements); diff != "" {
			t.Errorf("run %d (baseline is 0): %s", i, diff)
		}
	}
}

func TestRunWantsAnUnbrokenBaseline(t *testing.T) {
	w := newWorld()
	w.broken["reference"] = []string{"TOK-01"}
	matrix, err := w.run(t, ScopeAll, weakAgent)
	if baseline, ok := errors.AsType[*BaselineError](err); !ok || !strings.Contains(baseline.Error(), "TOK-01") {
		t.Errorf("error %v, want one that names TOK-01", err)
	}
	if len(matrix.Mutants) != 0 || matrix.Baseline.Failed != 1 {
		t.Errorf("matrix %+v", matrix)
	}
}

func TestRunPutsTheReferenceBack(t *testing.T) {
	t.Run("after an interrupt", func(t *testing.T) {
		w := newWorld()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w.onExamine = func(dir string) {
			if dir == "agent-weak" {
				stop()
			}
		}
		matrix, err := w.runContext(ctx, ScopeAll, weakAgent, blindAgent)
		if !errors.Is(err, context.Canceled) || len(matrix.Mutants) != 0 {
			t.Errorf("error %v, matrix %+v", err, matrix)
		}
		if w.runs["epi-agent"] != "reference" {
			t.Errorf("left: %q", w.runs)
		}
	})
	t.Run("after a mutant that does not start", func(t *testing.T) {
		w := newWorld()
		w.refuses = []string{"agent-weak"}
		w.broken["agent-blind"] = []string{"AGT-01", "TOK-01"}
		matrix, err := w.run(t, ScopeAll, weakAgent, blindAgent)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]Verdict{"agent-weak": Undone, "agent-blind": Killed}, verdicts(matrix)); diff != "" {
			t.Error(diff)
		}
		if w.runs["epi-agent"] != "reference" {
			t.Errorf("left: %q", w.runs)
		}
	})
}

// A blunt mutant makes nearly every spec fail, each after its timeout. The run need not wait for that.
func TestEnoughIsKnown(t *testing.T) {
	declared := []reports.Spec{spec(reports.Fail, "AGT-01")}
	many := slices.Concat(declared, []reports.Spec{spec(reports.Fail, "A-01", "A-02", "A-03", "A-04", "A-05", "A-06", "A-07", "A-08", "A-09")})
	for _, row := range []struct {
		name  string
		scope Scope
		specs []reports.Spec
		want  bool
	}{
		{"nothing failed", ScopeDeclared, []reports.Spec{spec(reports.Pass, "AGT-01")}, false},
		{"all declared failed", ScopeDeclared, declared, true},
		{"collateral is asked for", ScopeAll, declared, false},
		{"much collateral", ScopeReached, many, true},
		{"much collateral, but a declared one is open", ScopeAll, many[1:], false},
	} {
		if got := enough(weakAgent, row.scope, row.specs); got != row.want {
			t.Errorf("%s: %t", row.name, got)
		}
	}
}

func TestRunOfMutantsThatDeclareNothing(t *testing.T) {
	w := newWorld()
	w.broken["agent-seen"] = []string{"TOK-01"}
	w.refuses = []string{"agent-dead"}
	matrix, err := w.run(t, ScopeAll,
		Mutant{Name: "agent-seen", Subject: Agent, Mechanical: true}, Mutant{Name: "agent-unseen", Subject: Agent, Mechanical: true},
		Mutant{Name: "agent-broken", Subject: Agent, Mechanical: true}, Mutant{Name: "agent-dead", Subject: Agent, Mechanical: true},
		Mutant{Name: "agent-same", Subject: Agent, Mechanical: true, Equivalent: "nobody reads the value"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Verdict{"agent-seen": Killed, "agent-unseen": Survived, "agent-broken": LeftOut, "agent-dead": Killed, "agent-same": LeftOut}
	if got := verdicts(matrix); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if slices.Contains(w.replaced, "epi-agent agent-same") || w.runs["epi-agent"] != "reference" {
		t.Errorf("replaced %q", w.replaced)
	}
	var text strings.Builder
	if err := matrix.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if want := "score: 2 of 3 killed, 66.7%"; !strings.Contains(text.String(), want) {
		t.Errorf("no %q in\n%s", want, text.String())
	}
}

func TestRunGoesOnWhereItEnded(t *testing.T) {
	drawn := func(name string) Mutant { return Mutant{Name: name, Subject: Agent, Mechanical: true} }
	equivalent := drawn("agent-same")
	equivalent.Equivalent = "it cannot be distinguished"
	known := map[string]Result{"agent-known": {Name: "agent-known", Subject: Agent, Verdict: Survived}}
	w := newWorld()
	run := Run{
		Mutants: []Mutant{drawn("agent-known"), equivalent, drawn("agent-new")}, Scope: ScopeAll, Known: known, Until: time.Now().Add(-time.Second),
		Builder: w, Binaries: "reference", Cluster: w, Examine: w.examine, Progress: silence{},
	}
	matrix, err := run.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Verdict{"agent-known": Survived, "agent-same": LeftOut}, verdicts(matrix)); diff != "" {
		t.Errorf("after the time is over (-want +got):\n%s", diff)
	}
	run.Until = time.Time{}
	if matrix, err = run.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Verdict{"agent-known": Survived, "agent-same": LeftOut, "agent-new": Survived}, verdicts(matrix)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A spec of their own profile kills most mutants. The others do not run then.
func TestRunAsksTheSubjectsOwnSpecsFirst(t *testing.T) {
	w := newWorld()
	w.broken = map[string][]string{"agent-dead": {"AGT-01"}}
	drawn := func(name string) Mutant { return Mutant{Name: name, Subject: Agent, Mechanical: true} }
	if _, err := w.run(t, ScopeAll, drawn("agent-dead"), drawn("agent-alive")); err != nil {
		t.Fatal(err)
	}
	own := ownRequirements(Agent)
	if len(own) == 0 || !slices.Contains(own, "AGT-01") || slices.Contains(own, "INJ-01") {
		t.Fatalf("the agent's own requirements are %q", own)
	}
	var kinds []string
	for _, s := range w.selections {
		switch {
		case slices.Equal(s.Requirements, own):
			kinds = append(kinds, "own")
		case slices.Equal(s.Except, own):
			kinds = append(kinds, "others")
		default:
			kinds = append(kinds, "all")
		}
	}
	if want := []string{"all", "own", "own", "others"}; !slices.Equal(kinds, want) {
		t.Errorf("ran %q, want %q", kinds, want)
	}
}

func TestSlowSpecsOfTheSubject(t *testing.T) {
	got := slowOf([]reports.Spec{
		{Name: "renewal", Requirements: []string{"AGT-20"}, Outcome: reports.Skipped, Slow: 3 * time.Minute},
		{Name: "too slow", Requirements: []string{"AGT-20"}, Outcome: reports.Skipped, Slow: 12 * time.Minute},
		{Name: "another's", Requirements: []string{"INJ-01"}, Outcome: reports.Skipped, Slow: time.Minute},
		{Name: "quick", Requirements: []string{"AGT-20"}, Outcome: reports.Pass},
	}, []string{"AGT-20"})
	if !slices.Equal(got, []string{"renewal"}) {
		t.Errorf("got %q", got)
	}
}
