// Package room says whether a folder's disk can take any more.
package room

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

const (
	// full is how little room, in bytes, a disk may have: what is written in a few seconds takes less.
	full = 16 << 20
	// fewFiles is how few more files it may have.
	fewFiles = 64
)

// Error says that a folder's disk takes nothing more.
type Error struct {
	Dir string
	// Why as it follows a colon, such as "its disk is full: 3 MiB are left".
	Why string
}

func (e *Error) Error() string { return fmt.Sprintf("folder %s: %s", e.Dir, e.Why) }

// Check returns an *Error if the disk of dir, or of the folder that dir will be made in, is full or read-only.
// Where that cannot be known, it is nil.
func Check(dir string) error {
	there := dir
	for {
		bytes, files, known, err := left(there)
		switch {
		case errors.Is(err, fs.ErrNotExist) && there != filepath.Dir(there):
			there = filepath.Dir(there)
			continue
		case err != nil:
			return nil //nolint:nilerr // whoever writes there will tell
		}
		if why := judge(bytes, files, known, readOnly(there)); why != "" {
			return &Error{Dir: dir, Why: why}
		}
		return nil
	}
}

// judge says what is wrong with a disk, or "".
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
