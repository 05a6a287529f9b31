// Package objects keeps the buckets, objects, versions and multipart uploads of S3: in memory, with each change written through to
// tables from which a new Store reads them again. It checks no permissions. Page names are of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ and API_ ones of https://docs.aws.amazon.com/AmazonS3/latest/API/.
package objects

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"github.com/podidentity/epi/clusters/emulator/store"
)

// The errors of a Store about things that do not exist or cannot be done.
var (
	ErrNoSuchBucket       = errors.New("the bucket does not exist")
	ErrBucketExists       = errors.New("the bucket exists")
	ErrBucketNotEmpty     = errors.New("the bucket is not empty")
	ErrNoSuchKey          = errors.New("the key does not exist")
	ErrNoSuchVersion      = errors.New("the version does not exist")
	ErrPreconditionFailed = errors.New("a precondition failed")
	ErrNoSuchUpload       = errors.New("the multipart upload does not exist")
	ErrInvalidPart        = errors.New("a part was not uploaded, or has another ETag or checksum")
	ErrInvalidPartOrder   = errors.New("the parts are not in ascending order")
	ErrPartTooSmall       = errors.New("a part but the last is smaller than the minimum")
	ErrTooLarge           = errors.New("the object is larger than the maximum")
	ErrBadDigest          = errors.New("the checksum is not the one that was declared")
)

// MaxSize is the largest object in bytes, and the largest body that carries one: both are in memory.
const MaxSize = 256 << 20

// Tables of a Store; a nil one is memory only. Contents has the bytes of objects and parts. The others have JSON.
type Tables struct{ Buckets, Objects, Contents, Uploads store.Table }

func (t Tables) complete() Tables {
	for _, table := range []*store.Table{&t.Buckets, &t.Objects, &t.Contents, &t.Uploads} {
		*table = store.OrNowhere(*table)
	}
	return t
}

// Store is safe for concurrent use. What it returns is shared and must not be changed.
type Store struct {
	tables Tables
	now    func() time.Time

	mu sync.RWMutex
	// buckets by name: names are global.
	buckets btree.Map[string, *bucket]
	// last numbers versions and uploads in the order of their creation.
	last uint64
}

// bucket is a bucket with its content. Keys are in the order of their bytes, which is the order of listings (API_ListObjectsV2:
// "Objects are returned sorted in an ascending order of the respective key names"). A B-tree has this order, and its iterator can
// skip the keys of a common prefix.
type bucket struct {
	config *Bucket
	// keys have at least one version each, the newest last.
	keys btree.Map[string, []*Version]
	// uploads by key and upload ID.
	uploads btree.Map[string, *upload]
}

// New makes a store with the content of the tables.
func New(tables Tables, now func() time.Time) (*Store, error) {
	s := &Store{tables: tables.complete(), now: now}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("load objects: %w", err)
	}
	return s, nil
}

// find requires that the caller holds the lock.
func (s *Store) find(name string) (*bucket, error) {
	b, ok := s.buckets.Get(name)
	if !ok {
		return nil, ErrNoSuchBucket
	}
	return b, nil
}

// next requires that the caller holds the lock for writing.
func (s *Store) next() uint64 {
	s.last++
	return s.last
}

// clock is the time of a change. S3 keeps seconds.
func (s *Store) clock() time.Time { return s.now().UTC().Truncate(time.Second) }
