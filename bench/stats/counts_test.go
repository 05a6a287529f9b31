package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func counts(of float64, events ...float64) []Count {
	var list []Count
	for _, e := range events {
		list = append(list, Count{e, of})
	}
	return list
}

// The interval of one side at z = 1.96: R's prop.test(x, n, correct = FALSE), as Newcombe (1998) has them,
// and the score interval of a Poisson rate.
func TestScoreIntervals(t *testing.T) {
	for _, row := range []struct {
		events, of float64
		share      bool
		low, high  float64
	}{
		{81, 263, true, 0.2553, 0.3662}, // Newcombe, Two-sided confidence intervals for the single proportion, table I
		{15, 148, true, 0.0624, 0.1605},
		{0, 20, true, 0, 0.1611},
		{1, 29, true, 0.0061, 0.1718},
		{20, 20, true, 0.8389, 1},
		{0, 10, false, 0, 0.3841}, // z²/n
		{10, 10, false, 0.5432, 1.8410},
	} {
		c := Counts{share: row.share, dispersion: 1}
		low, high := c.score(arm{events: row.events, of: row.of}, 1.959964)
		if math.Abs(low-row.low) > 1e-4 || math.Abs(high-row.high) > 1e-4 {
			t.Errorf("%g of %g: %.4f to %.4f, want %.4f to %.4f", row.events, row.of, low, high, row.low, row.high)
		}
	}
}

// Newcombe, Interval estimation for the difference between independent proportions (1998), table II,
// method 10: 56/70 - 48/80 is 0.0524 to 0.3339.
func TestIntervalOfADifference(t *testing.T) {
	c := Counts{share: true, dispersion: 1, freedom: 1e6, a: arm{48, 80, 2}, b: arm{56, 70, 2}}
	got := c.Interval(0.05)
	if math.Abs(got.Low-0.0524) > 1e-3 || math.Abs(got.High-0.3339) > 1e-3 || math.Abs(got.Estimate-0.2) > 1e-9 {
		t.Errorf("%+v", got)
	}
	if at := c.Interval(c.P()); at.Low < -1e-3 || at.Low > 5e-3 {
		t.Errorf("the interval at P = %g is %+v, want one from 0", c.P(), at)
	}
}

// Repeats that differ more than by chance make intervals wider. Other repeats have no effect.
func TestDispersionIsThatOfRepeats(t *testing.T) {
	for name, row := range map[string]struct {
		a, b                []Count
		dispersion, freedom float64
	}{
		"none in any":      {counts(100, 0, 0, 0, 0), counts(100, 0, 0, 0, 0), 1, 6},
		"all in any":       {counts(100, 100, 100, 100), counts(100, 100, 100, 100), 1, 4},
		"none on one side": {counts(100, 0, 0, 0, 0), counts(100, 20, 20, 20, 20), 1, 3},
		"one bad repeat":   {counts(100, 0, 0, 0, 0), counts(100, 80, 0, 0, 0), (60*60 + 3*20*20) / 16. / 3, 3},
	} {
		c, err := NewCounts(row.a, row.b, true)
		if err != nil || !near(c.dispersion, row.dispersion) || c.freedom != row.freedom {
			t.Errorf("%s: %+v, %v; want %g with %g", name, c, err, row.dispersion, row.freedom)
		}
	}
	if _, err := NewCounts(counts(10, 11), counts(10, 1), true); err == nil {
		t.Error("11 of 10 were taken")
	}
	for _, bad := range [][]Count{nil, counts(0, 0), counts(1, -1), {{math.NaN(), 1}}, {{1, math.Inf(1)}}} {
		if _, err := NewCounts(bad, counts(1, 1), false); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// draw returns repeats with a rate that differs between repeats: with the probability bad it is worse.
type draw struct {
	rate, bad, worse float64
	of, repeats      int
	share            bool
}

func (d draw) counts(random *rand.Rand) []Count {
	var list []Count
	for range d.repeats {
		rate := d.rate
		if random.Float64() < d.bad {
			rate = d.worse
		}
		events := 0.0
		if d.share {
			for range d.of {
				if random.Float64() < rate {
					events++
				}
			}
		} else {
			// A Poisson number: arrivals within the time.
			for t := random.ExpFloat64(); t < rate*float64(d.of); t += random.ExpFloat64() {
				events++
			}
		}
		list = append(list, Count{events, float64(d.of)})
	}
	return list
}

// sequential examines counts repeatedly, like a run with that many comparisons. It says whether it shows a difference, and
// after how many repeats.
func sequential(t *testing.T, random *rand.Rand, z table, a, b draw, comparisons, most int) (shown bool, after int) {
	t.Helper()
	a.repeats, b.repeats = most, most
	as, bs := a.counts(random), b.counts(random)
	for look, n := range Looks(most) {
		c, err := NewCounts(as[:n], bs[:n], a.share)
		if err != nil {
			t.Fatal(err)
		}
		if i := c.interval(z.critical(Level(Spend(look+1), comparisons), c.freedom)); i.Low > 0 || i.High < 0 {
			return true, n
		}
	}
	return false, most
}

// The same agent twice, with repeats that differ much more than by chance.
func TestCountsOfTheSameTwiceShowNoDifference(t *testing.T) {
	const runs = 2000
	z := table{}
	for name, d := range map[string]draw{
		"none":                 {share: true, of: 200},
		"few":                  {rate: .001, share: true, of: 200},
		"half":                 {rate: .5, share: true, of: 100},
		"now and then many":    {bad: .15, worse: .3, share: true, of: 200},
		"mostly many":          {rate: .3, bad: .5, worse: .6, share: true, of: 200},
		"one call":             {rate: 1, of: 1},
		"some calls":           {rate: .2, of: 20},
		"calls that come much": {rate: 1, bad: .2, worse: 40, of: 1},
	} {
		wrong := 0
		for seed := range uint64(runs) {
			if shown, _ := sequential(t, rand.New(rand.NewPCG(seed, 7)), z, d, d, 1, 14); shown {
				wrong++
			}
		}
		t.Logf("%s: a difference in %d of %d runs", name, wrong, runs)
		if wrong > runs*6/100 {
			t.Errorf("%s: a difference in %d of %d runs", name, wrong, runs)
		}
	}
}

// A difference of this size is always found after four repeats, also if repeats differ more than by chance: 30% of the
// requests of a herd failed against 0.05%, 200 calls against 1.
func TestWhatIsPlainIsReportedAfterFourRepeats(t *testing.T) {
	const runs = 1000
	z := table{}
	for name, row := range map[string][2]draw{
		"30% against 0.05% failed":   {{rate: .0005, share: true, of: 500}, {rate: .3, share: true, of: 500}},
		"200 calls against 1":        {{rate: 1, of: 1}, {rate: 200, of: 1}},
		"170 or 200 calls against 1": {{rate: 1, of: 1}, {rate: 170, bad: .5, worse: 200, of: 1}},
	} {
		missed := 0
		for seed := range uint64(runs) {
			random := rand.New(rand.NewPCG(seed, 8))
			a, b := row[0], row[1]
			if random.IntN(2) == 1 {
				a, b = b, a
			}
			if shown, after := sequential(t, random, z, a, b, 9, 4); !shown || after > 4 {
				missed++
			}
		}
		t.Logf("%s: missed in %d of %d runs", name, missed, runs)
		if missed > 0 {
			t.Errorf("%s: missed in %d of %d runs of four repeats", name, missed, runs)
		}
	}
}
