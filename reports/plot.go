package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Plots are SVG that the page's template writes. A Go charting library has its own sizes and colours, which neither fit a
// phone nor follow the reader's dark mode. A JavaScript one would be by far the largest part of the page. The geometry is
// in percent, so that the plot stretches and its texts do not.

// htmlPlot is a plot with the places of all its parts.
type htmlPlot struct {
	// Label describes the plot in a sentence for screen readers.
	Label string
	X, Y  []htmlTick
	Lines []htmlLine
	Dots  []htmlDot
	Zones []htmlZone
}

// htmlTick is a place on an axis. Fine ticks are hidden on narrow screens.
type htmlTick struct {
	At, Text string
	Fine     bool
}

// htmlLine goes through points of a square with sides of 1000.
type htmlLine struct{ Class, Points string }

// htmlDot is a point with its text.
type htmlDot struct{ Class, X, Y, Text string }

// htmlZone is a part of the width with its text. Height is that of its bar, if it has one.
type htmlZone struct{ X, Width, Y, Height, Text string }

// seriesStyles is the number of lines of a plot that differ in colour alone.
const seriesStyles = 6

// seriesClass is the style of the n-th line of a plot: a colour, and a dash after all colours are used.
func seriesClass(n int) string {
	class := fmt.Sprintf("s%d", n%seriesStyles)
	if n >= seriesStyles {
		class += " dashed"
	}
	return class
}

// axis places positive values on a logarithmic scale from the bottom (0) to the top (1).
type axis struct{ low, high float64 }

// axisOf returns an axis for values in seconds. Its ends are among 1, 2, 5, 10 and so on.
func axisOf(values []float64) axis {
	low, high := math.Inf(1), 0.0
	for _, value := range values {
		if value > 0 && number(value) {
			low, high = min(low, value), max(high, value)
		}
	}
	if high == 0 {
		return axis{1e-3, 1}
	}
	a := axis{nice(low, math.Floor), nice(high, math.Ceil)}
	if a.low == a.high {
		a.low /= 2
		a.high *= 2
	}
	return a
}

// niceSteps are the logarithms of 1, 2, 5 and 10.
var niceSteps = []float64{1, 2, 5, 10}

// nice returns the nearest of 1, 2, 5, 10 and so on, below the value for Floor and above it for Ceil.
func nice(value float64, round func(float64) float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(value)))
	steps := slices.Clone(niceSteps)
	const slack = 1 + 1e-9
	if round(0.5) == 0 {
		slices.Reverse(steps)
		for _, step := range steps {
			if step*decade <= value*slack {
				return step * decade
			}
		}
		return decade
	}
	for _, step := range steps {
		if step*decade*slack >= value {
			return step * decade
		}
	}
	return 10 * decade
}

func (a axis) at(value float64) float64 {
	if value <= a.low {
		return 0
	}
	return min(1, math.Log(value/a.low)/math.Log(a.high/a.low))
}

// ticks are at most about seven: at 1, 2, 5 for few decades, otherwise at powers of ten.
func (a axis) ticks() []htmlTick {
	decades := math.Log10(a.high / a.low)
	steps, stride := []float64{1, 2, 5}, 1
	if decades > 2.2 {
		steps, stride = []float64{1}, int(math.Ceil(decades/7))
	}
	var ticks []htmlTick
	first := int(math.Floor(math.Log10(a.low) + 1e-9))
	for exponent := first; exponent <= first+int(decades)+1; exponent += stride {
		for _, step := range steps {
			value := step * math.Pow(10, float64(exponent))
			if value < a.low*(1-1e-9) || value > a.high*(1+1e-9) {
				continue
			}
			ticks = append(ticks, htmlTick{At: percentOf(1 - a.at(value)), Text: tickText(value)})
		}
	}
	return ticks
}

// tickText is a round number of seconds in its own unit, such as "5 ms".
func tickText(seconds float64) string {
	for _, s := range []step{{1, 1, "s"}, {1e-3, 1e-3, "ms"}, {1e-6, 1e-6, "µs"}, {0, 1e-9, "ns"}} {
		if seconds >= s.from*(1-1e-9) {
			return fmt.Sprintf("%.3g %s", seconds/s.factor, s.unit)
		}
	}
	return "0"
}

// percentOf is a share in SVG's form.
func percentOf(share float64) string { return fmt.Sprintf("%.2f%%", 100*max(0, min(1, share))) }

func point(x, y float64) string { return fmt.Sprintf("%.1f,%.1f", 1000*x, 1000*(1-y)) }

// nines is the place of a share in the tail: 1 for 90%, 2 for 99%.
func nines(of float64) float64 { return -math.Log10(1 - of) }

// distributionPlot has a line for each case: the share of requests against their time. The tail matters, so each further
// nine has the same width. The slowest request of all is at the end.
func distributionPlot(s Scenario) *htmlPlot {
	var values []float64
	end := 0.0
	for _, c := range s.Cases {
		for _, q := range c.Distribution {
			values = append(values, q.Seconds)
			if q.Of < 1 {
				end = max(end, nines(q.Of))
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	const beyond = 0.6 // in nines: the place of the slowest request
	end = math.Max(1, end) + beyond
	x := func(of float64) float64 {
		if of >= 1 {
			return 1
		}
		return nines(of) / end
	}
	y := axisOf(values)
	plot := &htmlPlot{Label: "Latency by percentile of " + plain(s.Name) + ": the tables below have its numbers.", Y: y.ticks()}
	for _, tick := range []struct {
		of   float64
		text string
	}{{0.5, "50%"}, {0.9, "90%"}, {0.99, "99%"}, {0.999, "99.9%"}, {0.9999, "99.99%"}, {0.99999, "99.999%"}} {
		if nines(tick.of) <= end-beyond+1e-9 {
			plot.X = append(plot.X, htmlTick{At: percentOf(x(tick.of)), Text: tick.text, Fine: end > 5 && tick.of == 0.999})
		}
	}
	if last := len(plot.X) - 1; end > 4 {
		plot.X[last].Fine = true
	}
	plot.X = append(plot.X, htmlTick{At: "100%", Text: "max"})
	drawn := 0
	for _, c := range s.Cases {
		if len(c.Distribution) == 0 {
			continue
		}
		class := seriesClass(drawn)
		drawn++
		var points []string
		for _, q := range c.Distribution {
			points = append(points, point(x(q.Of), y.at(q.Seconds)))
			plot.Dots = append(plot.Dots, htmlDot{class, percentOf(x(q.Of)), percentOf(1 - y.at(q.Seconds)), quantileText(c, q)})
		}
		plot.Lines = append(plot.Lines, htmlLine{class, strings.Join(points, " ")})
	}
	return plot
}

// quantileText describes a point of a distribution in words.
func quantileText(c Case, q Quantile) string {
	text := fmt.Sprintf("%s of requests within %s", shareText(q.Of), Quantity(q.Seconds, "sec"))
	if q.Of >= 1 {
		text = "the slowest request took " + Quantity(q.Seconds, "sec")
	}
	if c.Name != "" {
		text = plain(c.Name) + ": " + text
	}
	return text
}

// shareText is a percentile with its nines.
func shareText(of float64) string { return fmt.Sprintf("%.6g%%", 100*of) }

// maxZones is the largest number of intervals that can be pointed at. More would be too narrow.
const maxZones = 300

// latencyAxis is the axis of all plots over time of a scenario, so that its cases can be compared.
func (s Scenario) latencyAxis() axis {
	var values []float64
	for _, c := range s.Cases {
		for _, v := range c.Series {
			values = append(values, v.P50, v.P99)
		}
	}
	return axisOf(values)
}

// fewestIntervals is the smallest number of intervals of a plot over time. One interval shows no course.
const fewestIntervals = 2

// timePlots are the plots of a case over time: latencies, and failures a second, which is nil if nothing failed.
func timePlots(s Scenario, c Case, y axis) (latency, failures *htmlPlot) {
	if len(c.Series) < fewestIntervals { // a herd of one moment has no course over time
		return nil, nil
	}
	start, end := c.Series[0].From, 0.0
	worst := 0.0
	for _, v := range c.Series {
		start, end = min(start, v.From), max(end, v.From+v.Seconds)
		worst = max(worst, v.failures())
	}
	if end <= start {
		end = start + 1
	}
	x := func(at float64) float64 { return (at - start) / (end - start) }
	name := plain(s.caseName(c))
	latency = &htmlPlot{Label: "Latency over time of " + name + ", p50 and p99: the tables below have its numbers.", Y: y.ticks(), X: timeTicks(start, end)}
	for i, of := range []func(Interval) float64{func(v Interval) float64 { return v.P50 }, func(v Interval) float64 { return v.P99 }} {
		latency.Lines = append(latency.Lines, timeLines(c.Series, seriesClass(i), of, x, y)...)
	}
	if worst > 0 {
		failures = &htmlPlot{Label: "Failures a second over time of " + name, X: latency.X,
			Y: []htmlTick{{At: "0%", Text: fmt.Sprintf("%.3g/s", worst)}, {At: "100%", Text: "0"}}}
	}
	for _, v := range c.Series {
		zone := htmlZone{X: percentOf(x(v.From)), Width: percentOf(x(v.From+v.Seconds) - x(v.From)), Y: "0%", Height: "100%", Text: v.text()}
		if len(c.Series) <= maxZones {
			latency.Zones = append(latency.Zones, zone)
		}
		if failures != nil && v.Failed > 0 {
			share := v.failures() / worst
			zone.Y, zone.Height = percentOf(1-share), percentOf(share)
			failures.Zones = append(failures.Zones, zone)
		}
	}
	return latency, failures
}

// timeLines connect the middles of intervals. An interval without an answer is a gap.
func timeLines(series []Interval, class string, of func(Interval) float64, x func(float64) float64, y axis) []htmlLine {
	var lines []htmlLine
	var points []string
	flush := func() {
		if len(points) == 1 { // a line needs two points
			points = append(points, points[0])
		}
		if len(points) > 0 {
			lines = append(lines, htmlLine{class, strings.Join(points, " ")})
		}
		points = nil
	}
	for _, v := range series {
		if of(v) <= 0 {
			flush()
			continue
		}
		points = append(points, point(x(v.From+v.Seconds/2), y.at(of(v))))
	}
	flush()
	return lines
}

// failures a second.
func (v Interval) failures() float64 {
	if v.Seconds <= 0 {
		return 0
	}
	return float64(v.Failed) / v.Seconds
}

func (v Interval) text() string {
	text := fmt.Sprintf("%.4g to %.4g s: %s", v.From, v.From+v.Seconds, Plural(int(v.Requests), "request"))
	if v.Failed > 0 {
		text += fmt.Sprintf(", %d failed", v.Failed)
	}
	if v.P50 > 0 {
		text += fmt.Sprintf(", p50 %s, p99 %s", Quantity(v.P50, "sec"), Quantity(v.P99, "sec"))
	}
	return text
}

// timeTicks are at most about six, at round numbers of seconds.
func timeTicks(start, end float64) []htmlTick {
	step := nice((end-start)/6, math.Ceil)
	var ticks []htmlTick
	for n := math.Ceil(start / step); n*step <= end*(1+1e-9) && len(ticks) < 20; n++ {
		ticks = append(ticks, htmlTick{At: percentOf((n*step - start) / (end - start)), Text: fmt.Sprintf("%.4g s", n*step)})
	}
	return ticks
}
