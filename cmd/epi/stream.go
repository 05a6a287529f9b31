package main

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/podidentity/epi/cmd/epi/screen"
)

// stream is standard output or standard error. If its reader is gone, because a pipe or a terminal was closed, writes are
// dropped, and the program continues. Other errors, such as a full disk's, are errors.
type stream struct {
	file     *os.File
	terminal bool
	gone     atomic.Bool
}

func newStream(file *os.File) *stream { return &stream{file: file, terminal: screen.IsTerminal(file)} }

func (s *stream) Write(data []byte) (int, error) {
	if s.gone.Load() {
		return len(data), nil
	}
	n, err := s.file.Write(data)
	if errors.Is(err, syscall.EPIPE) || s.terminal && (errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENXIO)) {
		s.gone.Store(true)
		return len(data), nil
	}
	return n, err
}

// fileOf returns the file behind a stream; nil if there is none.
func fileOf(w io.Writer) *os.File {
	switch w := w.(type) {
	case *stream:
		return w.file
	case *os.File:
		return w
	}
	return nil
}
