package reports

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/mattn/go-runewidth"
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

// maxHeading is the largest width of a column's heading, in cells.
const maxHeading = 16

// lines writes the table as text. Columns that do not fit into the width follow below, with the cases again. A case with a
// long name has it on a line of its own.
func (t benchTable) lines(width int) []string {
	label := 0
	for _, row := range t.Rows {
		label = max(label, runewidth.StringWidth(row.Case))
	}
	above := label > width/3
	if above {
		label = 2
	}
	const indent, gap = "  ", 2
	var lines []string
	for first := 0; first < len(t.Columns); {
		used, last := len(indent)+label, first
		for last < len(t.Columns) && (last == first || used+gap+t.width(last) <= width) {
			used += gap + t.width(last)
			last++
		}
		lines = append(lines, t.block(first, last, label, above, width)...)
		first = last
	}
	return lines
}

// block is the table's columns from first up to last.
func (t benchTable) block(first, last, label int, above bool, width int) []string {
	names, units := strings.Builder{}, strings.Builder{}
	for i := first; i < last; i++ {
		w := t.width(i)
		names.WriteString("  " + runewidth.FillLeft(heading(t.Columns[i].Name), w))
		units.WriteString("  " + runewidth.FillLeft(heading(t.Columns[i].Unit), w))
	}
	blank := "  " + strings.Repeat(" ", label)
	lines := []string{blank + names.String()}
	if unit := strings.TrimRight(blank+units.String(), " "); unit != "" {
		lines = append(lines, unit)
	}
	for _, row := range t.Rows {
		var line strings.Builder
		line.WriteString(blank)
		if !above {
			line.Reset()
			line.WriteString("  " + pad(row.Case, label))
		} else {
			for _, text := range wrap(row.Case, width-2) {
				lines = append(lines, "  "+text)
			}
		}
		for i := first; i < last; i++ {
			value, spread := t.widths(i)
			text := runewidth.FillLeft(row.Cells[i].Value, value)
			if spread > 0 {
				text += " " + pad(row.Cells[i].Spread, spread)
			}
			line.WriteString("  " + runewidth.FillLeft(text, t.width(i)))
		}
		lines = append(lines, strings.TrimRight(line.String(), " "))
	}
	return lines
}

func heading(s string) string { return runewidth.Truncate(s, maxHeading, "…") }

// widths are those of a column's values and of their spreads, in cells.
func (t benchTable) widths(column int) (value, spread int) {
	for _, row := range t.Rows {
		value = max(value, runewidth.StringWidth(row.Cells[column].Value))
		spread = max(spread, runewidth.StringWidth(row.Cells[column].Spread))
	}
	return value, spread
}

func (t benchTable) width(column int) int {
	value, spread := t.widths(column)
	if spread > 0 {
		value += 1 + spread
	}
	return max(value, runewidth.StringWidth(heading(t.Columns[column].Name)), runewidth.StringWidth(heading(t.Columns[column].Unit)))
}
