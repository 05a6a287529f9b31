package objects

import (
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/s3/bucketpolicy"
)

// Versioning is the state of a bucket's versioning.
type Versioning string

// The states of versioning (Versioning). A bucket that was versioned once cannot become unversioned again.
const (
	Unversioned Versioning = ""
	Enabled     Versioning = "Enabled"
	Suspended   Versioning = "Suspended"
)

// Tag of a bucket or an object.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// PublicAccessBlock are the settings of Block Public Access (access-control-block-public-access).
type PublicAccessBlock struct {
	BlockPublicACLs       bool `json:"blockPublicACLs"`
	IgnorePublicACLs      bool `json:"ignorePublicACLs"`
	BlockPublicPolicy     bool `json:"blockPublicPolicy"`
	RestrictPublicBuckets bool `json:"restrictPublicBuckets"`
}

// Bucket is the configuration of a bucket.
type Bucket struct {
	Name string
	// Owner is the ID of the account that created the bucket.
	Owner      string
	Created    time.Time
	Versioning Versioning
	Tags       []Tag
	// Policy and PublicAccessBlock are nil when there is none.
	Policy            *bucketpolicy.Policy
	PublicAccessBlock *PublicAccessBlock
	// Ownership such as "BucketOwnerEnforced"; "" when there are no ownership controls.
	Ownership string
}

// CreateBucket fails with ErrBucketExists.
func (s *Store) CreateBucket(config Bucket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.buckets.Get(config.Name); taken {
		return ErrBucketExists
	}
	config.Created = s.clock()
	if err := s.writeBucket(&config); err != nil {
		return err
	}
	s.buckets.Set(config.Name, &bucket{config: &config})
	return nil
}

// Bucket finds a bucket's configuration.
func (s *Store) Bucket(name string) (*Bucket, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.find(name)
	if err != nil {
		return nil, err
	}
	return b.config, nil
}

// UpdateBucket changes a bucket's configuration. change gets a copy. It must not change its name, owner and time. It must replace
// slices and pointers, not write through them.
func (s *Store) UpdateBucket(name string, change func(*Bucket)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.find(name)
	if err != nil {
		return err
	}
	config := *b.config
	change(&config)
	if err := s.writeBucket(&config); err != nil {
		return err
	}
	b.config = &config
	return nil
}

// DeleteBucket removes an empty bucket and its multipart uploads. A bucket with objects, versions or delete markers is not empty
// (API_DeleteBucket).
func (s *Store) DeleteBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.find(name)
	if err != nil {
		return err
	}
	if b.keys.Len() > 0 {
		return ErrBucketNotEmpty
	}
	if err := s.deleteRecord(s.tables.Buckets, name); err != nil {
		return err
	}
	s.buckets.Delete(name)
	b.uploads.Scan(func(_ string, u *upload) bool {
		s.forget(u)
		return true
	})
	return nil
}

// BucketList says which buckets of an owner are listed.
type BucketList struct {
	Owner, Prefix string
	// After is the name after which the page begins.
	After string
	Max   int
}

// Buckets lists buckets by name, and says whether there are more.
func (s *Store) Buckets(list BucketList) (found []*Bucket, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.buckets.Ascend(max(list.Prefix, list.After), func(name string, b *bucket) bool {
		switch {
		case !strings.HasPrefix(name, list.Prefix) && name > list.Prefix:
			return false
		case b.config.Owner != list.Owner || name == list.After:
			return true
		}
		if len(found) == list.Max {
			more = true
			return false
		}
		found = append(found, b.config)
		return true
	})
	return found, more
}
