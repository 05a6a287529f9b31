package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrBusy says that too many requests wait for credentials. The caller has to try again later.
var ErrBusy = errors.New("too many requests wait for credentials")

const (
	// fetchTimeout bounds a call with its retries and its wait, for any caller. A server's request timeout of 30 s leaves
	// time for the answer.
	fetchTimeout = 25 * time.Second
	// A failure is held back until no request has come for settleQuiet, and for settleMost at most.
	settleQuiet = 20 * time.Millisecond
	settleMost  = 200 * time.Millisecond
	// burst is the number of waiting requests from which they count as a burst. It is more than a few pods of a node make.
	burst = 64
)

// admission bounds the memory of a burst of requests. Each waiting request has a connection, a goroutine and its token.
// Each call to EKS Auth has several times that.
type admission struct {
	most    int64 // 0: no limit
	waiting atomic.Int64
	bursts  chan struct{} // has an element after waiting became burst
	idle    chan struct{} // has an element after waiting became 0
	arrived atomic.Uint64
	calls   chan struct{} // nil: no limit
	ended   chan struct{} // closed when the agent ends
}

func newAdmission(waiting, calls int) *admission {
	a := &admission{most: int64(waiting), bursts: make(chan struct{}, 1), idle: make(chan struct{}, 1), ended: make(chan struct{})}
	if calls > 0 {
		a.calls = make(chan struct{}, calls)
	}
	return a
}

// enter counts a waiting request, unless there are too many.
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
	default: // it has an element already
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

// settle holds a failure back while requests keep coming. A herd takes longer to arrive than a refusal, and each request
// after the answer would cost a call of its own. When the agent ends, no request comes any more.
func (a *admission) settle() {
	for begin, last := time.Now(), a.arrived.Load(); time.Since(begin) < settleMost; {
		select {
		case <-time.After(settleQuiet):
		case <-a.ended:
			return
		}
		now := a.arrived.Load()
		if now == last {
			return
		}
		last = now
	}
}
