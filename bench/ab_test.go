package bench

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/reports"
)

func TestPairsAlternate(t *testing.T) {
	var got []int
	for pair := range 4 {
		for _, variant := range order(pair) {
			got = append(got, variant)
		}
	}
	if want := []int{0, 1, 1, 0, 0, 1, 1, 0}; !slices.Equal(got, want) { // A B B A A B B A
		t.Errorf("order %v, want %v", got, want)
	}
}

// Each of the many executions has a small size, also if the user wants many pairs.
func TestChooseABIsSmall(t *testing.T) {
	for name, row := range map[string]struct {
		names []string
		size  measure.Size
		want  []string
		rates []float64 // of the first
	}{
		"by default":     {nil, measure.Size{}, []string{"warm", "herd-same", "herd-distinct"}, []float64{900}},
		"by name":        {[]string{"warm"}, measure.Size{}, []string{"warm"}, []float64{900}},
		"with own rates": {[]string{"warm"}, measure.Size{Rates: []float64{100, 200}, Repeats: 12}, []string{"warm"}, []float64{100, 200}},
	} {
		list, err := ChooseAB(row.names, row.size)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range list {
			names = append(names, s.Name)
			if s.Size.Repeats > 2 {
				t.Errorf("%s: %s is measured %d times an execution", name, s.Name, s.Size.Repeats)
			}
		}
		if !slices.Equal(names, row.want) || !slices.Equal(list[0].Size.Rates, row.rates) {
			t.Errorf("%s: %q, the first at %v; want %q at %v", name, names, list[0].Size.Rates, row.want, row.rates)
		}
	}
	if list, err := ChooseAB([]string{"smoke"}, measure.Size{}); err != nil || slices.ContainsFunc(list, func(s measure.Scenario) bool { return s.Subject != "agent" }) {
		t.Errorf("smoke: %v, %v", list, err)
	}
	if _, err := ChooseAB([]string{"warm", "admission"}, measure.Size{}); err == nil || !strings.Contains(err.Error(), "admission is not about the agent") {
		t.Errorf("a scenario of the webhook: %v", err)
	}
	if _, err := ChooseAB([]string{"wram"}, measure.Size{}); err == nil || !strings.Contains(err.Error(), "wram") {
		t.Errorf("an unknown scenario: %v", err)
	}
}

// execution is what one execution of scenario x measured.
func execution(metrics ...reports.Metric) reports.Scenario {
	return reports.Scenario{Name: "x", Outcome: reports.Pass, Cases: []reports.Case{{Name: "rate=9", Requests: []int64{100}, Metrics: metrics}}}
}

func metric(name, better string, value float64) reports.Metric {
	return reports.Metric{Name: name, Unit: "sec", Better: better, Value: value, Samples: []float64{value}}
}

func countOf(name string, events, of int64) reports.Metric {
	m := metric(name, "lower", float64(events)/float64(of))
	m.Counts = []reports.Count{{Events: events, Of: of}}
	return m
}

// comparisonOf is a comparison of four pairs of scenario x with these primary measures. There was one look.
func comparisonOf(primary []string, execute func(pair int) (a, b reports.Scenario)) *comparison {
	x := measure.Scenario{Name: "x"}
	for _, name := range primary {
		x.Primary = append(x.Primary, measure.Primary{Case: "rate=*", Metric: name})
	}
	c := newComparison([]measure.Scenario{x}, DefaultWithin)
	for pair := range 4 {
		a, b := execute(pair)
		c.trials[0].records[0] = append(c.trials[0].records[0], a)
		c.trials[0].records[1] = append(c.trials[0].records[1], b)
	}
	return c
}

func TestWhatALookConcludes(t *testing.T) {
	c := comparisonOf([]string{"p50", "failed", "calls"}, func(pair int) (a, b reports.Scenario) {
		noise := 1 + 0.01*float64(pair%2)
		return execution(metric("p50", "lower", noise), countOf("failed", 0, 500), countOf("calls", 1, 1), metric("max", "lower", 9), metric("rss", "lower", 10), metric("pods", "higher", 5)),
			execution(metric("p50", "lower", 1), countOf("failed", 150, 500), countOf("calls", 100, 1), metric("max", "lower", 1), metric("rss", "lower", 30), metric("pods", "higher", 5))
	})
	c.look(false)
	verdicts := map[string]string{}
	for _, d := range c.differences() {
		verdicts[d.Metric] = d.Verdict
		if d.Primary != (d.Metric == "p50" || d.Metric == "failed" || d.Metric == "calls") || d.Pairs != 4 {
			t.Errorf("%+v", d)
		}
		if d.Metric == "failed" && (d.Old != 0 || d.New != 0.3 || d.Change == nil || d.Change.Low <= 0 || d.Change.High >= 1) {
			t.Errorf("failed: %+v, change %+v", d, d.Change)
		}
	}
	// All are concluded after four pairs. A metric that repeats another one, as the slowest request does, is not compared.
	want := map[string]string{"p50": "the same", "failed": "worse", "calls": "worse", "rss": "worse", "pods": "no difference shown"}
	if !reflect.DeepEqual(verdicts, want) {
		t.Errorf("%v\nwant %v", verdicts, want)
	}
	if c.open() {
		t.Error("the run would go on")
	}
	if state := c.state(); state != "3 of 3 primary measures concluded" {
		t.Error(state)
	}
}

// An inconclusive measure keeps its scenario open, with an estimate of the pairs that it takes. A concluded one
// stays as it was found.
func TestARunGoesOnUntilAllIsConcluded(t *testing.T) {
	c := comparisonOf([]string{"p50", "cpu"}, func(pair int) (a, b reports.Scenario) {
		noise := []float64{0.7, 1.5, 1.1, 0.8}[pair]
		return execution(metric("p50", "lower", 1), metric("cpu", "lower", 1)), execution(metric("p50", "lower", 9), metric("cpu", "lower", noise))
	})
	c.look(false)
	if state := c.state(); !c.open() || !strings.HasPrefix(state, "1 of 2 primary measures concluded, open: x/rate=9 cpu (about ") {
		t.Errorf("open %t, %s", c.open(), state)
	}
	found := c.found["x/rate=9 p50"]
	for variant, value := range []float64{1, 1} {
		c.trials[0].records[variant] = append(c.trials[0].records[variant], execution(metric("p50", "lower", value), metric("cpu", "lower", 1)))
	}
	c.look(true)
	if again := c.found["x/rate=9 p50"]; again != found || again.Pairs != 4 {
		t.Errorf("%+v, was %+v", again, found)
	}
	if d := c.found["x/rate=9 cpu"]; d.Verdict != "no difference shown" || d.Pairs != 5 || c.share != 0.5 {
		t.Errorf("%+v, with %g of the error", d, c.share)
	}
}

// A scenario that did not pass is not compared, and not executed again.
func TestABrokenTrialIsNotCompared(t *testing.T) {
	c := comparisonOf([]string{"p50"}, func(int) (a, b reports.Scenario) {
		return execution(metric("p50", "lower", 1)), execution(metric("p50", "lower", 9))
	})
	c.trials[0].broken = true
	c.look(false)
	if got := c.differences(); len(got) != 0 || c.open() {
		t.Errorf("%+v", got)
	}
}

// A measure that an execution lacks, such as CPU time that could not be read once, has no pairs.
func TestAMeasureThatAnExecutionLacksIsNotCompared(t *testing.T) {
	c := comparisonOf([]string{"p50"}, func(pair int) (a, b reports.Scenario) {
		a, b = execution(metric("p50", "lower", 4), metric("cpu", "lower", 1)), execution(metric("p50", "lower", 4), metric("cpu", "lower", 1))
		if pair == 3 {
			b.Cases[0].Metrics = b.Cases[0].Metrics[:1]
		}
		return a, b
	})
	if list := c.trials[0].comparedMetrics(); len(list) != 1 || list[0].Metric != "p50" {
		t.Errorf("compared: %+v", list)
	}
}

// A measure that may be 0 or less, such as growth, has no ratios.
func TestMeasuresWithoutRatiosAreNotConcluded(t *testing.T) {
	c := comparisonOf([]string{"growth"}, func(int) (a, b reports.Scenario) {
		return execution(metric("growth", "lower", 0)), execution(metric("growth", "lower", -1))
	})
	c.look(true)
	if got := c.differences(); len(got) != 1 || got[0].Verdict != "too few measurements" {
		t.Errorf("%+v", got)
	}
}

func TestThePlanSaysWhatWillBeDone(t *testing.T) {
	list, err := ChooseAB(nil, measure.Size{})
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(AB{Options: Options{Scenarios: list}, Time: DefaultTime, Within: DefaultWithin}.plan(), "\n")
	for _, want := range []string{"at the latest after 5m0s (--time)", "Primary measures, 9 in all", "herd-same: delay=200ms p50, delay=200ms calls, refused calls", "the same within 25%", "after 4 pairs ×"} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan does not say %q:\n%s", want, plan)
		}
	}
	for pairs, want := range map[int]string{1: "One pair shows nothing", 3: "3 pairs. It ends after 3 pairs"} {
		if plan := strings.Join(AB{Options: Options{Scenarios: list}, Pairs: pairs, Time: DefaultTime, Within: DefaultWithin}.plan(), "\n"); !strings.Contains(plan, want) {
			t.Errorf("%d pairs: the plan does not say %q:\n%s", pairs, want, plan)
		}
	}
}

func TestProgressOfPairs(t *testing.T) {
	for want, ab := range map[string]AB{"3": {}, "3 of 8": {Pairs: 8}} {
		if got := ab.progress(2); got != want {
			t.Errorf("third of %d: %q, want %q", ab.Pairs, got, want)
		}
	}
}
