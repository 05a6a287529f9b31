// Package upstream is a cache of credentials that behaves like the one of the EKS Pod Identity Agent v0.1.37 where epi's
// own is better. A request that waits for a call checks every 200 ms. A failed call is not shared. A full cache drops the
// entry that was stored first. Renewals wait for a sweep once a minute. A renewal that the limiter refuses is delayed by
// one or two minutes.
//
// It serves to test the suites: https://github.com/aws/eks-pod-identity-agent, internal/credsretriever.
package upstream

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/podidentity/epi/clusters/agent/credentials"
	"github.com/podidentity/epi/clusters/agent/validation"
)

// The constants of v0.1.37.
const (
	looks          = 9 // besides the first one
	lookEvery      = 200 * time.Millisecond
	minimumLife    = 15 * time.Second
	sweepEvery     = time.Minute
	retryAfter     = time.Minute
	retryJitter    = time.Minute
	renewalTimeout = time.Minute
	// requestsPerSecond is the limit of one listener, and also its burst.
	requestsPerSecond = 1000
	burst             = requestsPerSecond / 2
)

// Fetcher gives credentials for a token.
type Fetcher interface {
	Fetch(ctx context.Context, token string) (credentials.Credentials, error)
}

// Metrics are shared by the caches of all listeners. A series appears with its first count.
type Metrics struct{ states, failures *prometheus.CounterVec }

// NewMetrics registers the counters.
func NewMetrics(registerer prometheus.Registerer) Metrics {
	m := Metrics{
		states:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pod_identity_cache_state", Help: "The state of credential in cache"}, []string{"state"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pod_identity_cache_errors", Help: "Failed renewals"}, []string{"type", "code"}),
	}
	registerer.MustRegister(m.states, m.failures)
	return m
}

// Options of a Cache.
type Options struct {
	// Entries is the largest number of entries. Retention is the time before an entry is renewed. If either is zero,
	// nothing is cached.
	Entries           int
	Retention         time.Duration
	RenewalsPerSecond int
	Metrics           Metrics
	Log               *slog.Logger
}

// Cache is safe for concurrent use.
type Cache struct {
	fetcher  Fetcher
	options  Options
	renewals *rate.Limiter

	mu      sync.Mutex
	entries map[string]*list.Element // by token
	stored  *list.List               // of *entry, the last stored in front
	active  map[string]bool          // tokens of calls in progress
}

type entry struct {
	token    validation.Token
	document []byte
	expires  time.Time
	renewAt  time.Time
}

// New makes a cache for fetcher.
func New(fetcher Fetcher, o Options) *Cache {
	return &Cache{
		fetcher: fetcher, options: o, renewals: rate.NewLimiter(rate.Limit(o.RenewalsPerSecond), o.RenewalsPerSecond),
		entries: map[string]*list.Element{}, stored: list.New(), active: map[string]bool{},
	}
}

// Cached never returns an answer, because every token is parsed again before the cache is used.
func (c *Cache) Cached(string, netip.Addr) ([]byte, bool) { return nil, false }

// Get returns the JSON document of the credentials for a token.
func (c *Cache) Get(ctx context.Context, token validation.Token, _ netip.Addr) ([]byte, error) {
	if c.options.Entries == 0 || c.options.Retention == 0 {
		fetched, err := c.fetch(ctx, token)
		if err != nil {
			return nil, err
		}
		return fetched.document, nil
	}
	for look := 0; look <= looks; look++ {
		document, busy := c.look(token.Raw)
		if document != nil {
			return document, nil
		}
		if !busy {
			break
		}
		if look < looks {
			select {
			case <-time.After(lookEvery):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
	c.setActive(token.Raw, true)
	defer c.setActive(token.Raw, false)
	c.options.Metrics.states.WithLabelValues("miss").Inc()
	fetched, err := c.fetch(ctx, token)
	if err != nil {
		return nil, err
	}
	c.store(fetched, min(time.Until(fetched.expires), c.options.Retention))
	return fetched.document, nil
}

// look returns what may be served, or says that a call for the token is in progress.
func (c *Cache) look(token string) (document []byte, busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[token]; ok {
		held := element.Value.(*entry)
		if time.Until(held.expires) > minimumLife {
			return held.document, false
		}
		c.remove(token)
	}
	return nil, c.active[token]
}

func (c *Cache) setActive(token string, active bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if active {
		c.active[token] = true
	} else {
		delete(c.active, token)
	}
}

// remove requires that the caller holds the lock.
func (c *Cache) remove(token string) {
	if element, ok := c.entries[token]; ok {
		c.stored.Remove(element)
		delete(c.entries, token)
		c.options.Metrics.states.WithLabelValues("evicted").Inc()
	}
}

// store keeps an entry. If there are too many, it drops the one that was stored first, regardless of its last use.
func (c *Cache) store(e *entry, renewAfter time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.renewAt = time.Now().Add(renewAfter)
	if element, ok := c.entries[e.token.Raw]; ok {
		element.Value = e
		c.stored.MoveToFront(element)
		return
	}
	c.entries[e.token.Raw] = c.stored.PushFront(e)
	if c.stored.Len() > c.options.Entries {
		c.remove(c.stored.Back().Value.(*entry).token.Raw)
	}
}

func (c *Cache) fetch(ctx context.Context, token validation.Token) (*entry, error) {
	fetched, err := c.fetcher.Fetch(ctx, token.Raw)
	if err != nil {
		return nil, err
	}
	if life := time.Until(fetched.Expiration); life <= minimumLife {
		return nil, fmt.Errorf("fetched credentials are expired or will expire within the next %0.2f seconds", life.Seconds())
	}
	document, err := json.Marshal(fetched)
	if err != nil {
		return nil, fmt.Errorf("encode credentials: %w", err)
	}
	c.options.Log.Info("Storing creds in cache", "subject", token.Subject)
	return &entry{token: token, document: document, expires: fetched.Expiration}, nil
}

// Run renews the due entries once a minute, one after the other, until ctx ends.
func (c *Cache) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
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

func (c *Cache) sweep(ctx context.Context) {
	now := time.Now()
	for _, e := range c.all() {
		if now.After(e.renewAt) {
			c.renew(ctx, e)
		}
	}
	for _, e := range c.all() {
		if now.After(e.expires) {
			c.drop(e)
		}
	}
}

func (c *Cache) all() []*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*entry
	for element := c.stored.Front(); element != nil; element = element.Next() {
		all = append(all, element.Value.(*entry))
	}
	return all
}

func (c *Cache) drop(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[e.token.Raw]; ok && element.Value == e {
		c.remove(e.token.Raw)
	}
}

func (c *Cache) renew(ctx context.Context, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, renewalTimeout)
	defer cancel()
	// One renewal takes two permits of the limiter, as in the EKS agent.
	if c.renewals.Allow() {
		if c.renewals.Wait(ctx) != nil {
			return
		}
		fetched, err := c.fetch(ctx, e.token)
		if err == nil {
			c.store(fetched, min(time.Until(fetched.expires), c.options.Retention))
			c.options.Metrics.states.WithLabelValues("hit").Inc()
			return
		}
		code := ""
		if failure, ok := errors.AsType[*credentials.Error](err); ok {
			if code = failure.Code; failure.Final() {
				c.options.Metrics.failures.WithLabelValues("NonRecoverable", code).Inc()
				c.drop(e)
				return
			}
		}
		c.options.Metrics.failures.WithLabelValues("Recoverable", code).Inc()
	}
	if left := time.Until(e.expires); left > minimumLife {
		kept := *e
		c.store(&kept, min(left, retryAfter+rand.N(retryJitter)))
	}
}

// Limit answers 429 above a thousand requests a second, before any other check.
func Limit(next http.Handler) http.Handler {
	limiter := rate.NewLimiter(requestsPerSecond, burst)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !limiter.Allow() {
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}
