package objects

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/podidentity/epi/clusters/emulator/store"
)

// loading has the records of the tables before they are linked.
type loading struct {
	contents map[string][]byte
	// named are the contents that some record names.
	named map[string]bool
	// orphans are records of parts whose upload is gone.
	orphans []string
}

func (s *Store) load() error {
	l := &loading{contents: map[string][]byte{}, named: map[string]bool{}}
	err := s.tables.Contents.Each(func(name string, data []byte) error {
		l.contents[name] = data
		return nil
	})
	if err != nil {
		return fmt.Errorf("contents: %w", err)
	}
	if err := each(s.tables.Buckets, s.loadBucket); err != nil {
		return fmt.Errorf("buckets: %w", err)
	}
	if err := s.loadVersions(l); err != nil {
		return err
	}
	if err := s.loadUploads(l); err != nil {
		return err
	}
	// A process that ended between two writes left a content that no record names.
	for name := range l.contents {
		if !l.named[name] {
			s.forgetContent(name)
		}
	}
	for _, key := range l.orphans {
		_ = s.tables.Uploads.Delete(key) // a record that stays is removed at the next start
	}
	return nil
}

func each[Record any](table store.Table, visit func(key string, record Record) error) error {
	return table.Each(func(key string, value []byte) error {
		var record Record
		err := json.Unmarshal(value, &record)
		if err == nil {
			err = visit(key, record)
		}
		if err != nil {
			return fmt.Errorf("record %q: %w", key, err)
		}
		return nil
	})
}

func (s *Store) loadBucket(name string, record bucketRecord) error {
	config := &Bucket{
		Name: name, Owner: record.Owner, Created: record.Created, Versioning: record.Versioning, Tags: record.Tags,
		PublicAccessBlock: record.PublicAccessBlock, Ownership: record.Ownership,
	}
	var err error
	if config.Policy, err = policyOf(name, record.Policy, record.PolicyIDs); err != nil {
		return err
	}
	s.buckets.Set(name, &bucket{config: config})
	return nil
}

func (l *loading) content(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	data, ok := l.contents[name]
	if !ok {
		return nil, fmt.Errorf("content %q is missing", name)
	}
	l.named[name] = true
	return data, nil
}

func (s *Store) loadVersions(l *loading) error {
	err := each(s.tables.Objects, func(_ string, record versionRecord) error {
		b, err := s.find(record.Bucket)
		if err != nil {
			return fmt.Errorf("bucket %q: %w", record.Bucket, err)
		}
		data, err := l.content(record.Content)
		if err != nil {
			return err
		}
		versions, _ := b.keys.Get(record.Key)
		b.keys.Set(record.Key, append(versions, &Version{
			Key: record.Key, ID: record.ID, number: record.Number, DeleteMarker: record.DeleteMarker, Modified: record.Modified,
			ETag: record.ETag, Data: data, content: record.Content, Fields: record.Fields, Tags: record.Tags,
			StorageClass: record.StorageClass, Checksum: record.Checksum, Parts: record.Parts, upload: record.Upload,
		}))
		s.last = max(s.last, record.Number)
		return nil
	})
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	s.buckets.Scan(func(_ string, b *bucket) bool {
		b.keys.Scan(func(_ string, versions []*Version) bool {
			slices.SortFunc(versions, func(x, y *Version) int { return cmp.Compare(x.number, y.number) })
			return true
		})
		return true
	})
	return nil
}

// loadUploads relies on the order of keys: an upload's record precedes those of its parts.
func (s *Store) loadUploads(l *loading) error {
	err := each(s.tables.Uploads, func(key string, record uploadRecord) error {
		b, found := s.buckets.Get(record.Bucket)
		if !found {
			l.orphans = append(l.orphans, key)
			return nil
		}
		if record.Upload != nil {
			return s.loadUpload(b, record)
		}
		u, found := b.uploads.Get(uploadKey(record.Key, record.ID))
		if !found || record.Part == nil {
			l.orphans = append(l.orphans, key)
			return nil
		}
		data, err := l.content(record.Content)
		if err != nil {
			return err
		}
		u.parts.Set(record.Part.Number, &part{Part: *record.Part, data: data, content: record.Content})
		return nil
	})
	if err != nil {
		return fmt.Errorf("uploads: %w", err)
	}
	return nil
}

func (s *Store) loadUpload(b *bucket, record uploadRecord) error {
	var number uint64
	if _, err := fmt.Sscanf(record.ID, "%12x", &number); err != nil {
		return fmt.Errorf("upload ID %q: %w", record.ID, err)
	}
	s.last = max(s.last, number)
	b.uploads.Set(uploadKey(record.Key, record.ID), &upload{Upload: record.Upload, bucket: record.Bucket})
	return nil
}
