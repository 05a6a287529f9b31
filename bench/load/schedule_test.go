package load

import (
	"math"
	"strings"
	"testing"
	"time"
)

// drain returns the offsets of all requests of each phase.
func drain(t *testing.T, plan *Plan) [][]time.Duration {
	t.Helper()
	offsets := make([][]time.Duration, len(plan.Phases()))
	last := time.Duration(0)
	for {
		at, phase, more := plan.Next()
		if !more {
			return offsets
		}
		if at < last {
			t.Fatalf("%s after %s: times decrease", at, last)
		}
		last = at
		offsets[phase] = append(offsets[phase], at)
	}
}

func mustPlan(t testing.TB, phases ...Phase) *Plan {
	t.Helper()
	plan, err := NewPlan(1, phases...)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestEvenArrivalsAreAsManyAndAsFarApartAsTheRateSays(t *testing.T) {
	offsets := drain(t, mustPlan(t, Phase{Name: "constant", From: 200, Lasts: time.Second}))[0]
	if len(offsets) != 200 {
		t.Fatalf("%d requests, want 200", len(offsets))
	}
	for i := 1; i < len(offsets); i++ {
		if gap := offsets[i] - offsets[i-1]; (gap - 5*time.Millisecond).Abs() > time.Microsecond {
			t.Fatalf("request %d is %s after the one before, want 5ms", i, gap)
		}
	}
}

// From 0 to 100 in 10 s makes 500 requests, a quarter of them in the first half: the integral of a line.
func TestARampMakesTheAreaUnderIt(t *testing.T) {
	for name, row := range map[string]struct {
		phase          Phase
		all, firstHalf int
	}{
		"up from nothing": {Phase{Name: "ramp", From: 0, To: 100, Lasts: 10 * time.Second}, 500, 125},
		"up":              {Phase{Name: "ramp", From: 50, To: 150, Lasts: 10 * time.Second}, 1000, 375},
		"down":            {Phase{Name: "ramp", From: 150, To: 50, Lasts: 10 * time.Second}, 1000, 625},
	} {
		offsets := drain(t, mustPlan(t, row.phase))[0]
		half := 0
		for _, at := range offsets {
			if at < 5*time.Second {
				half++
			}
		}
		if len(offsets) != row.all || half != row.firstHalf {
			t.Errorf("%s: %d requests, %d in the first half; want %d and %d", name, len(offsets), half, row.all, row.firstHalf)
		}
	}
}

// Distances of a Poisson process are exponential: their standard deviation is their mean. Counts of
// seconds have the mean as variance.
func TestPoissonArrivals(t *testing.T) {
	const rate, seconds = 500, 60
	offsets := drain(t, mustPlan(t, Phase{Name: "poisson", From: rate, Lasts: seconds * time.Second, Arrivals: Poisson}))[0]
	if n := float64(len(offsets)); math.Abs(n-rate*seconds) > 5*math.Sqrt(rate*seconds) {
		t.Fatalf("%.0f requests, want %d", n, rate*seconds)
	}
	var sum, squares float64
	for i := 1; i < len(offsets); i++ {
		gap := (offsets[i] - offsets[i-1]).Seconds()
		sum += gap
		squares += gap * gap
	}
	n := float64(len(offsets) - 1)
	mean := sum / n
	if ratio := math.Sqrt(squares/n-mean*mean) / mean; ratio < 0.95 || ratio > 1.05 {
		t.Errorf("standard deviation / mean of the distances is %.3f, want 1", ratio)
	}
	again := drain(t, mustPlan(t, Phase{Name: "poisson", From: rate, Lasts: seconds * time.Second, Arrivals: Poisson}))[0]
	if len(again) != len(offsets) || again[7] != offsets[7] {
		t.Error("the same seed gives other arrivals")
	}
}

func TestPhasesFollowEachOther(t *testing.T) {
	offsets := drain(t, mustPlan(t,
		Phase{Name: "warm", From: 10, Lasts: time.Second},
		Phase{Name: "herd", Count: 50, Lasts: 2 * time.Second, Arrivals: AtOnce},
		Phase{Name: "step", From: 100, Lasts: time.Second},
	))
	if len(offsets[0]) != 10 || len(offsets[1]) != 50 || len(offsets[2]) != 100 {
		t.Fatalf("%d, %d and %d requests", len(offsets[0]), len(offsets[1]), len(offsets[2]))
	}
	for _, at := range offsets[1] {
		if at != time.Second {
			t.Fatalf("one of the herd at %s, want 1s", at)
		}
	}
	if first := offsets[2][0]; first < 3*time.Second {
		t.Errorf("the step begins at %s, want after 3s", first)
	}
}

func TestPlansThatMakeNoSenseAreRefused(t *testing.T) {
	for says, phases := range map[string][]Phase{
		"0 phases":            nil,
		"no name":             {{From: 1, Lasts: time.Second}},
		"lasts 0s":            {{Name: "a", From: 1}},
		"rates 0 to 0":        {{Name: "a", Lasts: time.Second}},
		"rates -1 to":         {{Name: "a", From: -1, To: 5, Lasts: time.Second}},
		"rates NaN":           {{Name: "a", From: math.NaN(), Lasts: time.Second}},
		"at most 1e+06":       {{Name: "a", From: 2e6, Lasts: time.Second}},
		`arrivals "bursty"`:   {{Name: "a", From: 1, Lasts: time.Second, Arrivals: "bursty"}},
		"need a count":        {{Name: "a", Lasts: time.Second, Arrivals: AtOnce}},
		"count is for":        {{Name: "a", From: 1, Count: 5, Lasts: time.Second}},
		"requests in":         {{Name: "a", From: 1e6, Lasts: time.Hour}},
		"phase 2 (b): it las": {{Name: "a", From: 1, Lasts: time.Second}, {Name: "b", From: 1}},
	} {
		if _, err := NewPlan(1, phases...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, arrivals := range []Arrivals{Even, Poisson} {
		b.Run(string(arrivals), func(b *testing.B) {
			b.ReportAllocs()
			phase := Phase{Name: "a", From: 1e6, Lasts: time.Minute, Arrivals: arrivals}
			plan := mustPlan(b, phase)
			for b.Loop() {
				if _, _, more := plan.Next(); !more {
					plan = mustPlan(b, phase)
				}
			}
		})
	}
}
