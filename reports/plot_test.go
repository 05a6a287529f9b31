package reports

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAxis(t *testing.T) {
	for _, row := range []struct {
		values    []float64
		low, high float64
		ticks     string
	}{
		{nil, 1e-3, 1, "1 ms 10 ms 100 ms 1 s"},
		{[]float64{0, 0}, 1e-3, 1, "1 ms 10 ms 100 ms 1 s"},
		{[]float64{0.0007, 0.0042}, 0.0005, 0.005, "500 µs 1 ms 2 ms 5 ms"},
		{[]float64{0.002}, 0.001, 0.004, "1 ms 2 ms"},
		{[]float64{0.0001, 0.05}, 0.0001, 0.05, "100 µs 1 ms 10 ms"},
		{[]float64{0.2, 0.9, 0}, 0.2, 1, "200 ms 500 ms 1 s"},
		{[]float64{1e-9, 1e12}, 1e-9, 1e12, "1 ns 1 µs 1 ms 1 s 1e+03 s 1e+06 s 1e+09 s 1e+12 s"},
	} {
		a := axisOf(row.values)
		if math.Abs(a.low/row.low-1) > 1e-9 || math.Abs(a.high/row.high-1) > 1e-9 {
			t.Errorf("%v: from %g to %g, want %g to %g", row.values, a.low, a.high, row.low, row.high)
		}
		var texts []string
		for _, tick := range a.ticks() {
			texts = append(texts, tick.Text)
		}
		if got := strings.Join(texts, " "); got != row.ticks {
			t.Errorf("%v: ticks %s, want %s", row.values, got, row.ticks)
		}
		if a.at(a.low) != 0 || math.Abs(a.at(a.high)-1) > 1e-9 || math.Abs(a.at(math.Sqrt(a.low*a.high))-0.5) > 1e-9 || a.at(0) != 0 || a.at(1e300) != 1 {
			t.Errorf("%v: places %g %g", row.values, a.at(a.low), a.at(a.high))
		}
	}
}

func TestTimeTicks(t *testing.T) {
	for _, row := range []struct {
		start, end float64
		want       string
	}{{0, 10, "0 s 2 s 4 s 6 s 8 s 10 s"}, {0, 1, "0 s 0.2 s 0.4 s 0.6 s 0.8 s 1 s"}, {3, 60, "10 s 20 s 30 s 40 s 50 s 60 s"}, {0, 600, "0 s 100 s 200 s 300 s 400 s 500 s 600 s"}} {
		var texts []string
		for _, tick := range timeTicks(row.start, row.end) {
			texts = append(texts, tick.Text)
		}
		if got := strings.Join(texts, " "); got != row.want {
			t.Errorf("%g to %g: %s, want %s", row.start, row.end, got, row.want)
		}
	}
}

// Every number in a plot is in the record: read back from its place, it is the recorded one.
func TestPlotsShowTheRecord(t *testing.T) {
	s := throttled()
	plot := distributionPlot(s)
	want := s.Cases[0].Distribution
	var values []float64
	for _, q := range want {
		values = append(values, q.Seconds)
	}
	y := axisOf(values)
	if len(plot.Dots) != len(want) || len(plot.Lines) != 1 {
		t.Fatalf("%d dots, %d lines", len(plot.Dots), len(plot.Lines))
	}
	for i, dot := range plot.Dots {
		high := percentage(t, dot.Y)
		if seconds := y.low * math.Pow(y.high/y.low, 1-high); math.Abs(seconds/want[i].Seconds-1) > 0.01 {
			t.Errorf("dot %d is at %g s, recorded is %g s", i, seconds, want[i].Seconds)
		}
		if !strings.Contains(dot.Text, Quantity(want[i].Seconds, "sec")) {
			t.Errorf("dot %d says %q of %g s", i, dot.Text, want[i].Seconds)
		}
	}
	// The widths of two nines are the same: 90 to 99%, and 99 to 99.9%.
	first, second := percentage(t, plot.Dots[6].X)-percentage(t, plot.Dots[4].X), percentage(t, plot.Dots[8].X)-percentage(t, plot.Dots[6].X)
	if math.Abs(first-second) > 0.001 || percentage(t, plot.Dots[11].X) != 1 {
		t.Errorf("nines are %g and %g wide, the slowest request is at %s", first, second, plot.Dots[11].X)
	}

	latency, failures := timePlots(s, s.Cases[0], s.latencyAxis())
	if len(latency.Lines) != 2 || len(latency.Zones) != 10 || len(failures.Zones) != 10 {
		t.Errorf("%d lines, %d zones, %d bars", len(latency.Lines), len(latency.Zones), len(failures.Zones))
	}
	if bar := failures.Zones[5]; bar.Height != "50.00%" || bar.Y != "50.00%" || !strings.Contains(bar.Text, "5 to 6 s: 500 requests, 5 failed, p50") {
		t.Errorf("5 of at most 10 failures: %+v", bar)
	}
	if _, failures := timePlots(warm(), warm().Cases[0], axis{1, 10}); failures != nil {
		t.Errorf("nothing failed: %+v", failures)
	}
}

func percentage(t *testing.T, text string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return value / 100
}

// Without answers there is no latency: the line has a gap, and no point at 0.
func TestAnOutageIsAGap(t *testing.T) {
	c := Case{Series: []Interval{{0, 1, 9, 0, 0.1, 0.2}, {1, 1, 9, 9, 0, 0}, {2, 1, 9, 0, 0.1, 0.2}, {3, 1, 9, 0, 0.1, 0.2}}}
	s := Scenario{Name: "outage", Cases: []Case{c}}
	latency, failures := timePlots(s, c, s.latencyAxis())
	var points []int
	for _, line := range latency.Lines {
		points = append(points, len(strings.Fields(line.Points)))
	}
	if diff := cmp.Diff([]int{2, 2, 2, 2}, points); diff != "" { // a single point is drawn twice
		t.Error(diff)
	}
	if len(failures.Zones) != 1 || !strings.Contains(failures.Zones[0].Text, "9 requests, 9 failed") || strings.Contains(failures.Zones[0].Text, "p50") {
		t.Errorf("%+v", failures.Zones)
	}
}

func TestManyCasesLookDifferent(t *testing.T) {
	seen := map[string]bool{}
	for n := range 2 * seriesStyles {
		seen[seriesClass(n)] = true
	}
	if len(seen) != 2*seriesStyles {
		t.Errorf("%d looks for %d cases", len(seen), 2*seriesStyles)
	}
}
