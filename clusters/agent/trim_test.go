package agent

import (
	"context"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// recorded has the times since begin of Spare and Free.
type recorded struct {
	begin         time.Time
	spared, freed []time.Duration
}

func (r *recorded) Spare() { r.spared = append(r.spared, time.Since(r.begin)) }
func (r *recorded) Free()  { r.freed = append(r.freed, time.Since(r.begin)) }

func TestMemoryIsReturnedWhenFetchesAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		bursts, idle := make(chan struct{}, 1), make(chan struct{}, 1)
		got := &recorded{begin: time.Now()}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			trim(ctx, bursts, idle, got)
		}()
		at := func(at time.Duration, event chan<- struct{}) {
			time.Sleep(at - time.Since(got.begin))
			event <- struct{}{}
		}
		for fetched := time.Minute; fetched < 63*time.Second; fetched += 100 * time.Millisecond {
			at(fetched, idle)
		}
		at(65*time.Second, idle)
		// A burst that comes soon after the one before it continues that one.
		at(70*time.Second, bursts)
		at(72*time.Second, idle)
		at(72*time.Second+trimAfter/2, bursts)
		at(80*time.Second, idle)
		time.Sleep(time.Hour)
		cancel()
		<-ended
		want := []time.Duration{63*time.Second - 100*time.Millisecond + trimAfter, 65*time.Second + trimAfter, 80*time.Second + trimAfter}
		if !slices.Equal(got.freed, want) {
			t.Errorf("freed at %v, want %v", got.freed, want)
		}
		if want := []time.Duration{70 * time.Second, 72*time.Second + trimAfter/2}; !slices.Equal(got.spared, want) {
			t.Errorf("spared at %v, want %v", got.spared, want)
		}
	})
}

// A user's own GOGC is kept if it is lower, and is restored otherwise.
func TestSparingKeepsTheUsersOwnSetting(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	for _, row := range []struct{ set, sparing int }{{100, burstPercent}, {400, burstPercent}, {20, 20}, {-1, -1}} {
		debug.SetGCPercent(row.set)
		var c collector
		c.Spare()
		c.Spare()
		during := debug.SetGCPercent(row.sparing)
		c.Free()
		after := debug.SetGCPercent(row.set)
		if during != row.sparing || after != row.set {
			t.Errorf("GOGC=%d was %d during a burst and %d after it, want %d and %[1]d", row.set, during, after, row.sparing)
		}
	}
}
