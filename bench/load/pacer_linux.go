package load

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pacer wakes its caller on time. The runtime rounds its own timers up to a millisecond in an idle process (netpoll waits
// in milliseconds), which is longer than many answers take. A kernel timer that the network poller watches is exact to some
// microseconds and blocks no thread.
type pacer struct {
	fd    int
	timer *os.File
	stop  func() bool
}

func newPacer(ctx context.Context) (*pacer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create timer: %w", err)
	}
	p := &pacer{fd: fd, timer: os.NewFile(uintptr(fd), "timer")}
	p.stop = context.AfterFunc(ctx, func() { _ = p.timer.SetReadDeadline(time.Unix(1, 0)) }) // ends waits
	return p, nil
}

// wait returns after d, or as soon as the context of newPacer ends.
func (p *pacer) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	set := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
	if err := unix.TimerfdSettime(p.fd, 0, &set, nil); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	var expirations [8]byte
	if _, err := p.timer.Read(expirations[:]); err != nil && ctx.Err() == nil {
		return fmt.Errorf("wait for timer: %w", err)
	}
	return ctx.Err()
}

func (p *pacer) close() {
	p.stop()
	_ = p.timer.Close() // nothing waits any more
}
