package agent

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	// minLife is the least that credentials must still be good for to be served.
	minLife = 15 * time.Second
	// sweepInterval is how often entries are looked at for renewal.
	sweepInterval = time.Minute
	// fetchTimeout bounds one fetch with all its retries, below the server's own limit.
	fetchTimeout = 25 * time.Second
)

// expiringError says that EKS Auth gave credentials that are of no use any more.
type expiringError struct{ left time.Duration }

func (e *expiringError) Error() string {
	return fmt.Sprintf("fetched credentials are expired or will expire within the next %.2f seconds", e.left.Seconds())
}

// key is the whole token's digest: tokens are not kept longer than a renewal needs them.
type key [sha256.Size]byte

type entry struct {
	token       string
	credentials Credentials
	renewAt     time.Time
}

// cache keeps credentials per token, so that a pod that asks often costs EKS Auth one call, and
// renews them before they end. Failures are shared by those who waited, and never kept.
type cache struct {
	upstream  upstream
	retention time.Duration
	now       func() time.Time
	log       *slog.Logger
	metrics   *metrics

	// renewals bounds the calls of renewals, not of first fetches.
	renewals *rate.Limiter
	flights  singleflight.Group

	mu      sync.Mutex
	entries *lru.Cache[key, *entry] // nil where caching is off
}

// newCache makes a cache of at most size entries; a size or retention of 0 turns caching off.
func newCache(upstream upstream, size int, retention time.Duration, qps int, now func() time.Time, log *slog.Logger, m *metrics) (*cache, error) {
	c := &cache{upstream: upstream, retention: retention, now: now, log: log, metrics: m, renewals: rate.NewLimiter(rate.Limit(qps), 1)}
	if size > 0 && retention > 0 {
		entries, err := lru.New[key, *entry](size)
		if err != nil {
			return nil, fmt.Errorf("make credentials cache: %w", err)
		}
		c.entries = entries
	}
	return c, nil
}

// Get returns credentials for the token, from the cache or from EKS Auth. However many ask at once
// with one token, EKS Auth is asked once. The error is EKS Auth's, or the context's.
func (c *cache) Get(ctx context.Context, token string) (Credentials, error) {
	k := key(sha256.Sum256([]byte(token)))
	if found, ok := c.lookup(k); ok {
		return found, nil
	}
	flight := c.flights.DoChan(string(k[:]), func() (any, error) {
		// Somebody may have filled the cache between the look-up and this flight.
		if found, ok := c.lookup(k); ok {
			return found, nil
		}
		c.metrics.state("miss")
		// The first to ask may give up; the others still wait for this answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		fetched, err := c.fetch(ctx, token)
		if err == nil {
			c.store(k, token, fetched)
		}
		return fetched, err
	})
	select {
	case <-ctx.Done():
		return Credentials{}, ctx.Err()
	case result := <-flight:
		if result.Err != nil {
			return Credentials{}, result.Err
		}
		return result.Val.(Credentials), nil
	}
}

func (c *cache) lookup(k key) (Credentials, bool) {
	if c.entries == nil {
		return Credentials{}, false
	}
	found, ok := c.entries.Get(k)
	if !ok {
		return Credentials{}, false
	}
	c.mu.Lock()
	credentials := found.credentials
	c.mu.Unlock()
	return credentials, credentials.Expiration.Sub(c.now()) > minLife
}

func (c *cache) fetch(ctx context.Context, token string) (Credentials, error) {
	fetched, err := c.upstream.Fetch(ctx, token)
	if err != nil {
		c.metrics.fetchError(err)
		return Credentials{}, err
	}
	if left := fetched.Expiration.Sub(c.now()); left <= minLife {
		return Credentials{}, &expiringError{left: left}
	}
	return fetched, nil
}

func (c *cache) store(k key, token string, fetched Credentials) {
	if c.entries == nil {
		return
	}
	c.entries.Add(k, &entry{token: token, credentials: fetched, renewAt: c.renewalOf(fetched)})
}

// renewalOf is when credentials are to be renewed: when they end or the retention is over,
// whichever comes first.
func (c *cache) renewalOf(fetched Credentials) time.Time {
	now := c.now()
	return now.Add(min(c.retention, fetched.Expiration.Sub(now)-minLife-sweepInterval))
}

// Run renews entries until ctx ends.
func (c *cache) Run(ctx context.Context) {
	if c.entries == nil {
		return
	}
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.sweep(ctx)
		}
	}
}

// sweep renews every entry whose time has come. A pod that lost its right to credentials loses its
// entry; on any other error it keeps what it has until that ends.
func (c *cache) sweep(ctx context.Context) {
	for _, k := range c.entries.Keys() {
		found, ok := c.entries.Peek(k)
		if !ok {
			continue
		}
		c.mu.Lock()
		due := !c.now().Before(found.renewAt)
		ended := c.now().After(found.credentials.Expiration)
		c.mu.Unlock()
		if !due {
			continue
		}
		if err := c.renewals.Wait(ctx); err != nil {
			return
		}
		fetched, err := c.fetch(ctx, found.token)
		switch {
		case err == nil:
			c.mu.Lock()
			found.credentials, found.renewAt = fetched, c.renewalOf(fetched)
			c.mu.Unlock()
			c.metrics.state("hit")
		case drops(err) || ended:
			c.log.InfoContext(ctx, "credentials dropped", "err", err)
			c.entries.Remove(k)
			c.metrics.state("evicted")
		default:
			c.log.WarnContext(ctx, "credentials not renewed: the old ones are kept until they end", "err", err)
			c.mu.Lock()
			// Spread over a minute, so that a recovered EKS Auth is not met by all at once.
			found.renewAt = c.now().Add(time.Minute + rand.N(time.Minute))
			c.mu.Unlock()
		}
	}
}
