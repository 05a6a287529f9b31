package objects

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
)

// Limits of multipart uploads (qfacts).
const (
	MinPartSize   = 5 << 20
	MaxPartNumber = 10_000
)

// Upload is a multipart upload in progress. It is never changed.
type Upload struct {
	Key string `json:"key"`
	// ID sorts by the time of initiation.
	ID        string    `json:"id"`
	Initiated time.Time `json:"initiated"`
	// Initiator is the ARN of the caller that initiated it.
	Initiator string `json:"initiator"`
	// Fields, Tags and StorageClass are for the object that the upload creates.
	Fields       []Field `json:"fields"`
	Tags         []Tag   `json:"tags"`
	StorageClass string  `json:"storageClass"`
	// Algorithm and Type of the object's checksum. Declared says that the client asked for the algorithm. It must then send the
	// checksums of parts if Type is composite.
	Algorithm checksum.Algorithm `json:"algorithm"`
	Type      checksum.Type      `json:"type"`
	Declared  bool               `json:"declared"`
}

// upload is an upload with its parts.
type upload struct {
	*Upload
	bucket string
	parts  btree.Map[int, *part]
}

type part struct {
	Part
	data    []byte
	content string
}

func uploadKey(key, id string) string { return key + "\x00" + id }

func (s *Store) findUpload(bucketName, key, id string) (*bucket, *upload, error) {
	b, err := s.find(bucketName)
	if err != nil {
		return nil, nil, err
	}
	u, ok := b.uploads.Get(uploadKey(key, id))
	if !ok {
		return nil, nil, ErrNoSuchUpload
	}
	return b, u, nil
}

// CreateUpload begins an upload and gives it its ID and time. It fails with ErrNoSuchBucket.
func (s *Store) CreateUpload(bucketName string, begun Upload) (*Upload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.find(bucketName)
	if err != nil {
		return nil, err
	}
	begun.ID, begun.Initiated = fmt.Sprintf("%012x%s", s.next(), rand.Text()), s.clock()
	u := &upload{Upload: &begun, bucket: bucketName}
	if err := s.writeUpload(u); err != nil {
		return nil, err
	}
	b.uploads.Set(uploadKey(begun.Key, begun.ID), u)
	return u.Upload, nil
}

// Upload finds an upload. It fails with ErrNoSuchBucket or ErrNoSuchUpload.
func (s *Store) Upload(bucketName, key, id string) (*Upload, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, u, err := s.findUpload(bucketName, key, id)
	if err != nil {
		return nil, err
	}
	return u.Upload, nil
}

// PutPart stores a part and gives it its time. It replaces a part of the same number. It fails with ErrNoSuchBucket,
// ErrNoSuchUpload or ErrTooLarge.
func (s *Store) PutPart(bucketName, key, id string, info Part, data []byte) (Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, u, err := s.findUpload(bucketName, key, id)
	switch {
	case err != nil:
		return Part{}, err
	case len(data) > MaxSize:
		return Part{}, ErrTooLarge
	}
	info.Size, info.Modified = int64(len(data)), s.clock()
	p := &part{Part: info, data: data}
	if p.content, err = s.writeContent(data); err != nil {
		return Part{}, err
	}
	if err := s.writePart(u, p); err != nil {
		s.forgetContent(p.content)
		return Part{}, err
	}
	if old, replaced := u.parts.Set(info.Number, p); replaced {
		s.forgetContent(old.content)
	}
	return p.Part, nil
}

// Parts lists the parts of an upload after a number, at most limit, and says whether there are more. It
// fails like Upload.
func (s *Store) Parts(bucketName, key, id string, after, limit int) (u *Upload, parts []Part, more bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, found, err := s.findUpload(bucketName, key, id)
	if err != nil {
		return nil, nil, false, err
	}
	found.parts.Ascend(after+1, func(_ int, p *part) bool {
		if len(parts) == limit {
			more = limit > 0
			return false
		}
		parts = append(parts, p.Part)
		return true
	})
	return found.Upload, parts, more, nil
}

// UploadPage is a page of uploads and common prefixes.
type UploadPage struct {
	Uploads   []*Upload
	Prefixes  []string
	Truncated bool
	// Last is the last item, if the page is truncated: an upload, or a common prefix.
	LastKey, LastID string
}

// ListUploads lists uploads by key and then by time of initiation. If afterID is not "", the list begins within the key list.After,
// after that upload. It fails with ErrNoSuchBucket.
func (s *Store) ListUploads(bucketName string, list List, afterID string) (UploadPage, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.find(bucketName)
	if err != nil {
		return UploadPage{}, err
	}
	start := list.start()
	switch {
	case list.After == "" || list.afterCommon():
	case afterID != "":
		start = uploadKey(list.After, afterID) + "\x00"
	default:
		start = uploadKey(list.After, "\xff") // after all of the key's uploads
	}
	var page UploadPage
	full := func() bool {
		page.Truncated = list.Max > 0 && len(page.Uploads)+len(page.Prefixes) == list.Max
		return page.Truncated || list.Max == 0
	}
	uploads := b.uploads.Iter()
	list.walk(&uploads, max(start, list.Prefix), func(string) bool {
		if full() {
			return false
		}
		u := uploads.Value()
		page.Uploads, page.LastKey, page.LastID = append(page.Uploads, u.Upload), u.Key, u.ID
		return true
	}, func(prefix string) bool {
		if full() {
			return false
		}
		page.Prefixes, page.LastKey, page.LastID = append(page.Prefixes, prefix), prefix, ""
		return true
	})
	return page, nil
}

// Abort removes an upload and its parts. It fails like Upload.
func (s *Store) Abort(bucketName, key, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, u, err := s.findUpload(bucketName, key, id)
	if err != nil {
		return err
	}
	if err := s.deleteRecord(s.tables.Uploads, u.record()); err != nil {
		return err
	}
	b.uploads.Delete(uploadKey(key, id))
	s.forget(u)
	return nil
}

// CompletedPart names a part of the object that Complete makes.
type CompletedPart struct {
	Number int
	// ETag without quotes.
	ETag string
	// Checksum is compared if it is not "".
	Checksum string
}

// Complete makes an object of the parts and ends the upload (API_CompleteMultipartUpload). If want is not "", it is the checksum
// that the object must have. Complete fails with ErrNoSuchBucket, ErrNoSuchUpload, ErrInvalidPart, ErrInvalidPartOrder,
// ErrPartTooSmall, ErrTooLarge, ErrBadDigest, or as the condition does.
func (s *Store) Complete(bucketName, key, id string, parts []CompletedPart, want string, condition Condition) (*Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, u, err := s.findUpload(bucketName, key, id)
	if err != nil {
		return nil, err
	}
	v, err := u.assemble(parts)
	if err != nil {
		return nil, err
	}
	// Clients send a composite checksum with or without the number of parts.
	count := fmt.Sprintf("-%d", len(parts))
	if want != "" && strings.TrimSuffix(want, count) != strings.TrimSuffix(v.Checksum.Value, count) {
		return nil, ErrBadDigest
	}
	made, err := s.put(b, *v, condition)
	if err != nil {
		return nil, err
	}
	// The object exists now. If the upload's record cannot be removed, the upload is there again after a restart.
	b.uploads.Delete(uploadKey(key, id))
	s.forget(u)
	return made, nil
}

// Completed finds the version that an upload with the same parts made, while that version exists. A client that did not get the
// answer sends the request again (API_CompleteMultipartUpload). It fails with ErrNoSuchBucket or ErrNoSuchUpload.
func (s *Store) Completed(bucketName, key, id string, parts []CompletedPart) (*Version, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.find(bucketName)
	if err != nil {
		return nil, err
	}
	versions, _ := b.keys.Get(key)
	at := slices.IndexFunc(versions, func(v *Version) bool { return v.upload == id })
	if at < 0 || id == "" {
		return nil, ErrNoSuchUpload
	}
	made := versions[at]
	if !slices.EqualFunc(made.Parts, parts, func(part Part, wanted CompletedPart) bool {
		return part.Number == wanted.Number && part.ETag == wanted.ETag && (wanted.Checksum == "" || wanted.Checksum == part.Checksum.Value)
	}) {
		return nil, ErrNoSuchUpload
	}
	return made, nil
}

func (u *upload) assemble(list []CompletedPart) (*Version, error) {
	v := &Version{Key: u.Key, Fields: u.Fields, Tags: u.Tags, StorageClass: u.StorageClass, upload: u.ID}
	var size int64
	chosen := make([]*part, len(list))
	for n := 1; n < len(list); n++ {
		if list[n].Number <= list[n-1].Number {
			return nil, ErrInvalidPartOrder
		}
	}
	for n, wanted := range list {
		p, ok := u.parts.Get(wanted.Number)
		if !ok || p.ETag != wanted.ETag || wanted.Checksum != "" && wanted.Checksum != p.Checksum.Value {
			return nil, ErrInvalidPart
		}
		if n < len(list)-1 && p.Size < MinPartSize {
			return nil, ErrPartTooSmall
		}
		size += p.Size
		chosen[n] = p
	}
	if size > MaxSize {
		return nil, ErrTooLarge
	}
	var data bytes.Buffer
	data.Grow(int(size))
	sums := make([]string, len(chosen))
	tags := md5.New()
	for n, p := range chosen {
		data.Write(p.data)
		sums[n] = p.Checksum.Value
		sum, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, fmt.Errorf("ETag of part %d: %w", p.Number, err)
		}
		_, _ = tags.Write(sum) // a hash's Write returns no error
		v.Parts = append(v.Parts, p.Part)
	}
	v.Data = data.Bytes()
	v.ETag = fmt.Sprintf("%x-%d", tags.Sum(nil), len(chosen))
	if u.Type == checksum.FullObject {
		v.Checksum = u.Algorithm.Of(v.Data)
		return v, nil
	}
	var err error
	v.Checksum, err = u.Algorithm.Compose(sums)
	return v, err
}
