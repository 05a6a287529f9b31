package bench

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/bench/scenario"
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

// Each of many turns plays the smoke size once, unless the user wants more of it.
func TestChooseABIsSmall(t *testing.T) {
	for name, row := range map[string]struct {
		names []string
		size  scenario.Size
		want  []string
		rates []float64 // of the first
	}{
		"by default":     {nil, scenario.Size{}, []string{"warm", "herd-same", "herd-distinct"}, []float64{900}},
		"by name":        {[]string{"warm"}, scenario.Size{}, []string{"warm"}, []float64{900}},
		"with own rates": {[]string{"warm"}, scenario.Size{Rates: []float64{100, 200}, Repeats: 12}, []string{"warm"}, []float64{100, 200}},
	} {
		list, err := ChooseAB(row.names, row.size)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range list {
			names = append(names, s.Name)
			if s.Size.Repeats != 1 {
				t.Errorf("%s: %s plays %d times a turn", name, s.Name, s.Size.Repeats)
			}
		}
		if !slices.Equal(names, row.want) || !slices.Equal(list[0].Size.Rates, row.rates) {
			t.Errorf("%s: %q, the first at %v; want %q at %v", name, names, list[0].Size.Rates, row.want, row.rates)
		}
	}
	if list, err := ChooseAB([]string{"smoke"}, scenario.Size{}); err != nil || slices.ContainsFunc(list, func(s scenario.Scenario) bool { return s.Subject != "agent" }) {
		t.Errorf("smoke: %v, %v", list, err)
	}
	if _, err := ChooseAB([]string{"warm", "admission"}, scenario.Size{}); err == nil || !strings.Contains(err.Error(), "admission is not about the agent") {
		t.Errorf("a scenario of the webhook: %v", err)
	}
	if _, err := ChooseAB([]string{"wram"}, scenario.Size{}); err == nil || !strings.Contains(err.Error(), "wram") {
		t.Errorf("an unknown scenario: %v", err)
	}
}

// half is what one turn of scenario x measured.
func half(metrics ...reports.Metric) reports.Scenario {
	return reports.Scenario{Name: "x", Outcome: reports.Pass, Cases: []reports.Case{{Name: "rate=9", Metrics: metrics}}}
}

func metric(name, better string, value float64) reports.Metric {
	return reports.Metric{Name: name, Unit: "sec", Better: better, Value: value, Samples: []float64{value}}
}

func TestDifferencesAreBetweenPairs(t *testing.T) {
	x := &contest{}
	broken := &contest{over: true}
	for range 8 {
		x.records[0] = append(x.records[0], half(metric("p99", "lower", 4), metric("max", "lower", 9), metric("calls", "lower", 0), metric("pods", "higher", 5), metric("width", "", 1)))
		x.records[1] = append(x.records[1], half(metric("p99", "lower", 2), metric("max", "lower", 1), metric("calls", "lower", 3), metric("pods", "higher", 5), metric("width", "", 2)))
		broken.records[0] = append(broken.records[0], half(metric("p99", "lower", 1)))
	}
	shown, err := differences([]*contest{x, broken})
	if err != nil {
		t.Fatal(err)
	}
	p := 4 * 2 / 256. // four comparisons, eight pairs that agree
	want := []reports.Difference{
		{Scenario: "x", Case: "rate=9", Metric: "p99", Unit: "sec", Old: 4, New: 2, Ratio: .5, Low: .5, High: .5, P: p, Verdict: "better"},
		{Scenario: "x", Case: "rate=9", Metric: "calls", Unit: "sec", Old: 0, New: 3, P: p, Verdict: "worse"}, // no ratio to nothing
		{Scenario: "x", Case: "rate=9", Metric: "pods", Unit: "sec", Old: 5, New: 5, Ratio: 1, Low: 1, High: 1, P: 1, Verdict: "no difference shown"},
		{Scenario: "x", Case: "rate=9", Metric: "width", Unit: "sec", Old: 1, New: 2, Ratio: 2, Low: 2, High: 2, P: p, Verdict: "different"},
	}
	for i := range shown {
		shown[i].P = math.Round(shown[i].P*1e9) / 1e9
	}
	if !reflect.DeepEqual(shown, want) {
		t.Errorf("%+v\nwant %+v", shown, want)
	}
	if text := method([]*contest{x, broken}); !strings.Contains(text, "pairs: 8") || !strings.Contains(text, "4 measures") || strings.Contains(text, "too few") {
		t.Errorf("method: %s", text)
	}
	for variant := range x.records {
		x.records[variant] = x.records[variant][:7]
	}
	few, err := differences([]*contest{x})
	if err != nil || few[0].Verdict != "too few measurements" || few[0].Low != 0 || few[0].High != 0 {
		t.Errorf("seven pairs for four measures: %+v, %v", few[0], err)
	}
	if text := method([]*contest{x}); !strings.Contains(text, "too few: so many measures need 8") {
		t.Errorf("method: %s", text)
	}
}

// A measure that a turn lacks, such as CPU time that could not be read once, has no pairs.
func TestAMeasureThatATurnLacksIsNotCompared(t *testing.T) {
	x := &contest{}
	for i := range 8 {
		x.records[0] = append(x.records[0], half(metric("p99", "lower", 4), metric("cpu", "lower", 1)))
		if x.records[1] = append(x.records[1], half(metric("p99", "lower", 4), metric("cpu", "lower", 1))); i == 3 {
			x.records[1][i].Cases[0].Metrics = x.records[1][i].Cases[0].Metrics[:1]
		}
	}
	if list := measures([]*contest{x}); len(list) != 1 || list[0].Metric != "p99" {
		t.Errorf("compared: %+v", list)
	}
}

func TestProgressOfPairs(t *testing.T) {
	for want, ab := range map[string]AB{"1": {}, "1 of 4": {Pairs: 4}} {
		if got := ab.progress(0, max(ab.Pairs, 1)); got != want {
			t.Errorf("first of %d: %q, want %q", ab.Pairs, got, want)
		}
	}
	if got := (AB{}).progress(2, 8); got != "3 of 8" {
		t.Errorf("third: %q", got)
	}
}
