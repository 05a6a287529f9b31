package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters/agent/credentials"
)

const (
	sweepInterval = time.Minute
	// A failed renewal is tried again after retryAfter to retryAfter + retryJitter.
	retryAfter  = time.Minute
	retryJitter = time.Minute
	// renewalsAtOnce keeps a slow EKS Auth from holding up the renewals behind it.
	renewalsAtOnce = 8
)

// Run renews entries until ctx ends: once a minute, those whose time has come.
func (c *Cache) Run(ctx context.Context) {
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

func (c *Cache) sweep(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(renewalsAtOnce)
	for _, due := range c.due() {
		if c.renewals.Wait(ctx) != nil { // only when ctx ends
			break
		}
		group.Go(func() error {
			c.renew(ctx, due)
			return nil
		})
	}
	_ = group.Wait() // renewals report for themselves
}

// due drops the entries whose token has ended, for nobody can ask for them any more, and lists the
// others whose time has come, the ones that end first at the head.
func (c *Cache) due() []key {
	now := time.Now()
	expires := map[key]time.Time{}
	for _, k := range c.entries.Keys() {
		e, ok := c.entries.Peek(k)
		if !ok {
			continue
		}
		if expired(e.token, now) {
			c.entries.Remove(k)
			continue
		}
		if current := e.held.Load(); !now.Before(current.renewAt) {
			expires[k] = current.expires
		}
	}
	keys := make([]key, 0, len(expires))
	for k := range expires {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return expires[a].Compare(expires[b]) })
	return keys
}

func (c *Cache) renew(ctx context.Context, k key) {
	e, ok := c.entries.Peek(k)
	if !ok {
		return
	}
	// A pod that asks while its old credentials cannot be served any more waits for this call.
	_, err, _ := c.flights.Do(string(k[:]), func() (any, error) {
		fetched, err := c.fetch(ctx, e.token)
		if err != nil {
			return nil, err
		}
		e.held.Store(fetched)
		c.metrics.renewed.Inc()
		return fetched.document, nil
	})
	if err == nil || ctx.Err() != nil {
		return
	}
	log := c.log.With("subject", e.token.Subject)
	failure, answered := errors.AsType[*credentials.Error](err)
	code := ""
	if answered {
		code = failure.Code
	}
	if answered && failure.Final() {
		c.metrics.failures.WithLabelValues("NonRecoverable", code).Inc()
		log.Info("Credentials are not renewed any more, dropping them", "error", err)
		c.entries.Remove(k)
		return
	}
	c.metrics.failures.WithLabelValues("Recoverable", code).Inc()
	now := time.Now()
	current := *e.held.Load()
	if !current.servable(now) {
		log.Warn("Credentials ended and cannot be renewed, dropping them", "error", err)
		c.entries.Remove(k)
		return
	}
	retry := retryAfter + rand.N(retryJitter)
	log.Warn("Renewal failed, keeping the credentials", "error", err, "expiration", current.expires, "retry", retry)
	current.renewAt = now.Add(min(retry, current.expires.Sub(now)))
	e.held.Store(&current)
}
