// Package measuretest helps tests that check what a scenario recorded.
package measuretest

import (
	"math"
	"testing"

	"github.com/podidentity/epi/reports"
)

// Metric returns the metric of a case by its name. It ends the test if there is none.
func Metric(t *testing.T, record reports.Case, name string) reports.Metric {
	t.Helper()
	for _, m := range record.Metrics {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no metric %s in %v", name, record.Metrics)
	return reports.Metric{}
}

// Near says that a value is within 0.2% of another: histograms keep three significant digits.
func Near(got, want float64) bool { return math.Abs(got-want) <= 0.002*math.Abs(want) }
