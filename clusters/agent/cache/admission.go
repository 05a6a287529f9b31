package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrBusy says that too many requests wait for credentials: the caller is to try again later.
var ErrBusy = errors.New("too many requests wait for credentials")

const (
	// fetchTimeout bounds a call with its retries and its wait, whoever waits for it; a server's
	// request timeout of 30 s leaves time for the answer.
	fetchTimeout = 25 * time.Second
	// A failure is held back until nobody came for settleQuiet, and no longer than settleMost.
	settleQuiet = 20 * time.Millisecond
	settleMost  = 200 * time.Millisecond
	// burst is how many requests wait at once in a burst: more than a few pods of a node make.
	burst = 64
)

// admission bounds the memory that a burst of requests takes: each that waits holds a connection, a
// goroutine and its token, each call to EKS Auth several times that.
type admission struct {
	most    int64 // 0: no bound
	waiting atomic.Int64
	bursts  chan struct{} // has an element after waiting became burst
	idle    chan struct{} // has an element after waiting became 0
	arrived atomic.Uint64
	calls   chan struct{} // nil: no bound
}

func newAdmission(waiting, calls int) *admission {
	a := &admission{most: int64(waiting), bursts: make(chan struct{}, 1), idle: make(chan struct{}, 1)}
	if calls > 0 {
		a.calls = make(chan struct{}, calls)
	}
	return a
}

// enter counts a request that waits, unless there are too many.
func (a *admission) enter() bool {
	waiting := a.waiting.Add(1)
	if a.most > 0 && waiting > a.most {
		a.leave()
		return false
	}
	if waiting == burst {
		signal(a.bursts)
	}
	a.arrived.Add(1)
	return true
}

func (a *admission) leave() {
	if a.waiting.Add(-1) == 0 {
		signal(a.idle)
	}
}

// signal leaves an element in a channel that has room for one.
func signal(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default: // there is one
	}
}

// acquire waits until a call may be made.
func (a *admission) acquire(ctx context.Context) error {
	if a.calls == nil {
		return nil
	}
	select {
	case a.calls <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
	}
}

func (a *admission) release() {
	if a.calls != nil {
		<-a.calls
	}
}

// settle holds a failure back while requests keep coming: a herd takes longer to arrive than a
// refusal does, and each that came after the answer would cost a call of its own.
func (a *admission) settle() {
	for begin, last := time.Now(), a.arrived.Load(); time.Since(begin) < settleMost; {
		time.Sleep(settleQuiet)
		now := a.arrived.Load()
		if now == last {
			return
		}
		last = now
	}
}
