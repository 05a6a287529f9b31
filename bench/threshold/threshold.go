// Package threshold reads the limits that a user sets for a benchmark, such as "warm.p99<5ms", and
// judges measurements by them.
package threshold

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Condition is a limit for a metric of a scenario: for each of its cases, or for those that Case selects.
type Condition struct {
	// Text is the condition as it was written.
	Text     string
	Scenario string
	// Case selects cases that have all of these settings, such as "rate=900". Empty means all.
	Case   string
	Metric string
	// Operator is "<", "<=", ">", ">=" or "==".
	Operator string
	// Limit, in the base unit of its dimension: seconds, bytes, a share of 1, or a plain number.
	Limit     float64
	Dimension Dimension
}

// Dimension is the kind of measure of a limit.
type Dimension string

// Dimensions. Plain is a number without a unit.
const (
	Plain Dimension = "a number without a unit"
	Time  Dimension = "a time, such as 5ms"
	Size  Dimension = "a size, such as 40MB"
	Share Dimension = "a share, such as 2%"
)

// units are the units of limits. Fractions divide: 200/1e6 is the number nearest to 0.0002, and 200*1e-6 is not.
var units = map[string]struct {
	times, parts float64
	dimension    Dimension
}{
	"": {1, 1, Plain}, "%": {1, 100, Share},
	"ns": {1, 1e9, Time}, "us": {1, 1e6, Time}, "µs": {1, 1e6, Time}, "ms": {1, 1e3, Time}, "s": {1, 1, Time},
	"B": {1, 1, Size}, "KB": {1e3, 1, Size}, "kB": {1e3, 1, Size}, "MB": {1e6, 1, Size}, "GB": {1e9, 1, Size},
	"KiB": {1 << 10, 1, Size}, "MiB": {1 << 20, 1, Size}, "GiB": {1 << 30, 1, Size},
}

// operators are in the order of the search: an operator that contains another one at its beginning comes first.
var operators = []string{"<=", ">=", "==", "<", ">"}

// form is the form of a condition.
const form = "a condition is SCENARIO[/CASE].METRIC, one of < <= > >= ==, and a limit, such as warm.p99<5ms or warm/rate=900.p99<=5ms"

// Parse reads conditions, separated by "," or white space. All of them have to hold.
func Parse(text string) ([]Condition, error) {
	var conditions []Condition
	for _, one := range split(text) {
		condition, err := parse(one)
		if err != nil {
			return nil, fmt.Errorf("threshold %q: %w", one, err)
		}
		conditions = append(conditions, condition)
	}
	if len(conditions) == 0 {
		return nil, fmt.Errorf("threshold %q: nothing is said: %s", text, form)
	}
	return conditions, nil
}

// split divides at commas and at white space between two conditions: "warm.p99 < 5 ms" stays whole.
func split(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		current := ""
		for word := range strings.FieldsSeq(part) {
			// A word with a dot after a letter begins a condition, if the last one has its limit.
			if begins(word) && complete(current) {
				list = append(list, current)
				current = ""
			}
			current += word
		}
		if current != "" {
			list = append(list, current)
		}
	}
	return list
}

func begins(word string) bool {
	return strings.Contains(word, ".") && strings.IndexFunc(word, unicode.IsLetter) == 0
}

func complete(text string) bool {
	_, _, limit := cut(text)
	return limit != ""
}

// cut divides a condition at its operator.
func cut(text string) (path, operator, limit string) {
	for i := range text {
		for _, operator := range operators {
			if rest, ok := strings.CutPrefix(text[i:], operator); ok {
				return text[:i], operator, rest
			}
		}
	}
	return text, "", ""
}

func parse(text string) (Condition, error) {
	c := Condition{Text: text}
	path, operator, limit := cut(text)
	if operator == "" {
		return c, fmt.Errorf("it compares nothing: %s", form)
	}
	c.Operator = operator
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 {
		return c, fmt.Errorf("%q names no metric: %s", path, form)
	}
	c.Scenario, c.Case, _ = strings.Cut(path[:dot], "/")
	c.Metric = path[dot+1:]
	// A metric may contain a dot: p99.9. A scenario contains none, and a setting of a case may.
	if scenario, metric, found := strings.Cut(path, "."); found && c.Case == "" && isNumber(c.Metric) {
		c.Scenario, c.Metric = scenario, metric
	} else if isNumber(c.Metric) {
		if before := strings.LastIndexByte(path[:dot], '.'); before >= 0 {
			c.Scenario, c.Case, _ = strings.Cut(path[:before], "/")
			c.Metric = path[before+1:]
		}
	}
	if c.Scenario == "" || c.Metric == "" || strings.HasSuffix(path[:dot], "/") {
		return c, fmt.Errorf("%q is no SCENARIO.METRIC: %s", path, form)
	}
	return c, c.setLimit(limit)
}

func (c *Condition) setLimit(text string) error {
	if text == "" {
		return fmt.Errorf("it has no limit: %s", form)
	}
	end := strings.LastIndexFunc(text, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' }) + 1
	unit, ok := units[strings.TrimSpace(text[end:])]
	if !ok {
		return fmt.Errorf("limit %q: no unit is called %q: there are %s", text, text[end:], strings.Join(slices.Sorted(maps.Keys(units)), " "))
	}
	value, err := strconv.ParseFloat(text[:end], 64)
	if err != nil {
		return fmt.Errorf("limit %q: %q is no number", text, text[:end])
	}
	if value < 0 {
		return fmt.Errorf("limit %q is negative, which no measure is", text)
	}
	c.Limit, c.Dimension = value*unit.times/unit.parts, unit.dimension
	return nil
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// holds says whether a value is within the limit.
func (c Condition) holds(value float64) bool {
	switch c.Operator {
	case "<":
		return value < c.Limit
	case "<=":
		return value <= c.Limit
	case ">":
		return value > c.Limit
	case ">=":
		return value >= c.Limit
	default:
		return value == c.Limit
	}
}

// selects says whether the condition is about a case of the name: it has all settings of c.Case.
func (c Condition) selects(name string) bool {
	if c.Case == "" {
		return true
	}
	settings := strings.Split(name, "/")
	for wanted := range strings.SplitSeq(c.Case, "/") {
		if !slices.Contains(settings, wanted) {
			return false
		}
	}
	return true
}

// fits returns the problem of the limit's unit for a metric with the record's unit; nil if there is none.
func (c Condition) fits(unit string) error {
	want := Plain
	switch unit {
	case "sec":
		want = Time
	case "B":
		want = Size
	case "ratio":
		want = Share
	}
	same := c.Dimension == want
	switch {
	case same, c.Limit == 0 && c.Dimension == Plain:
		return nil
	case want == Share && c.Dimension == Plain && c.Limit <= 1: // 0.02 is 2%
		return nil
	case strings.HasPrefix(unit, "sec/") && c.Dimension == Time, strings.HasPrefix(unit, "B/") && c.Dimension == Size:
		return nil
	default:
		_, _, limit := cut(c.Text)
		return fmt.Errorf("%s of %s is %s, but %s is not", c.Metric, c.Scenario, want, limit)
	}
}

// Known are the metrics of scenarios, by scenario and name, with the record's unit, which is empty if it is not known
// before the run.
type Known map[string]map[string]string

// Check returns scenarios and metrics that do not exist, with the existing ones, and limits with a wrong unit. It is for
// use before anything runs.
func Check(conditions []Condition, known Known) error {
	for _, c := range conditions {
		metrics, ok := known[c.Scenario]
		if !ok {
			return fmt.Errorf("threshold %q: no scenario %q is measured: there are %s", c.Text, c.Scenario, names(known))
		}
		unit, ok := metrics[c.Metric]
		if !ok {
			return fmt.Errorf("threshold %q: scenario %s gives no %q: it gives %s", c.Text, c.Scenario, c.Metric, names(metrics))
		}
		if unit == "" {
			continue
		}
		if err := c.fits(unit); err != nil {
			return fmt.Errorf("threshold %q: %w", c.Text, err)
		}
	}
	return nil
}

func names[T any](of map[string]T) string {
	if len(of) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(of)), ", ")
}
