package objects

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/podidentity/epi/clusters/emulator/s3/bucketpolicy"
	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
	"github.com/podidentity/epi/clusters/emulator/store"
)

type bucketRecord struct {
	Owner             string             `json:"owner"`
	Created           time.Time          `json:"created"`
	Versioning        Versioning         `json:"versioning,omitempty"`
	Tags              []Tag              `json:"tags,omitempty"`
	Policy            string             `json:"policy,omitempty"`
	PolicyIDs         map[string]string  `json:"policyIDs,omitempty"`
	PublicAccessBlock *PublicAccessBlock `json:"publicAccessBlock,omitempty"`
	Ownership         string             `json:"ownership,omitempty"`
}

type versionRecord struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	ID     string `json:"id"`
	// Number orders the versions of a key.
	Number       uint64            `json:"number"`
	DeleteMarker bool              `json:"deleteMarker,omitempty"`
	Modified     time.Time         `json:"modified"`
	ETag         string            `json:"etag,omitempty"`
	Content      string            `json:"content,omitempty"`
	Fields       []Field           `json:"fields,omitempty"`
	Tags         []Tag             `json:"tags,omitempty"`
	StorageClass string            `json:"storageClass,omitempty"`
	Checksum     checksum.Checksum `json:"checksum"`
	Parts        []Part            `json:"parts,omitempty"`
	Upload       string            `json:"upload,omitempty"`
}

// uploadRecord is an upload or, with a Part, one of its parts.
type uploadRecord struct {
	Bucket  string  `json:"bucket"`
	Upload  *Upload `json:"upload,omitempty"`
	Key     string  `json:"key"`
	ID      string  `json:"id"`
	Part    *Part   `json:"part,omitempty"`
	Content string  `json:"content,omitempty"`
}

// recordKey is unique: there is no slash in a bucket's name and no NUL in a key.
func recordKey(bucketName, key, id string) string { return bucketName + "/" + key + "\x00" + id }

func (u *upload) record() string { return u.ID }

func (u *upload) partRecord(number int) string { return fmt.Sprintf("%s/%05d", u.ID, number) }

func (s *Store) write(table store.Table, key string, record any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("write record %q: %w", key, err)
	}
	if err := table.Put(key, value); err != nil {
		return fmt.Errorf("write record %q: %w", key, err)
	}
	return nil
}

func (s *Store) deleteRecord(table store.Table, key string) error {
	if err := table.Delete(key); err != nil {
		return fmt.Errorf("delete record %q: %w", key, err)
	}
	return nil
}

func (s *Store) writeBucket(b *Bucket) error {
	record := bucketRecord{
		Owner: b.Owner, Created: b.Created, Versioning: b.Versioning, Tags: b.Tags,
		PublicAccessBlock: b.PublicAccessBlock, Ownership: b.Ownership,
	}
	if b.Policy != nil {
		record.Policy, record.PolicyIDs = b.Policy.Text(), b.Policy.Bound
	}
	return s.write(s.tables.Buckets, b.Name, record)
}

func (s *Store) writeVersion(b *bucket, v *Version) error {
	return s.write(s.tables.Objects, recordKey(b.config.Name, v.Key, v.ID), versionRecord{
		Bucket: b.config.Name, Key: v.Key, ID: v.ID, Number: v.number, DeleteMarker: v.DeleteMarker, Modified: v.Modified,
		ETag: v.ETag, Content: v.content, Fields: v.Fields, Tags: v.Tags, StorageClass: v.StorageClass, Checksum: v.Checksum, Parts: v.Parts, Upload: v.upload,
	})
}

func (s *Store) writeUpload(u *upload) error {
	return s.write(s.tables.Uploads, u.record(), uploadRecord{Bucket: u.bucket, Key: u.Key, ID: u.ID, Upload: u.Upload})
}

func (s *Store) writePart(u *upload, p *part) error {
	return s.write(s.tables.Uploads, u.partRecord(p.Number), uploadRecord{Bucket: u.bucket, Key: u.Key, ID: u.ID, Part: &p.Part, Content: p.content})
}

// writeContent returns the name under which data was written; "" for no data.
func (s *Store) writeContent(data []byte) (string, error) {
	if len(data) == 0 {
		return "", nil
	}
	name := rand.Text()
	if err := s.tables.Contents.Put(name, data); err != nil {
		return "", fmt.Errorf("write content: %w", err)
	}
	return name, nil
}

// forgetContent removes a content that no record names any more. If the removal fails, the next start removes it.
func (s *Store) forgetContent(name string) {
	if name != "" {
		_ = s.tables.Contents.Delete(name)
	}
}

// forget removes what is left of an upload that has ended. The next start removes records of parts without an upload.
func (s *Store) forget(u *upload) {
	_ = s.tables.Uploads.Delete(u.record())
	u.parts.Scan(func(number int, p *part) bool {
		_ = s.tables.Uploads.Delete(u.partRecord(number))
		s.forgetContent(p.content)
		return true
	})
}

func policyOf(bucketName, text string, bound map[string]string) (*bucketpolicy.Policy, error) {
	if text == "" {
		return nil, nil
	}
	p, err := bucketpolicy.Read(bucketName, text)
	if err != nil {
		return nil, fmt.Errorf("policy of bucket %s: %w", bucketName, err)
	}
	p.Bound = bound
	p.Named.Document.Bind(func(name string) string { return bound[name] })
	return p, nil
}
