// Package room checks whether a folder's disk has space left.
package room

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

const (
	// full is the space, in bytes, below which a disk counts as full. A few seconds of writing need less.
	full = 16 << 20
	// fewFiles is the number of further files below which it counts as full.
	fewFiles = 64
)

// Error says that a folder's disk is full or read-only.
type Error struct {
	Dir string
	// Why is a text to follow a colon, such as "its disk is full: 3 MiB are left".
	Why string
}

func (e *Error) Error() string { return fmt.Sprintf("folder %s: %s", e.Dir, e.Why) }

// Check returns an *Error if the disk of dir, or of the folder in which dir will be created, is full or read-only. It
// returns nil if that is not known.
func Check(dir string) error {
	there := dir
	for {
		bytes, files, known, err := left(there)
		switch {
		case errors.Is(err, fs.ErrNotExist) && there != filepath.Dir(there):
			there = filepath.Dir(there)
			continue
		case err != nil:
			return nil //nolint:nilerr // the later write reports it
		}
		if why := judge(bytes, files, known, readOnly(there)); why != "" {
			return &Error{Dir: dir, Why: why}
		}
		return nil
	}
}

// judge returns the problem of a disk, or "".
func judge(bytes, files uint64, known, readOnly bool) string {
	switch {
	case readOnly:
		return "its disk is read-only"
	case bytes < full:
		return fmt.Sprintf("its disk is full: %d MiB are left", bytes>>20)
	case known && files < fewFiles:
		return fmt.Sprintf("its disk is full: it can take %d more files", files)
	}
	return ""
}
