package cache

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/podidentity/epi/clusters/agent/credentials"
	"github.com/podidentity/epi/clusters/agent/validation"
)

// minimumLife is the remaining lifetime that credentials need to be served.
const minimumLife = 15 * time.Second

// Fetcher fetches credentials for a token. Its *credentials.Error decides whether an entry is kept.
type Fetcher interface {
	Fetch(ctx context.Context, token string) (credentials.Credentials, error)
}

// Options of a Cache.
type Options struct {
	// Entries is the largest number of entries; the least recently used one is dropped first. Zero: nothing is cached.
	Entries int
	// Retention is the longest time before an entry is renewed. Zero: nothing is cached.
	Retention time.Duration
	// RenewalsPerSecond bounds the calls in the background.
	RenewalsPerSecond int
	// Waiting is the largest number of waiting requests, which are those that the cache does not answer. Zero: no limit.
	Waiting int
	// Calls is the largest number of simultaneous calls of the fetcher for requests. Zero: no limit.
	Calls int
	// Neighbors say which pods are gone. Nil: what is cached is renewed until its token ends.
	Neighbors Neighbors
	// Metrics registers the counters pod_identity_cache_state and pod_identity_cache_errors.
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Cache is safe for concurrent use.
type Cache struct {
	fetcher   Fetcher
	entries   *lru.Cache[key, *entry] // nil: nothing is cached
	retention time.Duration
	flights   singleflight.Group
	admission *admission
	schedule  *schedule
	renewals  *rate.Limiter
	neighbors *neighborhood
	metrics   metrics
	log       *slog.Logger
}

// key is the hash of a whole token, with its signature. A client without the token itself cannot get its entry.
type key [sha256.Size]byte

// If this function were inlined, its buffer would be on the stack of each caller that waits for credentials.
//
//go:noinline
func keyOf(token string) key {
	// Tokens are about 1 KiB. One that fits into the buffer is hashed on the stack.
	var buffer [2048]byte
	return sha256.Sum256(append(buffer[:0], token...))
}

type entry struct {
	key    key
	token  validation.Token
	held   atomic.Pointer[held]
	origin atomic.Pointer[origin]
	place  place
}

// held is the content of an entry until the next renewal.
type held struct {
	document []byte
	expires  time.Time
}

func (h *held) servable(now time.Time) bool { return h.expires.Sub(now) > minimumLife }

// New makes a cache for fetcher. It refuses options with which renewals cannot keep up.
func New(fetcher Fetcher, o Options) (*Cache, error) {
	c := &Cache{
		fetcher: fetcher, retention: o.Retention, admission: newAdmission(o.Waiting, o.Calls),
		neighbors: newNeighborhood(o.Neighbors, o.Log), metrics: newMetrics(o.Metrics), log: o.Log,
	}
	if o.Entries == 0 || o.Retention == 0 {
		return c, nil
	}
	if o.RenewalsPerSecond*int(o.Retention.Seconds()) < o.Entries/2 {
		return nil, fmt.Errorf("%d renewals a second, each entry after %s, cannot keep %d entries fresh: allow more renewals, a longer retention or fewer entries",
			o.RenewalsPerSecond, o.Retention, o.Entries)
	}
	c.schedule = newSchedule()
	entries, err := lru.NewWithEvict(o.Entries, func(_ key, e *entry) {
		c.schedule.remove(e)
		c.metrics.evicted.Inc()
		c.log.Debug("Credentials left the cache", "subject", e.token.Subject)
	})
	if err != nil {
		return nil, fmt.Errorf("make cache of %d entries: %w", o.Entries, err)
	}
	c.entries = entries
	c.renewals = rate.NewLimiter(rate.Limit(o.RenewalsPerSecond), o.RenewalsPerSecond)
	return c, nil
}

// Cached returns the JSON document of the credentials for a token if they may still be served to a pod at the address from.
// It was checked when it was fetched. The caller must not change it.
func (c *Cache) Cached(token string, from netip.Addr) ([]byte, bool) {
	if c.entries == nil {
		return nil, false
	}
	e, ok := c.entries.Get(keyOf(token))
	if !ok {
		return nil, false
	}
	now := time.Now()
	current := e.held.Load()
	if !current.servable(now) || expired(e.token, now) {
		return nil, false
	}
	c.neighbors.asked(e, from)
	c.metrics.served.Inc()
	return current.document, true
}

func expired(token validation.Token, now time.Time) bool {
	return !token.Expires.IsZero() && !now.Before(token.Expires)
}

// Get returns the JSON document of the credentials for a token, from the cache or from the fetcher, to a pod at the address
// from. If several callers ask for one token at the same time, the fetcher is called once, and all get its answer,
// credentials or error. An error is not kept. A caller that gives up does not end the call. The error is ErrBusy if too
// many wait already.
func (c *Cache) Get(ctx context.Context, token validation.Token, from netip.Addr) ([]byte, error) {
	if !c.admission.enter() {
		return nil, ErrBusy
	}
	defer c.admission.leave()
	if c.entries == nil {
		fetched, err := c.call(ctx, token)
		if err != nil {
			return nil, err
		}
		return fetched.document, nil
	}
	k := keyOf(token.Raw)
	flight := c.flights.DoChan(string(k[:]), func() (any, error) {
		// Another call may have ended between the caller's look into the cache and this one.
		if document, ok := c.Cached(token.Raw, from); ok {
			return document, nil
		}
		c.metrics.missed.Inc()
		fetched, err := c.call(context.WithoutCancel(ctx), token)
		if err != nil {
			c.admission.settle()
			return nil, err
		}
		c.store(k, token, fetched, from)
		return fetched.document, nil
	})
	select {
	case result := <-flight:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.([]byte), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for credentials: %w", context.Cause(ctx))
	}
}

// Bursts has an element after so many requests waited that they take most of the memory.
func (c *Cache) Bursts() <-chan struct{} { return c.admission.bursts }

// Idle has an element after the last waiting request got its answer.
func (c *Cache) Idle() <-chan struct{} { return c.admission.idle }

func (c *Cache) store(k key, token validation.Token, fetched *held, from netip.Addr) {
	e, ok := c.entries.Get(k)
	if ok {
		e.held.Store(fetched)
	} else {
		e = &entry{key: k, token: token}
		e.held.Store(fetched)
		c.entries.Add(k, e)
	}
	c.neighbors.asked(e, from)
	c.plan(e, c.renewalAfter(time.Until(fetched.expires)))
}

// call fetches credentials for a request. It may have to wait for others.
func (c *Cache) call(ctx context.Context, token validation.Token) (*held, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if err := c.admission.acquire(ctx); err != nil {
		return nil, err
	}
	defer c.admission.release()
	return c.fetch(ctx, token)
}

func (c *Cache) fetch(ctx context.Context, token validation.Token) (*held, error) {
	start := time.Now()
	fetched, err := c.fetcher.Fetch(ctx, token.Raw)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	life := fetched.Expiration.Sub(now)
	if life <= minimumLife {
		return nil, fmt.Errorf("fetched credentials are expired or will expire within the next %0.2f seconds", life.Seconds())
	}
	document, err := json.Marshal(fetched)
	if err != nil {
		return nil, fmt.Errorf("encode credentials: %w", err)
	}
	c.log.Info("Fetched credentials", "subject", token.Subject, "account", fetched.AccountID,
		"expiration", fetched.Expiration, "duration", now.Sub(start).String())
	return &held{document: document, expires: fetched.Expiration}, nil
}
