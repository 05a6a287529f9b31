package ecr

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/podidentity/epi/clusters/emulator/store"
)

// errFull is the error if there is no room for more bytes.
var errFull = errors.New("the emulator's registry is full: delete images or repositories")

// space is how many more bytes may be held.
type space struct {
	mu   sync.Mutex
	free int64
}

func (s *space) take(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.free {
		return errFull
	}
	s.free -= n
	return nil
}

func (s *space) give(n int64) {
	s.mu.Lock()
	s.free += n
	s.mu.Unlock()
}

// blobs are the blobs of a repository, by digest. They implement the interfaces of go-containerregistry.
type blobs struct {
	space      *space
	table      store.Table
	repository string

	mu   sync.Mutex
	held map[string][]byte
	gone bool
}

func (b *blobs) key(digest string) string { return b.repository + "@" + digest }

func (b *blobs) find(digest string) (data []byte, has bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, has = b.held[digest]
	return data, has
}

// Get implements registry.BlobHandler.
func (b *blobs) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) {
	data, has := b.find(h.String())
	if !has {
		return nil, registry.ErrNotFound
	}
	return readCloser{bytes.NewReader(data)}, nil
}

// readCloser can be read at any offset, which ranges need.
type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// Stat implements registry.BlobStatHandler.
func (b *blobs) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	data, has := b.find(h.String())
	if !has {
		return 0, registry.ErrNotFound
	}
	return int64(len(data)), nil
}

// Put implements registry.BlobPutHandler. It reads all of the content, which verifies the digest.
func (b *blobs) Put(_ context.Context, _ string, h v1.Hash, source io.ReadCloser) error {
	data, err := io.ReadAll(source)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	digest := h.String()
	if _, has := b.held[digest]; has {
		return nil
	}
	if b.gone {
		return registry.ErrNotFound
	}
	if err := b.space.take(int64(len(data))); err != nil {
		return err
	}
	if err := b.table.Put(b.key(digest), data); err != nil {
		b.space.give(int64(len(data)))
		return err
	}
	b.held[digest] = data
	return nil
}

// drop removes a blob. A missing blob is no error. The caller holds mu.
func (b *blobs) drop(digest string) error {
	data, has := b.held[digest]
	if !has {
		return nil
	}
	if err := b.table.Delete(b.key(digest)); err != nil {
		return err
	}
	delete(b.held, digest)
	b.space.give(int64(len(data)))
	return nil
}

// remove removes blobs.
func (b *blobs) remove(digests []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, digest := range digests {
		if err := b.drop(digest); err != nil {
			return err
		}
	}
	return nil
}

// clear removes all blobs, and accepts no more.
func (b *blobs) clear() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for digest := range b.held {
		if err := b.drop(digest); err != nil {
			return err
		}
	}
	b.gone = true
	return nil
}
