// Package store keeps the emulator's records on disk, so that a restart finds them again. Services hold their state in
// memory and write each change to the store. They read the store only at a start.
package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolt "go.etcd.io/bbolt/errors"
)

// lockWait is how long Open waits for another process to release the file.
const lockWait = time.Second

// Store is a file of named tables. It is safe for concurrent use.
type Store struct {
	db *bbolt.DB
	// file is a second handle of the file, to read its size.
	file *os.File
	// size is the last known size. bbolt never makes the file smaller.
	size atomic.Int64
}

// Open opens the file at path, or creates it and its folder. Records survive every end of the process. They are not flushed
// one by one, so a crash of the whole machine can lose or damage them. An emulator's content can be created again.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if err := check(path); err != nil {
		return nil, err
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
	s := &Store{db: db}
	if s.file, err = os.Open(path); err == nil {
		err = s.sealOld()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open state %s: %w", path, err), db.Close())
	}
	return s, nil
}

// sealOld adds checksums to the records of a file that has none.
func (s *Store) sealOld() error {
	return s.guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
				if b.Sequence() != 0 {
					return nil
				}
				together := uint64(emptyTable)
				sealed := map[string][]byte{}
				if err := b.ForEach(func(key, value []byte) error {
					record, own := seal(string(name), key, value)
					sealed[string(key)] = record
					together ^= own
					return nil
				}); err != nil {
					return err
				}
				for key, record := range sealed {
					if err := b.Put([]byte(key), record); err != nil {
						return err
					}
				}
				return b.SetSequence(together)
			})
		})
	})
}

var errCut = errors.New("something else has cut the state file")

// guarded runs a function on the file, which is mapped into memory. If the file was cut meanwhile, reading the missing part
// is a memory fault, which bbolt does not handle.
func (s *Store) guarded(do func() error) (err error) {
	if err := s.checkSize(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("something else has changed the state file: %v", fault)
		}
	}()
	return do()
}

func (s *Store) checkSize() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < s.size.Load() {
		return errCut
	}
	s.size.Store(info.Size())
	return nil
}

// Close flushes and releases the file.
func (s *Store) Close() error {
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("flush state: %w", err)
	}
	if err := errors.Join(s.db.Close(), s.file.Close()); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}

// Clear removes all tables except those to keep. Removed tables that are open become unusable.
func (s *Store) Clear(keep ...string) error {
	err := s.update(func(tx *bbolt.Tx) error {
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

// Table opens or creates a table. A nil Store returns Nowhere.
func (s *Store) Table(name string) (Table, error) {
	if s == nil {
		return Nowhere{}, nil
	}
	err := s.update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(name))
		if err == nil && b.Sequence() == 0 {
			err = b.SetSequence(emptyTable)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open table %s: %w", name, err)
	}
	return &table{s, name}, nil
}

func (s *Store) update(do func(*bbolt.Tx) error) error {
	return s.guarded(func() error { return s.db.Update(do) })
}

// table is a Table of the file. Each visits the records in the order of the keys.
type table struct {
	store *Store
	name  string
}

// RecordError is the error of a record that its writer cannot read.
type RecordError struct {
	Table, Key string
	Err        error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("record %q of %s: %v", e.Key, e.Table, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

func (t *table) Put(key string, value []byte) error {
	return t.update("write", key, func(b *bbolt.Bucket) error {
		record, own := seal(t.name, []byte(key), value)
		together, err := t.without(b, key)
		if err != nil {
			return err
		}
		if err := b.Put([]byte(key), record); err != nil {
			return err
		}
		return b.SetSequence(together ^ own)
	})
}

func (t *table) Delete(key string) error {
	return t.update("delete", key, func(b *bbolt.Bucket) error {
		together, err := t.without(b, key)
		if err != nil {
			return err
		}
		if err := b.Delete([]byte(key)); err != nil {
			return err
		}
		return b.SetSequence(together)
	})
}

// without returns the table's sequence without a record.
func (t *table) without(b *bbolt.Bucket, key string) (uint64, error) {
	record := b.Get([]byte(key))
	if record == nil {
		return b.Sequence(), nil
	}
	if len(record) < sumSize {
		return 0, errSum
	}
	return b.Sequence() ^ binary.LittleEndian.Uint64(record), nil
}

func (t *table) update(verb, key string, do func(*bbolt.Bucket) error) error {
	err := t.store.guarded(func() error {
		return t.store.db.Update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket([]byte(t.name))
			if bucket == nil {
				return bolt.ErrBucketNotFound
			}
			return do(bucket)
		})
	})
	if err != nil {
		return fmt.Errorf("%s record %q of %s: %w", verb, key, t.name, err)
	}
	return nil
}

func (t *table) Each(visit func(key string, value []byte) error) error {
	return t.store.guarded(func() error {
		return t.store.db.View(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket([]byte(t.name))
			if bucket == nil {
				return fmt.Errorf("read table %s: %w", t.name, bolt.ErrBucketNotFound)
			}
			return bucket.ForEach(func(key, record []byte) error {
				value, _, err := unseal(t.name, key, record)
				if err != nil {
					return fmt.Errorf("read record %q of %s: %w", key, t.name, err)
				}
				if err := visit(string(key), append([]byte(nil), value...)); err != nil {
					return &RecordError{t.name, string(key), err}
				}
				return nil
			})
		})
	})
}
