package reports

import "testing"

func TestSpreads(t *testing.T) {
	for want, m := range map[string]Metric{
		"":       {Value: 1, Samples: []float64{1}},
		"±0%":    {Value: 2, Samples: []float64{2, 2}},
		"±<1%":   {Value: 1000, Samples: []float64{1000, 1001}},
		"±12%":   {Value: 100, Samples: []float64{95, 112}},
		"±>999%": {Value: 1, Samples: []float64{1, 100}},
		"to 3":   {Value: 0, Unit: "calls", Samples: []float64{0, 3}},
	} {
		if got := m.spread(); got != want {
			t.Errorf("%+v: got %q, want %q", m, got, want)
		}
	}
}
