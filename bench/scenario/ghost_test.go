package scenario

import (
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/bench/measure"
)

func TestRenewalsAreRecordedIfTheAgentLooked(t *testing.T) {
	window := func(gone, living int) renewal {
		return renewal{minutes: 0.5, gone: share{gone, 5}, living: share{living, 5}}
	}
	tests := []struct {
		name         string
		windows      renewals
		decided      bool
		gone, living []float64
	}{
		{"a clean one", renewals{window(0, 10), window(0, 5)}, true, []float64{0, 0}, []float64{4, 2}},
		{"one that does not know", renewals{window(10, 10), window(5, 0)}, true, []float64{4, 2}, []float64{4, 0}},
		{"one that renews the gone alone", renewals{window(5, 0)}, true, []float64{2}, []float64{0}},
		{"one that has not looked", renewals{window(0, 0), window(0, 0)}, false, nil, []float64{0, 0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			attempt, c := &measure.Attempt{}, measure.NewCase("")
			if decided := test.windows.record(attempt, c); decided != test.decided {
				t.Errorf("decided %t, want %t", decided, test.decided)
			}
			samples := map[string][]float64{}
			for _, m := range c.Report().Metrics {
				samples[m.Name] = m.Samples
			}
			if !slices.Equal(samples[RenewalsGone.Name], test.gone) || !slices.Equal(samples[RenewalsLiving.Name], test.living) {
				t.Errorf("got %v, want gone %v and living %v", samples, test.gone, test.living)
			}
			if noted := len(attempt.Notes()) == 1 && strings.Contains(attempt.Notes()[0], "--duration 2m"); noted == test.decided {
				t.Errorf("notes %q", attempt.Notes())
			}
		})
	}
}

func TestLinesWith(t *testing.T) {
	log := "level=info msg=ok\nlevel=error ExpiredTokenException ExpiredTokenException\n\nExpiredTokenException at the end"
	if got := linesWith(log, expired); got != 2 {
		t.Errorf("%d lines, want 2", got)
	}
	if got := linesWith("", expired); got != 0 {
		t.Errorf("%d lines of nothing", got)
	}
}
