package estimate

import (
	"fmt"
	"testing"
	"time"
)

const second = time.Second

var start = time.Date(2026, time.November, 24, 9, 0, 0, 0, time.UTC)

// before returns ten parts of 2 s each, two at a time.
func before() ([]string, map[string]time.Duration, time.Duration) {
	var parts []string
	took := map[string]time.Duration{}
	for n := range 10 {
		part := fmt.Sprint("part ", n)
		parts = append(parts, part)
		took[part] = 2 * second
	}
	return parts, took, 10 * second
}

func TestWhatIsLeft(t *testing.T) {
	for name, row := range map[string]struct {
		change func(parts *[]string, before map[string]time.Duration, whole *time.Duration)
		events func(*Estimate)
		want   time.Duration
		known  bool
	}{
		"nothing is done":              {nil, func(*Estimate) {}, 10 * second, true},
		"half is done, as before":      {nil, endHalf(2 * second), 5 * second, true},
		"half is done, twice as slow":  {nil, endHalf(4 * second), 8571 * time.Millisecond, true}, // (20+4)/(10+4) of 5 s
		"half is done, at no time":     {nil, endHalf(0), 1428 * time.Millisecond, true},
		"one part runs":                {nil, func(e *Estimate) { e.Begin("part 0", start.Add(-second)) }, 9500 * time.Millisecond, true},
		"a part runs for far too long": {nil, func(e *Estimate) { e.Begin("part 0", start.Add(-time.Hour)) }, 9 * second, true},
		"all is done": {nil, func(e *Estimate) {
			for n := range 10 {
				e.End(fmt.Sprint("part ", n), 2*second)
			}
		}, 0, true},
		"a part ends twice":           {nil, func(e *Estimate) { e.End("part 0", 2*second); e.End("part 0", 2*second) }, 9 * second, true},
		"a part that nobody expected": {nil, func(e *Estimate) { e.Begin("other", start); e.End("other", time.Hour) }, 10 * second, true},
		"one long part": {func(_ *[]string, before map[string]time.Duration, _ *time.Duration) { before["part 0"] = 40 * second },
			func(*Estimate) {}, 40 * second, true},
		"some are new": {func(parts *[]string, _ map[string]time.Duration, _ *time.Duration) {
			*parts = append(*parts, "new", "newer")
		},
			func(*Estimate) {}, 12 * second, true},
		"most are new": {func(parts *[]string, _ map[string]time.Duration, _ *time.Duration) {
			*parts = append(*parts, "a", "b", "c", "d")
		}, func(*Estimate) {}, 0, false},
		"fewer than before": {func(parts *[]string, _ map[string]time.Duration, _ *time.Duration) { *parts = (*parts)[:3] },
			func(*Estimate) {}, 3 * second, true},
		"nothing is known": {func(_ *[]string, before map[string]time.Duration, _ *time.Duration) { clear(before) }, func(*Estimate) {}, 0, false},
		"no parts":         {func(parts *[]string, _ map[string]time.Duration, _ *time.Duration) { *parts = nil }, func(*Estimate) {}, 0, false},
		"at no time before": {func(_ *[]string, before map[string]time.Duration, whole *time.Duration) {
			for part := range before {
				before[part] = 0
			}
			*whole = 0
		}, endHalf(time.Hour), 0, true},
	} {
		parts, took, whole := before()
		if row.change != nil {
			row.change(&parts, took, &whole)
		}
		e := New(parts, took, whole)
		row.events(e)
		got, known := e.Left(start)
		if known != row.known || got.Truncate(time.Millisecond) != row.want {
			t.Errorf("%s: %s (known %v), want %s (%v)", name, got, known, row.want, row.known)
		}
	}
}

func endHalf(took time.Duration) func(*Estimate) {
	return func(e *Estimate) {
		for n := range 5 {
			e.End(fmt.Sprint("part ", n), took)
		}
	}
}

// The remaining time never grows while everything goes as before.
func TestWhatIsLeftShrinks(t *testing.T) {
	parts, took, whole := before()
	e := New(parts, took, whole)
	now, last := start, time.Hour
	for n := 0; n < 10; n += 2 {
		e.Begin(parts[n], now)
		e.Begin(parts[n+1], now)
		for range 4 {
			now = now.Add(second / 2)
			left, known := e.Left(now)
			if !known || left > last {
				t.Errorf("after %s %s are left, after %s before", now.Sub(start), left, last)
			}
			last = left
		}
		e.End(parts[n], 2*second)
		e.End(parts[n+1], 2*second)
	}
	if left, _ := e.Left(now); left != 0 {
		t.Errorf("%s are left of nothing", left)
	}
}
