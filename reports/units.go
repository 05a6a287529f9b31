package reports

import (
	"math"
	"strconv"
	"strings"
)

// scale is a unit for people: a value in the record's unit, divided by factor.
type scale struct {
	factor float64
	unit   string
	// whole says that all values are counts, which are shown without decimals.
	whole bool
}

// step is a unit with the smallest typical value that uses it.
type step struct {
	from, factor float64
	unit         string
}

var (
	timeSteps = []step{{2, 1, "s"}, {1e-4, 1e-3, "ms"}, {1e-7, 1e-6, "µs"}, {0, 1e-9, "ns"}}
	byteSteps = []step{{1e9, 1e9, "GB"}, {1e6, 1e6, "MB"}, {1e3, 1e3, "kB"}, {0, 1, "B"}}
)

// scaleOf is the best unit for values that are read side by side, by their geometric mean.
func scaleOf(unit string, values ...float64) scale {
	var logs float64
	n, whole := 0, true
	for _, value := range values {
		whole = whole && value == math.Trunc(value)
		if value != 0 && number(value) {
			logs += math.Log(math.Abs(value))
			n++
		}
	}
	typical := 1.0
	if n > 0 {
		typical = math.Exp(logs / float64(n))
	}
	if per, ok := strings.CutPrefix(unit, "B/"); ok {
		s := pick(byteSteps, typical)
		s.unit += "/" + per
		return s
	}
	switch unit {
	case "sec":
		if n == 0 {
			return scale{1e-3, "ms", true}
		}
		return pick(timeSteps, typical)
	case "B":
		return pick(byteSteps, typical)
	case "ratio":
		return scale{0.01, "%", false}
	case "sec/1000req":
		return scale{1, "s/1000req", false}
	default:
		return scale{1, unit, whole}
	}
}

func pick(steps []step, typical float64) scale {
	for _, s := range steps {
		if typical >= s.from {
			return scale{factor: s.factor, unit: s.unit}
		}
	}
	return scale{1, "", false}
}

// format is the number of a value in the scale's unit, with three significant digits.
func (s scale) format(value float64) string {
	value /= s.factor
	switch size := math.Abs(value); {
	case value == 0:
		return "0"
	case s.whole && size < 1e15, size >= 99.95:
		return strconv.FormatFloat(value, 'f', 0, 64)
	case size >= 9.995:
		return strconv.FormatFloat(value, 'f', 1, 64)
	case size >= 0.9995:
		return strconv.FormatFloat(value, 'f', 2, 64)
	case size >= 0.0995:
		return strconv.FormatFloat(value, 'f', 3, 64)
	case size >= 0.000995:
		return strconv.FormatFloat(value, 'f', 4, 64)
	default:
		return strconv.FormatFloat(value, 'g', 3, 64)
	}
}

// Quantity is a value of a metric in a unit for people, such as "0.820 ms" or "7.10 MB".
func Quantity(value float64, unit string) string {
	s := scaleOf(unit, value)
	switch s.unit {
	case "":
		return s.format(value)
	case "%":
		return s.format(value) + "%"
	default:
		return s.format(value) + " " + s.unit
	}
}
