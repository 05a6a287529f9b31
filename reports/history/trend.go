package history

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"
)

// Series is one measure over the comparable runs of a track: on the same machines, with the same size.
type Series struct {
	Track                        string
	Scenario, Case, Metric, Unit string
	// Better is "lower" or "higher"; empty where neither is.
	Better         string
	Machines, Size string
	Points         []Value
	// Changes are the places of lasting changes, by their run.
	Changes []ChangePoint
}

// Value is the value of one run.
type Value struct {
	Run Record
	// Median of the repeats, within Low and High, which are infinite for few repeats.
	Median, Low, High float64
}

// About names the series, such as "warm/rate=900 p99".
func (s Series) About() string {
	name := s.Scenario
	if s.Case != "" {
		name += "/" + s.Case
	}
	return name + " " + s.Metric
}

// ChangePoint is the first run with a different value of a measure.
type ChangePoint struct {
	// At is the index of First in the series' points. Before is the last run with the old value.
	At            int
	Before, First Record
	// Old and New are the medians of the runs on both sides, Ratio of New to Old: 0 if Old is 0.
	Old, New, Ratio float64
	// P is the probability of such a change by chance, for all places where it could have been.
	P float64
	// Worse says that the change is for the worse, if the metric has a better direction.
	Worse, Better bool
	// Changes are the differences of the two runs.
	Changes []Change
	// Machine says that the generators, which do not depend on the subject, changed at the same run and in the same
	// direction, so the machine may have changed. It is empty if they did not.
	Machine string
}

// leastSide is the smallest number of runs on each side of a change point. A single run may be a bad day.
const leastSide = 3

// ChangeFrom is the number of runs from which a series can show a change.
const ChangeFrom = 2 * leastSide

// Trends are the measures of the tracks with their change points.
//
// A run has one value, the median of its repeats: repeats of one run depend on the state of its machine and are not
// independent. benchstat's own test decides whether a measure changed. It compares the values before a place with those
// after it (golang.org/x/perf/benchmath, which assumes nothing about their distribution). Its P is multiplied by the number
// of tested places. The series of the store are then judged together by the procedure of Benjamini and Hochberg
// (https://en.wikipedia.org/wiki/False_discovery_rate): if nothing changed at all, a store shows any change in at most one
// case of twenty. A change divides its series, and both parts are tested again.
func Trends(tracks []Track) []Series {
	var all []Series
	for _, track := range tracks {
		all = append(all, track.series()...)
	}
	type part struct {
		series, from, to int
		candidate
	}
	var open []part
	look := func(series, from, to int) {
		if all[series].Better == "" {
			return // neither direction is better or worse
		}
		if found, ok := bestSplit(all[series].Points[from:to]); ok {
			found.at, found.from, found.to = found.at+from, found.from+from, found.to+from
			open = append(open, part{series, from, to, found})
		}
	}
	for i, s := range all {
		look(i, 0, len(s.Points))
	}
	changes := make([][]candidate, len(all))
	for accepted := -1; accepted != 0; {
		slices.SortStableFunc(open, func(a, b part) int { return cmp.Compare(a.p, b.p) })
		accepted = 0
		for i, p := range open {
			if p.p <= (1-confidence)*float64(i+1)/float64(len(open)) {
				accepted = i + 1
			}
		}
		found := slices.Clone(open[:accepted])
		open = slices.Clone(open[accepted:])
		for _, p := range found {
			p.at = stepNear(all[p.series].Points, p.candidate)
			changes[p.series] = append(changes[p.series], p.candidate)
			look(p.series, p.from, p.at)
			look(p.series, p.at, p.to)
		}
	}
	for i := range all {
		all[i].changed(changes[i])
	}
	return all
}

// series are the measures of a track, in the order of the newest run that has them.
func (t Track) series() []Series {
	type key struct{ scenario, name, metric, unit, better, machines, size string }
	at := map[key]int{}
	var list []Series
	for i := len(t.Runs) - 1; i >= 0; i-- {
		bench := t.Runs[i].Bench
		if bench == nil {
			continue
		}
		for _, m := range bench.Measures {
			k := key{m.Scenario, m.Case, m.Metric, m.Unit, m.Better, bench.Machines, m.Size}
			n, known := at[k]
			if !known {
				n = len(list)
				at[k] = n
				list = append(list, Series{
					Track: t.Name, Scenario: m.Scenario, Case: m.Case, Metric: m.Metric, Unit: m.Unit, Better: m.Better, Machines: bench.Machines, Size: m.Size,
				})
			}
			if slices.ContainsFunc(m.Samples, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) || len(m.Samples) == 0 {
				continue
			}
			summary := benchmath.AssumeNothing.Summary(sample(m.Samples), confidence)
			list[n].Points = append(list[n].Points, Value{t.Runs[i], summary.Center, summary.Lo, summary.Hi})
		}
	}
	for i := range list {
		slices.Reverse(list[i].Points)
	}
	return list
}

// candidate is a place at which a series may have changed.
type candidate struct {
	at int
	p  float64
	// from and to are the window in which it was found.
	from, to int
}

// bestSplit finds the place at which the values changed, if they did, and the probability of such a change by chance.
//
// It tests all of the values, then windows of half the length, which overlap by half, and so on. If a value changes and
// changes back, a window with only one of the changes shows it (seeded binary segmentation,
// https://doi.org/10.1093/biomet/asac052). Each length has the same share of the error.
func bestSplit(points []Value) (candidate, bool) {
	values := make([]float64, len(points))
	for i, point := range points {
		values[i] = point.Median
	}
	best, levels := candidate{p: math.Inf(1)}, 0
	for length := len(values); length >= ChangeFrom; length = (length + 1) / 2 {
		levels++
		count := 1
		if length < len(values) {
			count = 2*((len(values)+length-1)/length) - 1
		}
		level, places := candidate{p: math.Inf(1)}, 0
		for i := range count {
			begin := 0
			if count > 1 {
				begin = i * (len(values) - length) / (count - 1)
			}
			found := largestStep(values[begin : begin+length])
			places += length - ChangeFrom + 1
			if found.p < level.p {
				level = candidate{begin + found.at, found.p, begin, begin + length}
			}
		}
		level.p *= float64(places)
		if level.p < best.p {
			best = level
		}
	}
	best.p = math.Min(1, best.p*float64(levels))
	return best, levels > 0
}

// largestStep is the place at which the rank sums of both sides differ most for their sizes, with the P of benchstat's
// test.
func largestStep(values []float64) candidate {
	n := len(values)
	ranks := ranksOf(values)
	best, sum, most := -1, 0.0, 0.0
	for i := 1; i <= n-leastSide; i++ {
		sum += ranks[i-1]
		if i < leastSide {
			continue
		}
		expected := float64(i) * float64(n+1) / 2
		deviation := math.Sqrt(float64(i) * float64(n-i) * float64(n+1) / 12)
		if z := math.Abs(sum-expected) / deviation; best < 0 || z > most {
			best, most = i, z
		}
	}
	return candidate{at: best, p: benchmath.AssumeNothing.Compare(sample(values[:best]), sample(values[best:])).P}
}

// reach is how far from the detected place the first run of a change is searched, in runs.
const reach = 60

// stepNear is the place near a candidate at which a step from one value to another fits the values best, by the sum of
// distances. Ranks do not show that: the highest of the old values may be next to the new ones.
func stepNear(points []Value, c candidate) int {
	from, to := max(c.from, c.at-reach), min(c.to, c.at+reach)
	var values []float64
	for _, point := range points[from:to] {
		values = append(values, point.Median)
	}
	best, least := c.at, math.Inf(1)
	for i := leastSide; i <= len(values)-leastSide; i++ {
		if distance := distances(values[:i]) + distances(values[i:]); distance < least {
			best, least = from+i, distance
		}
	}
	return best
}

// distances is the sum of the distances of values from their median.
func distances(values []float64) float64 {
	ordered := slices.Sorted(slices.Values(values))
	centre, sum := ordered[len(ordered)/2], 0.0
	for _, value := range ordered {
		sum += math.Abs(value - centre)
	}
	return sum
}

// ranksOf are the ranks of values from 1; equal ones share the middle of theirs.
func ranksOf(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]float64, len(values))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			ranks[i] = float64(from+1+to) / 2
		}
		from = to
	}
	return ranks
}

// changed describes the changes at these places.
func (s *Series) changed(at []candidate) {
	slices.SortFunc(at, func(a, b candidate) int { return cmp.Compare(a.at, b.at) })
	for i, place := range at {
		from, to := 0, len(s.Points)
		if i > 0 {
			from = at[i-1].at
		}
		if i < len(at)-1 {
			to = at[i+1].at
		}
		s.Changes = append(s.Changes, s.changePoint(from, to, place))
	}
}

// changePoint describes a change between the points from and to.
func (s *Series) changePoint(from, to int, at candidate) ChangePoint {
	before, after := s.Points[from:at.at], s.Points[at.at:to]
	c := ChangePoint{
		At: at.at, Before: before[len(before)-1].Run, First: after[0].Run, P: at.p,
		Old: median(before), New: median(after), Changes: Changes(before[len(before)-1].Run, after[0].Run),
	}
	if c.Old != 0 {
		c.Ratio = c.New / c.Old
	}
	up := c.New > c.Old
	c.Worse = s.Better == "lower" && up || s.Better == "higher" && !up
	c.Better = !c.Worse && s.Better != "" && c.New != c.Old
	c.Machine = machineChange(before, after, c.Worse)
	return c
}

// machineChange says whether the generators changed as the measure did. It has no correction, so that doubts count for the
// subject.
func machineChange(before, after []Value, worse bool) string {
	var said []string
	for _, own := range []struct {
		name   string
		of     func(Value) float64
		higher bool // is better
	}{
		{"p50", func(v Value) float64 { return v.Run.Bench.Generator.P50 }, false},
		{"p99", func(v Value) float64 { return v.Run.Bench.Generator.P99 }, false},
		{"ceiling", func(v Value) float64 { return v.Run.Bench.Generator.Ceiling }, true},
	} {
		var old, current []float64
		for _, v := range before {
			old = append(old, own.of(v))
		}
		for _, v := range after {
			current = append(current, own.of(v))
		}
		test := benchmath.AssumeNothing.Compare(sample(old), sample(current))
		was, is := middle(old), middle(current)
		gotWorse := is > was != own.higher
		if test.P <= 1-confidence && was != is && gotWorse == worse {
			said = append(said, own.name)
		}
	}
	return strings.Join(said, ", ")
}

func median(points []Value) float64 {
	var values []float64
	for _, p := range points {
		values = append(values, p.Median)
	}
	return middle(values)
}

func middle(values []float64) float64 {
	return benchmath.AssumeNothing.Summary(sample(values), confidence).Center
}

// sample copies the values, because benchmath sorts them.
func sample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}
