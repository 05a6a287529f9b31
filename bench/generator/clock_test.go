package generator

import (
	"testing"
	"time"
)

func TestOffsetIsWhatAllReadingsAgreeOn(t *testing.T) {
	const ms = time.Millisecond
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	// at returns a reading of a clock that is ahead by offset, in the middle or elsewhere in the round trip.
	at := func(before, other, after, ahead time.Duration) reading {
		return reading{start.Add(before), start.Add(other + ahead), start.Add(after)}
	}
	for name, test := range map[string]struct {
		readings    []reading
		least, most time.Duration
	}{
		"the same clock":                            {[]reading{at(0, 10*ms, 30*ms, 0)}, -20 * ms, 10 * ms},
		"a clock that is ahead":                     {[]reading{at(0, 10*ms, 30*ms, time.Second)}, 980 * ms, 1010 * ms},
		"a clock that is behind":                    {[]reading{at(0, 10*ms, 30*ms, -time.Second)}, -1020 * ms, -990 * ms},
		"the quickest answers are the most precise": {[]reading{at(0, 100*ms, 102*ms, 0), at(200*ms, 203*ms, 400*ms, 0), at(500*ms, 550*ms, 600*ms, 0)}, -2 * ms, 3 * ms},
	} {
		if got := offset(test.readings); got.Least != test.least || got.Most != test.most {
			t.Errorf("%s: %s to %s, want %s to %s", name, got.Least, got.Most, test.least, test.most)
		}
	}
}

func TestOffsetReads(t *testing.T) {
	if got, want := (Offset{-2 * time.Millisecond, 1500 * time.Millisecond}).String(), "between -0.002 s and +1.500 s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
