package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/podidentity/epi/clusters/agent/credentials"
	"github.com/podidentity/epi/clusters/agent/validation"
)

// issuer issues credentials numbered by call. A test sets its delay and its error.
type issuer struct {
	mu    sync.Mutex
	calls map[string]int
	life  time.Duration
	delay time.Duration
	err   error
}

func newIssuer() *issuer { return &issuer{calls: map[string]int{}, life: 6 * time.Hour} }

func (i *issuer) Fetch(ctx context.Context, token string) (credentials.Credentials, error) {
	i.mu.Lock()
	i.calls[token]++
	n, life, delay, err := i.calls[token], i.life, i.delay, i.err
	i.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return credentials.Credentials{}, ctx.Err()
	}
	return credentials.Credentials{
		AccessKeyID: fmt.Sprintf("%s-%d", token, n), SecretAccessKey: "secret", SessionToken: "session",
		AccountID: "123456789012", Expiration: time.Now().Add(life),
	}, err
}

func (i *issuer) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
}

func (i *issuer) setLife(life time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.life = life
}

func (i *issuer) count(token string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.calls[token]
}

// start runs a cache with its renewals in a synctest bubble.
func start(t *testing.T, fetcher Fetcher, options Options) *Cache {
	t.Helper()
	options.Metrics = prometheus.NewRegistry()
	options.Log = slog.New(slog.DiscardHandler)
	if options.RenewalsPerSecond == 0 {
		options.RenewalsPerSecond = 3
	}
	c, err := New(fetcher, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var renewals sync.WaitGroup
	renewals.Go(func() { c.Run(ctx) })
	t.Cleanup(func() { cancel(); renewals.Wait() })
	return c
}

func count(t *testing.T, counter prometheus.Counter) float64 {
	t.Helper()
	var metric dto.Metric
	if err := counter.Write(&metric); err != nil {
		t.Fatal(err)
	}
	return metric.GetCounter().GetValue()
}

// peer is the client's address in tests in which it does not matter.
var peer = netip.MustParseAddr("10.0.0.5")

var defaults = Options{Entries: 2000, Retention: 3 * time.Hour}

func named(name string) validation.Token {
	return validation.Token{Raw: name, Subject: "subject of " + name, Expires: time.Now().Add(24 * time.Hour)}
}

func get(t *testing.T, c *Cache, token validation.Token) string {
	t.Helper()
	document, ok := c.Cached(token.Raw, peer)
	if !ok {
		var err error
		if document, err = c.Get(t.Context(), token, peer); err != nil {
			t.Fatal(err)
		}
	}
	var answer struct{ AccessKeyId string }
	if err := json.Unmarshal(document, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.AccessKeyId
}

// AGT-08: the second request makes no call and gets the same key.
func TestSecondRequestIsServedFromTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		c := start(t, eksAuth, defaults)
		first, second, other := get(t, c, named("a")), get(t, c, named("a")), get(t, c, named("a'"))
		if first != second || first == other || eksAuth.count("a") != 1 {
			t.Errorf("got %s, %s and %s for another token, after %d calls", first, second, other, eksAuth.count("a"))
		}
	})
}

// AGT-10: upstream's waiters look every 200 ms. epi's get the answer at the same time as the first caller.
func TestConcurrentRequestsShareACall(t *testing.T) {
	throttled := &credentials.Error{Status: 429, Code: "ThrottlingException"}
	for _, failure := range []error{nil, throttled} {
		t.Run(fmt.Sprint(failure), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eksAuth := newIssuer()
				eksAuth.delay, eksAuth.err = 250*time.Millisecond, failure
				c := start(t, eksAuth, defaults)
				token, begin := named("a"), time.Now()
				var waiters sync.WaitGroup
				for range 200 {
					waiters.Go(func() {
						if _, err := c.Get(t.Context(), token, peer); !errors.Is(err, failure) {
							t.Errorf("got %v, want %v", err, failure)
						}
						took, want := time.Since(begin), 250*time.Millisecond
						if failure != nil { // held back for requests that may still come
							want += settleQuiet
						}
						if took != want {
							t.Errorf("took %s, want %s", took, want)
						}
					})
				}
				waiters.Wait()
				if n := eksAuth.count("a"); n != 1 {
					t.Errorf("%d calls", n)
				}
				// A failure is not kept.
				eksAuth.fail(nil)
				get(t, c, token)
				if n := eksAuth.count("a"); failure != nil && n != 2 || failure == nil && n != 1 {
					t.Errorf("%d calls after another request", n)
				}
			})
		})
	}
}

func TestALeaderThatGivesUpDoesNotEndTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		eksAuth.delay = time.Second
		c := start(t, eksAuth, defaults)
		ctx, cancel := context.WithCancel(t.Context())
		var leader sync.WaitGroup
		leader.Go(func() {
			if _, err := c.Get(ctx, named("a"), peer); !errors.Is(err, context.Canceled) {
				t.Errorf("leader got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		leader.Wait()
		if got := get(t, c, named("a")); got != "a-1" || eksAuth.count("a") != 1 {
			t.Errorf("got %s after %d calls", got, eksAuth.count("a"))
		}
	})
}

// AGT-07: the call ends before the server's timeout of 30 s.
func TestASilentFetcherIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		eksAuth.delay = time.Hour
		c := start(t, eksAuth, defaults)
		begin := time.Now()
		if _, err := c.Get(t.Context(), named("a"), peer); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) >= 30*time.Second {
			t.Errorf("got %v after %s", err, time.Since(begin))
		}
	})
}

// AGT-09: 15 s of remaining lifetime are too few, both fetched and cached.
func TestCredentialsAboutToEndAreNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		c := start(t, eksAuth, defaults)
		eksAuth.life = 15 * time.Second
		const text = "fetched credentials are expired or will expire within the next 15.00 seconds"
		if _, err := c.Get(t.Context(), named("a"), peer); err == nil || err.Error() != text {
			t.Errorf("got %v", err)
		}
		eksAuth.life = 45 * time.Second
		if got := get(t, c, named("a")); got != "a-2" {
			t.Errorf("got %s", got)
		}
		eksAuth.fail(errors.New("no route to host")) // otherwise they would be renewed
		time.Sleep(29 * time.Second)                 // the bubble's clock
		if got := get(t, c, named("a")); got != "a-2" {
			t.Errorf("with 16 s left: got %s", got)
		}
		eksAuth.fail(nil)
		time.Sleep(time.Second)
		if got := get(t, c, named("a")); got == "a-2" {
			t.Errorf("with 15 s left: got %s", got)
		}
	})
}

func TestAnEndedTokenIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		c := start(t, eksAuth, defaults)
		token := named("a")
		token.Expires = time.Now().Add(10 * time.Minute)
		get(t, c, token)
		time.Sleep(10*time.Minute - time.Nanosecond)
		if _, ok := c.Cached("a", peer); !ok {
			t.Error("not served before its end")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := c.Cached("a", peer); ok {
			t.Error("served at its end")
		}
		// It is not renewed either, although its credentials would be due.
		time.Sleep(6 * time.Hour)
		if n := eksAuth.count("a"); n != 1 || c.entries.Len() != 0 {
			t.Errorf("%d calls, %d entries", n, c.entries.Len())
		}
	})
}

// AGT-13.
func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eksAuth := newIssuer()
		c := start(t, eksAuth, Options{Entries: 2, Retention: time.Hour})
		for _, name := range []string{"a", "b", "a", "c", "a", "b"} {
			get(t, c, named(name))
		}
		if a, b, n := eksAuth.count("a"), eksAuth.count("b"), count(t, c.metrics.evicted); a != 1 || b != 2 || n != 2 {
			t.Errorf("a was fetched %d times, b %d times, %v were evicted", a, b, n)
		}
	})
}

// AGT-13: 0 disables caching, for size and for retention.
func TestCachingCanBeDisabled(t *testing.T) {
	for _, options := range []Options{{Retention: time.Hour}, {Entries: 2000}} {
		synctest.Test(t, func(t *testing.T) {
			eksAuth := newIssuer()
			c := start(t, eksAuth, options)
			get(t, c, named("a"))
			if got := get(t, c, named("a")); got != "a-2" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// AGT-13: a rate, retention and size that cannot go together are refused at start.
func TestOptionsThatCannotKeepUp(t *testing.T) {
	for _, row := range []struct {
		options Options
		ok      bool
	}{
		{Options{Entries: 2000, Retention: 3 * time.Hour, RenewalsPerSecond: 3}, true},
		{Options{Entries: 361, Retention: time.Minute, RenewalsPerSecond: 3}, true}, // 361/2 is 180
		{Options{Entries: 362, Retention: time.Minute, RenewalsPerSecond: 3}, false},
		{Options{Entries: 2000, Retention: 3 * time.Hour}, false},
	} {
		row.options.Metrics, row.options.Log = prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
		_, err := New(newIssuer(), row.options)
		if row.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "cannot keep") {
			t.Errorf("%d entries: %v", row.options.Entries, err)
		}
	}
}

func BenchmarkCached(b *testing.B) {
	c, err := New(newIssuer(), Options{Entries: 2000, Retention: time.Hour, RenewalsPerSecond: 3, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	token := named(strings.Repeat("t", 1000))
	if _, err := c.Get(b.Context(), token, peer); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Cached(token.Raw, peer); !ok {
			b.Fatal("missed")
		}
	}
}
