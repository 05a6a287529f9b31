// Package lockfile prevents that two processes do the same long work at the same time. The kernel releases the lock of a
// process at its end, of any kind.
package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// interval is the time between two attempts. The kernel's own wait for a lock cannot be interrupted.
const interval = 200 * time.Millisecond

// Acquire creates the file if it is missing, and waits until this process alone holds its lock, or until ctx ends. It calls
// waiting once if another process holds the lock. The caller must call release.
func Acquire(ctx context.Context, file string, waiting func()) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	reported := false
	for {
		held, err := try(file)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", file, err)
		}
		if held != nil {
			return func() { _ = held.Close() }, nil // closing it releases the lock
		}
		if !reported {
			reported = true
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s: %w", file, context.Cause(ctx))
		case <-time.After(interval):
		}
	}
}

// try returns the locked file, or nil if another process holds its lock.
func try(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil && !same(file, name) {
		// The earlier holder has removed the file, so this lock is of a file that no other process can open.
		err = unix.EWOULDBLOCK
	}
	if err == nil {
		return file, nil
	}
	_ = file.Close() // it is not locked, and nothing was written
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	return nil, err
}

func same(file *os.File, name string) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(held, there)
}
