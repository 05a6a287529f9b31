package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is a lock that this process holds, alone or shared.
type Lock struct{ file *os.File }

// Holder is a process that holds a lock, with its text.
type Holder struct {
	PID  int
	Text string
}

// HeldError says that others hold the lock in a way that conflicts with the request.
type HeldError struct {
	File string
	// By are the living holders, in order of arrival. One that has just arrived may be missing.
	By []Holder
}

func (e *HeldError) Error() string { return fmt.Sprintf("lock %s is held by %v", e.File, e.By) }

// attempts is the number of tries of Try if the holder may be just joining or leaving.
const attempts = 10

// mostVanished is how often the lock's folder may disappear before Try fails.
const mostVanished = 1000

// Try takes the lock of a file, which it creates, alone or shared with others that take it so. It does not wait for others.
// The error is a *HeldError if they hold it. The text, one line, names the holder for others. Without a text the holder
// calls Write later.
func Try(file string, alone bool, text string) (*Lock, error) {
	vanished := 0
	for attempt := 1; ; attempt++ {
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		var held *Lock
		if err == nil {
			held, err = hold(file, alone)
		}
		// Release of another may take the folder away between two of these steps.
		// That says nothing about a holder, so it is no attempt.
		if (errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist)) && vanished < mostVanished {
			vanished++
			attempt--
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", file, err)
		}
		if held != nil && text != "" {
			if err := held.Write(text); err != nil {
				held.Release()
				return nil, err
			}
		}
		if held != nil {
			return held, nil
		}
		by := holders(file)
		if attempt == attempts {
			return nil, &HeldError{File: file, By: by}
		}
		if len(by) > 0 {
			// They have written their names, so they hold the lock for long. Another process that checks a free lock, or
			// that is leaving, holds it only for a moment.
			attempt = attempts - 1
		}
		time.Sleep(time.Duration(attempt) * time.Millisecond)
	}
}

// hold makes one attempt. It returns nil if others hold the lock.
func hold(name string, alone bool) (*Lock, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := func() (bool, error) {
		// A process that holds the lock alone removes the lines of ended holders.
		if free, err := flock(file, unix.LOCK_EX); err != nil || free {
			if err != nil || !same(file, name) {
				return false, err
			}
			if err := file.Truncate(0); err != nil {
				return false, err
			}
			if !alone {
				// The lock is released here for a moment, and another process may take it.
				if free, err := flock(file, unix.LOCK_SH); err != nil || !free {
					return false, err
				}
			}
		} else if alone {
			return false, nil
		} else if free, err := flock(file, unix.LOCK_SH); err != nil || !free {
			return false, err
		}
		return same(file, name), nil
	}()
	if !locked {
		return nil, errors.Join(err, file.Close())
	}
	return &Lock{file: file}, nil
}

// Write writes down who holds the lock, one line, for others to read.
func (l *Lock) Write(text string) error {
	_, err := fmt.Fprintf(l.file, "%d %s %s\n", os.Getpid(), startOf(os.Getpid()), text)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil // the lock is held; only the holder's name is unknown
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", l.file.Name(), err)
	}
	return nil
}

// flock takes a lock without waiting, and says whether it could.
func flock(file *os.File, how int) (bool, error) {
	err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// Release releases the lock. It removes the file, unless another process holds the lock too. A process that has opened the
// file and waits then notices that the file no longer has that name.
func (l *Lock) Release() {
	if free, err := flock(l.file, unix.LOCK_EX); err == nil && free && same(l.file, l.file.Name()) {
		_ = os.Remove(l.file.Name())               // it may stay, because it locks nothing
		_ = os.Remove(filepath.Dir(l.file.Name())) // fails unless it is empty
	}
	_ = l.file.Close() // closing it releases the lock
}

// holders are the living processes that have written their names.
func holders(name string) []Holder {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // read only
	data, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return nil
	}
	var list []Holder
	for line := range bytes.Lines(data) {
		fields := strings.SplitN(strings.TrimSpace(string(line)), " ", 3)
		if len(fields) < 3 {
			continue
		}
		pid, err := strconv.Atoi(fields[0])
		if err != nil || pid <= 0 || startOf(pid) != fields[1] || errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			continue
		}
		list = append(list, Holder{PID: pid, Text: fields[2]})
	}
	return list
}

// startOf distinguishes a process from a later one with the same number. It is the start time in ticks since the machine's
// start (proc_pid_stat(5), field 22); "-" if it cannot be read.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "-"
	}
	// The name of the program, in parentheses, may have spaces.
	_, after, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	fields := strings.Fields(string(after))
	if len(fields) < 20 {
		return "-"
	}
	return fields[19]
}
