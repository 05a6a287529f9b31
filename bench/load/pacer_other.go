//go:build !linux

package load

import (
	"context"
	"time"
)

// pacer wakes its caller as exactly as the runtime can.
type pacer struct{}

func newPacer(context.Context) (*pacer, error) { return &pacer{}, nil }

func (*pacer) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (*pacer) close() {}
