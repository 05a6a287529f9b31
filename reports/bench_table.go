package reports

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

// benchTable is the table of a scenario's measurements for people: a row for each case, a column for each metric.
type benchTable struct {
	Columns []benchColumn
	Rows    []benchRow
	// Spread says that some of the cells have one.
	Spread bool
}

type benchColumn struct{ Name, Unit string }

type benchRow struct {
	Case string
	// Cells are in the order of the columns. What a case did not measure is empty.
	Cells   []benchCell
	Limited string
	Errors  string
}

type benchCell struct {
	Value string
	// Spread is the largest distance of a repeat from the value, such as "±4%".
	Spread string
}

func (s Scenario) table() benchTable {
	type key struct{ name, unit string }
	var keys []key
	values := map[key][]float64{}
	for _, c := range s.Cases {
		at := 0 // a column that only later cases have is at their place
		for _, m := range c.Metrics {
			k := key{m.Name, m.Unit}
			if _, known := values[k]; !known {
				keys = slices.Insert(keys, at, k)
			}
			at = slices.Index(keys, k) + 1
			values[k] = append(values[k], m.Value)
		}
	}
	// Latencies are compared across the columns too, so they have one unit.
	var times []float64
	for _, k := range keys {
		if k.unit == "sec" {
			times = append(times, values[k]...)
		}
	}
	var table benchTable
	scales := map[key]scale{}
	for _, k := range keys {
		scales[k] = scaleOf(k.unit, values[k]...)
		if k.unit == "sec" {
			scales[k] = scaleOf(k.unit, times...)
		}
		column := benchColumn{plain(k.name), plain(scales[k].unit)}
		if column.Unit == column.Name { // such as calls, in calls
			column.Unit = ""
		}
		table.Columns = append(table.Columns, column)
	}
	for _, c := range s.Cases {
		row := benchRow{Case: plain(c.Name), Cells: make([]benchCell, len(keys)), Limited: plain(c.Limited), Errors: c.errors()}
		for _, m := range c.Metrics {
			k := key{m.Name, m.Unit}
			cell := benchCell{Value: scales[k].format(m.Value), Spread: m.spread()}
			table.Spread = table.Spread || cell.Spread != ""
			row.Cells[slices.Index(keys, k)] = cell
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// spread is the largest distance of a repeat from the value; empty for fewer than two repeats, and if a share of the value
// has no meaning.
func (m Metric) spread() string {
	if len(m.Samples) < 2 {
		return ""
	}
	most := 0.0
	for _, sample := range m.Samples {
		most = max(most, math.Abs(sample-m.Value))
	}
	switch share := 100 * most / math.Abs(m.Value); {
	case most == 0 && m.Value == 0:
		return ""
	case most == 0:
		return "±0%"
	case m.Value == 0:
		s := scaleOf(m.Unit, m.Samples...)
		return fmt.Sprintf("to %s", s.format(slices.Max(m.Samples)))
	case share < 0.5:
		return "±<1%"
	case share >= 1000:
		return "±>999%"
	default:
		return fmt.Sprintf("±%.0f%%", share)
	}
}

// errors counts the failed requests by kind, most first.
func (c Case) errors() string {
	kinds := make([]string, 0, len(c.Errors))
	for kind := range c.Errors {
		kinds = append(kinds, kind)
	}
	sort.Slice(kinds, func(i, j int) bool {
		if a, b := c.Errors[kinds[i]], c.Errors[kinds[j]]; a != b {
			return a > b
		}
		return kinds[i] < kinds[j]
	})
	var parts []string
	for _, kind := range kinds {
		parts = append(parts, fmt.Sprintf("%d × %s", c.Errors[kind], plain(kind)))
	}
	return strings.Join(parts, ", ")
}

// limited are the cases for which the generator was the limit, with the reason.
func (s Scenario) limited() []string {
	var list []string
	for _, c := range s.Cases {
		if c.Limited != "" {
			what := s.caseName(c)
			if c.LimitedTail {
				what = "the slowest 1% of " + what
			}
			list = append(list, plain(fmt.Sprintf("%s measured the generator, not the %s: %s", what, s.Subject, c.Limited)))
		}
	}
	return list
}

// why is the reason of an outcome that is not a pass.
func (s Scenario) why() string {
	if s.Failure != nil {
		return FirstLine(s.Failure.Message)
	}
	return s.Reason
}

// size is the settings of the scenario, in order, such as "duration=10s; identities=100".
func (s Scenario) size() string {
	parts := make([]string, 0, len(s.Size))
	for key, value := range s.Size {
		parts = append(parts, plain(key+"="+value))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// text is a threshold with its measurements, such as "rate=900: 4.02 ms".
func (t Threshold) text(all bool) string {
	var parts []string
	for _, m := range t.Measured {
		if !all && m.Holds && t.Outcome == Fail {
			continue
		}
		text := plain(Quantity(m.Value, m.Unit))
		if m.Case != "" {
			text = plain(m.Case) + ": " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// text is a difference in a sentence, without its scenario, case and metric.
func (d Difference) text() string {
	s := scaleOf(d.Unit, d.Old, d.New)
	unit := s.unit
	if unit != "" && unit != "%" {
		unit = " " + unit
	}
	text := fmt.Sprintf("%s → %s%s", s.format(d.Old), s.format(d.New), plain(unit))
	if d.Ratio > 0 {
		text += fmt.Sprintf(", × %.3g", d.Ratio)
		if d.Low > 0 && d.High > 0 {
			text += fmt.Sprintf(" [%.3g to %.3g]", d.Low, d.High)
		}
	}
	if d.Change != nil {
		text += fmt.Sprintf(" [%s to %s%s]", signed(s, d.Change.Low), signed(s, d.Change.High), plain(unit))
	}
	p := fmt.Sprintf("p=%.3f", d.P)
	if d.P < 0.0005 {
		p = "p<0.001"
	}
	if d.Pairs > 0 {
		p += fmt.Sprintf(", pairs: %d", d.Pairs)
	}
	text += " (" + p + ")"
	if d.Limited != "" {
		text += "; the generator was the limit: " + plain(d.Limited)
	}
	return text
}

// signed is a change with its sign.
func signed(s scale, change float64) string {
	if change < 0 {
		return "−" + s.format(-change)
	}
	return "+" + s.format(change)
}

// about names the measure, and says if an A/B run was not made to decide it.
func (d Difference) about() string {
	if d.Pairs > 0 && !d.Primary {
		return plain(d.About()) + " (secondary)"
	}
	return plain(d.About())
}

// verdict is the difference's in words, such as "the same within 25%".
func (d Difference) verdict() string {
	switch {
	case d.Primary && d.Verdict == NoDifference:
		return "not concluded"
	case d.Verdict != Same || d.Within <= 0:
		return plain(d.Verdict)
	case d.Change != nil:
		return fmt.Sprintf("%s within %s", Same, plain(Quantity(d.Within, d.Unit)))
	default:
		return fmt.Sprintf("%s within %.3g%%", Same, 100*d.Within)
	}
}

// About names the measure, such as "warm/rate=900 p99".
func (d Difference) About() string {
	return Scenario{Name: d.Scenario}.caseName(Case{Name: d.Case}) + " " + d.Metric
}
