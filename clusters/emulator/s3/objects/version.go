package objects

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
)

// NullVersion is the ID of versions that were made while versioning was not enabled.
const NullVersion = "null"

// Field is a header that is stored with an object and returned as it was stored. Its name is spelled as on the wire.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Part is a part of an object that was uploaded in parts.
type Part struct {
	Number   int               `json:"number"`
	Size     int64             `json:"size"`
	ETag     string            `json:"etag"`
	Modified time.Time         `json:"modified"`
	Checksum checksum.Checksum `json:"checksum"`
}

// Version is a version of an object, or a delete marker. It is never changed, only replaced.
type Version struct {
	Key string
	// ID is NullVersion if versioning was not enabled.
	ID           string
	DeleteMarker bool
	Modified     time.Time
	// ETag without its quotes.
	ETag string
	Data []byte
	// Fields are content headers and metadata, sorted by name.
	Fields       []Field
	Tags         []Tag
	StorageClass string
	Checksum     checksum.Checksum
	// Parts is empty for an object that was put in one request.
	Parts []Part

	number  uint64
	content string
	// upload is the ID of the multipart upload that made it; "" for none.
	upload string
}

// Condition of a write (conditional-writes). The zero value always holds.
type Condition struct {
	// Match is the ETag that the current object must have, without quotes; "*" for any.
	Match string
	// Absent requires that there is no current object.
	Absent bool
}

func (c Condition) check(current *Version) error {
	exists := current != nil && !current.DeleteMarker
	switch {
	case c.Absent && exists:
		return ErrPreconditionFailed
	case c.Match == "":
		return nil
	case !exists:
		return ErrNoSuchKey
	case c.Match != "*" && c.Match != current.ETag:
		return ErrPreconditionFailed
	}
	return nil
}

func latest(versions []*Version) *Version {
	if len(versions) == 0 {
		return nil
	}
	return versions[len(versions)-1]
}

func indexOf(versions []*Version, id string) int {
	return slices.IndexFunc(versions, func(v *Version) bool { return v.ID == id })
}

// Get finds a version; an id of "" is the latest one, which may be a delete marker. It fails with ErrNoSuchBucket, ErrNoSuchKey or
// ErrNoSuchVersion.
func (s *Store) Get(bucketName, key, id string) (*Version, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.find(bucketName)
	if err != nil {
		return nil, err
	}
	return b.version(key, id)
}

func (b *bucket) version(key, id string) (*Version, error) {
	versions, _ := b.keys.Get(key)
	if id == "" {
		if len(versions) == 0 {
			return nil, ErrNoSuchKey
		}
		return latest(versions), nil
	}
	at := indexOf(versions, id)
	if at < 0 {
		return nil, ErrNoSuchVersion
	}
	return versions[at], nil
}

// Put stores a version under its key and gives it its ID and time. It fails with ErrNoSuchBucket,
// ErrTooLarge, or as the condition does: ErrPreconditionFailed, ErrNoSuchKey.
func (s *Store) Put(bucketName string, v Version, condition Condition) (*Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.find(bucketName)
	if err != nil {
		return nil, err
	}
	return s.put(b, v, condition)
}

func (s *Store) put(b *bucket, v Version, condition Condition) (*Version, error) {
	if len(v.Data) > MaxSize {
		return nil, ErrTooLarge
	}
	versions, _ := b.keys.Get(v.Key)
	if err := condition.check(latest(versions)); err != nil {
		return nil, err
	}
	v.ID, v.Modified, v.number = NullVersion, s.clock(), s.next()
	if b.config.Versioning == Enabled {
		v.ID = rand.Text()
	}
	var err error
	if v.content, err = s.writeContent(v.Data); err != nil {
		return nil, err
	}
	if err := s.writeVersion(b, &v); err != nil {
		s.forgetContent(v.content)
		return nil, err
	}
	// The write replaces a null version in the table.
	if at := indexOf(versions, v.ID); at >= 0 {
		s.forgetContent(versions[at].content)
		versions = slices.Delete(versions, at, at+1)
	}
	b.keys.Set(v.Key, append(versions, &v))
	return &v, nil
}

// Deleted is the result of a deletion.
type Deleted struct {
	// Marker is set when a delete marker was made or, with a version's ID, removed.
	Marker bool
	// VersionID of the marker that was made or of the version that was removed; "" if neither.
	VersionID string
}

// Delete removes the version with the ID. If id is "", it does what the bucket's versioning says (DeletingObjectVersions): it
// removes the object, or adds a delete marker. Deleting something that does not exist succeeds. It fails with ErrNoSuchBucket.
func (s *Store) Delete(bucketName, key, id string) (Deleted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.find(bucketName)
	if err != nil {
		return Deleted{}, err
	}
	if id == "" && b.config.Versioning != Unversioned {
		marker, err := s.put(b, Version{Key: key, DeleteMarker: true}, Condition{})
		if err != nil {
			return Deleted{}, err
		}
		return Deleted{Marker: true, VersionID: marker.ID}, nil
	}
	done := Deleted{VersionID: id}
	if id == "" {
		id = NullVersion
	}
	versions, _ := b.keys.Get(key)
	at := indexOf(versions, id)
	if at < 0 {
		return done, nil
	}
	gone := versions[at]
	if err := s.deleteRecord(s.tables.Objects, recordKey(b.config.Name, key, id)); err != nil {
		return Deleted{}, err
	}
	s.forgetContent(gone.content)
	if versions = slices.Delete(versions, at, at+1); len(versions) == 0 {
		b.keys.Delete(key)
	} else {
		b.keys.Set(key, versions)
	}
	done.Marker = gone.DeleteMarker
	return done, nil
}

// SetTags replaces the tags of a version and returns the version. An id of "" is the latest one. It fails like Get; a delete marker
// has no tags, so for one it fails with ErrNoSuchKey.
func (s *Store) SetTags(bucketName, key, id string, tags []Tag) (*Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.find(bucketName)
	if err != nil {
		return nil, err
	}
	old, err := b.version(key, id)
	if err != nil {
		return nil, err
	}
	if old.DeleteMarker {
		return nil, ErrNoSuchKey
	}
	v := *old
	v.Tags = tags
	if err := s.writeVersion(b, &v); err != nil {
		return nil, err
	}
	versions, _ := b.keys.Get(key)
	versions[slices.Index(versions, old)] = &v
	return &v, nil
}
