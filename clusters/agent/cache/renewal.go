package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters/agent/credentials"
)

const (
	// spread is the largest part of its time by which an entry is renewed early, at random, so that entries that were
	// fetched together are not renewed together. The same part of the credentials' lifetime is left for a renewal to
	// succeed in.
	spread = 10
	// leastRenewal keeps credentials with a very short lifetime from being renewed all the time.
	leastRenewal = 10 * time.Second
	// A failed renewal is tried again after retryAfter to retryAfter + retryJitter. It is tried earlier if the credentials
	// end before that, but not before leastRetry.
	retryAfter  = time.Minute
	retryJitter = time.Minute
	leastRetry  = 5 * time.Second
	// renewalsAtOnce bounds simultaneous renewals. With several, a slow EKS Auth does not delay the renewals behind it.
	renewalsAtOnce = 16
)

// renewalAfter is the time until credentials with that remaining lifetime are renewed: the retention, or less if they could
// not be served any more before that.
func (c *Cache) renewalAfter(life time.Duration) time.Duration {
	served := life - minimumLife
	after := min(c.retention, max(served-served/spread, leastRenewal))
	return after - rand.N(after/spread+1)
}

// plan schedules the renewal of an entry, or its removal when its token ends.
func (c *Cache) plan(e *entry, after time.Duration) {
	at := time.Now().Add(after)
	if end := e.token.Expires; !end.IsZero() && end.Before(at) {
		at = end
	}
	c.schedule.put(e, at)
}

// Run renews each entry when its time has come, until ctx ends. From then on failures are not held back. It may run once.
func (c *Cache) Run(ctx context.Context) {
	if c.entries == nil {
		return
	}
	context.AfterFunc(ctx, func() { close(c.admission.ended) })
	var group errgroup.Group
	group.SetLimit(1 + renewalsAtOnce)
	defer func() { _ = group.Wait() }() // they log their own errors
	group.Go(func() error {
		c.neighbors.run(ctx)
		return nil
	})
	for c.awaitDue(ctx) && c.renewals.Wait(ctx) == nil {
		if e := c.popLiving(); e != nil {
			group.Go(func() error {
				c.renew(ctx, e)
				return nil
			})
		}
	}
}

// awaitDue waits until an entry is due. It returns false if ctx ended.
func (c *Cache) awaitDue(ctx context.Context) bool {
	for {
		after, some := c.schedule.next()
		if some && after == 0 {
			return ctx.Err() == nil
		}
		var due <-chan time.Time
		if some {
			due = time.After(after)
		}
		select {
		case <-ctx.Done():
			return false
		case <-due:
		case <-c.schedule.changed:
		}
	}
}

// popLiving removes the entry to renew now from the schedule. It drops earlier entries whose tokens have ended.
func (c *Cache) popLiving() *entry {
	for e := c.schedule.pop(); e != nil; e = c.schedule.pop() {
		switch {
		case expired(e.token, time.Now()):
			c.log.Debug("Token ended, dropping its credentials", "subject", e.token.Subject)
		case c.neighbors.gone(e):
			c.metrics.gone.Inc()
			c.log.Info("Pod is gone, dropping its credentials", "subject", e.token.Subject, "address", e.origin.Load().address)
		default:
			return e
		}
		c.entries.Remove(e.key)
	}
	return nil
}

func (c *Cache) renew(ctx context.Context, e *entry) {
	// If its old credentials cannot be served any more, a pod's request waits for this call.
	_, err, _ := c.flights.Do(string(e.key[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		fetched, err := c.fetch(ctx, e.token)
		if err != nil {
			return nil, err
		}
		e.held.Store(fetched)
		c.metrics.renewed.Inc()
		return fetched.document, nil
	})
	if ctx.Err() != nil {
		return
	}
	left := time.Until(e.held.Load().expires)
	if err == nil {
		c.plan(e, c.renewalAfter(left))
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
		c.entries.Remove(e.key)
		return
	}
	c.metrics.failures.WithLabelValues("Recoverable", code).Inc()
	if left <= minimumLife {
		log.Warn("Credentials ended and cannot be renewed, dropping them", "error", err)
		c.entries.Remove(e.key)
		return
	}
	retry := max(leastRetry, min(retryAfter+rand.N(retryJitter), left/2))
	log.Warn("Renewal failed, keeping the credentials", "error", err, "expiration", e.held.Load().expires, "retry", retry)
	c.plan(e, retry)
}
