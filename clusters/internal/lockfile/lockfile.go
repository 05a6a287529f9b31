// Package lockfile keeps two processes from doing the same long work at once. The kernel releases
// the lock of a process that ends, however it ends.
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

// interval between two attempts: the kernel's own wait for a lock cannot be interrupted.
const interval = 200 * time.Millisecond

// Acquire makes the file, if it is not there, and waits until this process alone holds its lock,
// or until ctx ends. It calls waiting once, when another process holds the lock. The caller must
// call release.
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
			return func() { _ = held.Close() }, nil // closing is what releases
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
		// Whoever held it has removed the file: the lock is of a file that nobody else will find.
		err = unix.EWOULDBLOCK
	}
	if err == nil {
		return file, nil
	}
	_ = file.Close() // not locked, nothing written
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
