// Package store keeps the emulator's records on disk, so that a restart finds them again. Services
// hold their state in memory and write each change through; the store is read only at a start.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolt "go.etcd.io/bbolt/errors"
)

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = time.Second

// Store is a file of named tables. It is safe for concurrent use.
type Store struct {
	db *bbolt.DB
}

// Open opens the file at path, or makes it and its folder. Records survive the end of the process,
// however it ends; they are not flushed one by one, so that a crash of the whole machine can lose
// or damage them: what an emulator holds can be made again.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait, NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	switch {
	case errors.Is(err, bolt.ErrTimeout):
		return nil, fmt.Errorf("open state %s: another process has it open", path)
	case errors.Is(err, bolt.ErrInvalid), errors.Is(err, bolt.ErrVersionMismatch), errors.Is(err, bolt.ErrChecksum):
		return nil, fmt.Errorf("open state %s: not a state file of this program; move it away to begin anew: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("open state: %w", err)
	case err != nil:
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	return &Store{db}, nil
}

// Close flushes the file and lets go of it.
func (s *Store) Close() error {
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("flush state: %w", err)
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}

// Clear removes all tables but those to keep. The others become unusable where they are open.
func (s *Store) Clear(keep ...string) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		var names [][]byte
		if err := tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if !slices.Contains(keep, string(name)) {
				names = append(names, name)
			}
			return nil
		}); err != nil {
			return err
		}
		for _, name := range names {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("clear state: %w", err)
	}
	return nil
}

// Table opens a table, or makes it. A nil Store gives Nowhere.
func (s *Store) Table(name string) (Table, error) {
	if s == nil {
		return Nowhere{}, nil
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte(name))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open table %s: %w", name, err)
	}
	return &table{db: s.db, name: name}, nil
}

// table is a Table of the file. Each visits in the order of the keys.
type table struct {
	db   *bbolt.DB
	name string
}

func (t *table) Put(key string, value []byte) error {
	return t.update("write", key, func(b *bbolt.Bucket) error { return b.Put([]byte(key), value) })
}

func (t *table) Delete(key string) error {
	return t.update("delete", key, func(b *bbolt.Bucket) error { return b.Delete([]byte(key)) })
}

func (t *table) update(verb, key string, do func(*bbolt.Bucket) error) error {
	err := t.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(t.name))
		if bucket == nil {
			return bolt.ErrBucketNotFound
		}
		return do(bucket)
	})
	if err != nil {
		return fmt.Errorf("%s record %q of %s: %w", verb, key, t.name, err)
	}
	return nil
}

func (t *table) Each(visit func(key string, value []byte) error) error {
	return t.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(t.name))
		if bucket == nil {
			return fmt.Errorf("read table %s: %w", t.name, bolt.ErrBucketNotFound)
		}
		return bucket.ForEach(func(key, value []byte) error { return visit(string(key), append([]byte(nil), value...)) })
	})
}
