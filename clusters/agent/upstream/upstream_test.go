package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podidentity/epi/clusters/agent/credentials"
	"github.com/podidentity/epi/clusters/agent/validation"
)

type fetcher func(token string) (credentials.Credentials, error)

func (f fetcher) Fetch(_ context.Context, token string) (credentials.Credentials, error) {
	return f(token)
}

func newCache(entries int, f fetcher) (*Cache, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	return New(f, Options{Entries: entries, Retention: time.Hour, RenewalsPerSecond: 3, Metrics: NewMetrics(registry), Log: slog.New(slog.DiscardHandler)}), registry
}

func living(calls *atomic.Int64, life time.Duration) fetcher {
	return func(string) (credentials.Credentials, error) {
		calls.Add(1)
		return credentials.Credentials{AccessKeyID: "A", Expiration: time.Now().Add(life)}, nil
	}
}

func ask(t *testing.T, c *Cache, token string) {
	t.Helper()
	if _, err := c.Get(t.Context(), validation.Token{Raw: token}, netip.Addr{}); err != nil {
		t.Fatal(err)
	}
}

// A token that is used all the time is dropped if it was stored first. That is the known deviation.
func TestDropsWhatWasStoredLongestAgo(t *testing.T) {
	var calls atomic.Int64
	c, _ := newCache(2, living(&calls, time.Hour))
	for _, token := range []string{"one", "two", "one", "three"} {
		ask(t, c, token)
	}
	before := calls.Load()
	ask(t, c, "two")
	if calls.Load() != before {
		t.Error("the second was dropped")
	}
	ask(t, c, "one")
	if calls.Load() != before+1 {
		t.Error("the first was kept, though it was stored longest ago")
	}
}

// BASELINES: 50 and 200 simultaneous requests make one call if it succeeds, and one each if it fails.
func TestAFailedCallIsSharedWithNobody(t *testing.T) {
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			c, _ := newCache(10, func(string) (credentials.Credentials, error) {
				calls.Add(1)
				time.Sleep(20 * time.Millisecond)
				if fails {
					return credentials.Credentials{}, errors.New("refused")
				}
				return credentials.Credentials{Expiration: time.Now().Add(time.Hour)}, nil
			})
			var all sync.WaitGroup
			first := func() { _, _ = c.Get(t.Context(), validation.Token{Raw: "t"}, netip.Addr{}) }
			all.Go(first)
			synctest.Wait()
			began := time.Now()
			for range 49 {
				all.Go(first)
			}
			all.Wait()
			if want := map[bool]int64{false: 1, true: 50}[fails]; fails && calls.Load() < 2 || !fails && calls.Load() != want {
				t.Errorf("fails %t: %d calls", fails, calls.Load())
			}
			if took := time.Since(began); took < lookEvery {
				t.Errorf("whoever waits had its answer after %s, before it looked again", took)
			}
		})
	}
}

// The limiter accepts two of four renewals in one sweep. The others are delayed by a minute at least.
func TestSweepPutsRenewalsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c, _ := newCache(10, living(&calls, 6*time.Hour))
		for _, token := range []string{"1", "2", "3", "4"} {
			ask(t, c, token)
		}
		ctx, stop := context.WithCancel(t.Context())
		go c.Run(ctx)
		time.Sleep(time.Hour + 90*time.Second)
		if n := calls.Load(); n <= 4 || n >= 8 {
			t.Errorf("%d calls after the first sweep in which four were due", n)
		}
		time.Sleep(10 * time.Minute)
		if n := calls.Load(); n != 8 {
			t.Errorf("%d calls after ten minutes more, want 8", n)
		}
		stop()
	})
}

func TestMetricsAreThereWhenTheyCount(t *testing.T) {
	var calls atomic.Int64
	c, registry := newCache(2, living(&calls, time.Hour))
	if families, _ := registry.Gather(); len(families) != 0 {
		t.Errorf("%v before the first miss", families)
	}
	ask(t, c, "one")
	if families, _ := registry.Gather(); len(families) != 1 {
		t.Errorf("%v after the first miss", families)
	}
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited, codes := Limit(http.NotFoundHandler()), map[int]int{}
		for range burst + 100 {
			w := httptest.NewRecorder()
			limited.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			codes[w.Code]++
		}
		if codes[http.StatusNotFound] != burst || codes[http.StatusTooManyRequests] != 100 {
			t.Errorf("%v", codes)
		}
	})
}
