package s3

import (
	"context"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

// maxMetadata is the size of all metadata in bytes, names and values (UsingMetadata).
const maxMetadata = 2 << 10

// contentHeaders are stored with an object and returned.
var contentHeaders = []string{"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires"}

const metadataPrefix = "X-Amz-Meta-"

// fields are the headers to store with an object, sorted by name.
func fields(header http.Header) ([]objects.Field, error) {
	var kept []objects.Field
	for _, name := range contentHeaders {
		if value := header.Get(name); value != "" {
			kept = append(kept, objects.Field{Name: name, Value: value})
		}
	}
	if header.Get("Content-Type") == "" {
		kept = append(kept, objects.Field{Name: "Content-Type", Value: "binary/octet-stream"}) // S3's default
	}
	size := 0
	for name, values := range header {
		if key, ok := strings.CutPrefix(name, metadataPrefix); ok {
			value := strings.Join(values, ",")
			size += len(key) + len(value)
			kept = append(kept, objects.Field{Name: strings.ToLower(name), Value: value})
		}
	}
	if size > maxMetadata {
		return nil, &Error{Code: "MetadataTooLarge", Status: http.StatusBadRequest, Message: "Your metadata headers exceed the maximum allowed metadata size"}
	}
	slices.SortFunc(kept, func(x, y objects.Field) int { return strings.Compare(x.Name, y.Name) })
	return kept, nil
}

// storageClass is the object's; "" for STANDARD. The emulator has no classes from which objects must be restored first.
func storageClass(header http.Header) (string, error) {
	switch class := header.Get("X-Amz-Storage-Class"); class {
	case "", "STANDARD":
		return "", nil
	case "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR":
		return class, nil
	case "GLACIER", "DEEP_ARCHIVE":
		return "", unknownHeader("X-Amz-Storage-Class")
	}
	return "", &Error{Code: "InvalidStorageClass", Status: http.StatusBadRequest, Message: "The storage class you specified is not valid"}
}

// checkACL refuses ACLs that would change anything. ACLs are disabled, which is the default (about-object-ownership, "Bucket owner
// enforced").
func (q *request) checkACL() error {
	acl := q.http.Header.Get("X-Amz-Acl")
	switch {
	case acl == "" || acl == "private" || acl == "bucket-owner-full-control":
		return nil
	case q.target.Ownership == bucketOwnerEnforced:
		return &Error{Code: "AccessControlListNotSupported", Status: http.StatusBadRequest, Message: "The bucket does not allow ACLs"}
	}
	return unknownHeader("X-Amz-Acl")
}

// described is the object to create, without its content, as the headers describe it.
func (q *request) described() (objects.Version, error) {
	v := objects.Version{Key: q.key, Tags: q.tags}
	if err := q.checkACL(); err != nil {
		return v, err
	}
	var err error
	if v.StorageClass, err = storageClass(q.http.Header); err != nil {
		return v, err
	}
	v.Fields, err = fields(q.http.Header)
	return v, err
}

func (h *handler) putObject(q *request) error {
	if q.http.ContentLength < 0 {
		return &Error{Code: "MissingContentLength", Status: http.StatusLengthRequired, Message: "You must provide the Content-Length HTTP header."}
	}
	made, err := h.storeBody(q)
	if err != nil {
		return err
	}
	setChecksum(q.w.Header(), made.Checksum)
	return nil
}

// storeBody creates an object from the body, and reports it in the headers of the answer.
func (h *handler) storeBody(q *request) (*objects.Version, error) {
	condition, err := q.writeCondition()
	if err != nil {
		return nil, err
	}
	v, err := q.described()
	if err != nil {
		return nil, err
	}
	data, found, err := q.readBody()
	if err != nil {
		return nil, err
	}
	v.Data, v.ETag = data, hex.EncodeToString(found.sum[:])
	if found.algorithm != "" {
		v.Checksum = checksum.Checksum{Algorithm: found.algorithm, Value: found.value, Type: checksum.FullObject}
	} else {
		v.Checksum = checksum.Default.Of(data)
	}
	made, err := h.store.Put(q.bucket, v, condition)
	if err != nil {
		return nil, q.refusal(err)
	}
	q.setVersion(made)
	header := q.w.Header()
	header.Set("Etag", quoted(made.ETag))
	header.Set("X-Amz-Server-Side-Encryption", "AES256")
	return made, nil
}

// replaces reads a directive, which is COPY or REPLACE.
func replaces(header http.Header, name string) bool { return header.Get(name) == "REPLACE" }

func checkDirectives(header http.Header) error {
	for _, name := range []string{"X-Amz-Metadata-Directive", "X-Amz-Tagging-Directive"} {
		if value := header.Get(name); value != "" && value != "COPY" && value != "REPLACE" {
			what, _, _ := strings.Cut(strings.TrimPrefix(name, "X-Amz-"), "-")
			return invalidArgument("Unknown " + strings.ToLower(what) + " directive.")
		}
	}
	return nil
}

type copyResult struct {
	XMLName      xml.Name
	ETag         string
	LastModified string
	checksumElements
}

func (h *handler) copyObject(q *request) error {
	header := q.http.Header
	if err := checkDirectives(header); err != nil {
		return err
	}
	from, bucket, err := h.findSource(q.http.Context(), q)
	if err != nil {
		return err
	}
	if err := h.decideTags(q.http.Context(), q, from, bucket); err != nil {
		return err
	}
	if err := q.checkSource(from); err != nil {
		return err
	}
	condition, err := q.writeCondition()
	if err != nil {
		return err
	}
	v, err := q.copied(from)
	if err != nil {
		return err
	}
	made, err := h.store.Put(q.bucket, v, condition)
	if err != nil {
		return q.refusal(err)
	}
	q.setVersion(made)
	if bucket.Versioning != objects.Unversioned {
		q.w.Header().Set("X-Amz-Copy-Source-Version-Id", from.ID)
	}
	q.w.Header().Set("X-Amz-Server-Side-Encryption", "AES256")
	return writeXML(q.w, copyResult{XMLName: xml.Name{Space: namespace, Local: "CopyObjectResult"}, ETag: quoted(made.ETag), LastModified: timestamp(made.Modified),
		checksumElements: elementsOf(made.Checksum)})
}

// decideTags checks the permissions to copy the source's tags: to read them and to set them.
func (h *handler) decideTags(ctx context.Context, q *request, from *objects.Version, bucket *objects.Bucket) error {
	if replaces(q.http.Header, "X-Amz-Tagging-Directive") || len(from.Tags) == 0 {
		return nil
	}
	keys, action := h.keys(q), "s3:GetObjectTagging"
	if q.source.versionID != "" {
		action = "s3:GetObjectVersionTagging"
		keys["s3:versionid"] = []string{q.source.versionID}
	}
	existingTags(keys, from.Tags)
	if err := h.authorize(ctx, q, access{action, objectARN(bucket.Name, from.Key), keys, bucket}); err != nil {
		return err
	}
	keys = h.keys(q)
	requestTags(keys, from.Tags)
	return h.authorize(ctx, q, access{"s3:PutObjectTagging", q.resource(), keys, q.target})
}

// copied is the object that a copy creates.
func (q *request) copied(from *objects.Version) (objects.Version, error) {
	header := q.http.Header
	v, err := q.described()
	if err != nil {
		return v, err
	}
	if !replaces(header, "X-Amz-Metadata-Directive") {
		if q.source.bucket == q.bucket && q.source.key == q.key && q.source.versionID == "" && v.StorageClass == from.StorageClass &&
			header.Get("X-Amz-Storage-Class") == "" && header.Get("X-Amz-Server-Side-Encryption") == "" {
			return v, invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
		}
		v.Fields = from.Fields
	}
	if !replaces(header, "X-Amz-Tagging-Directive") {
		v.Tags = from.Tags
	}
	v.Data, v.ETag, v.Checksum = from.Data, from.ETag, from.Checksum
	if len(from.Parts) > 0 {
		// A copy is put in one request.
		v.ETag = etagOf(v.Data)
		v.Checksum = from.Checksum.Algorithm.Of(v.Data)
	}
	if name := header.Get("X-Amz-Checksum-Algorithm"); name != "" {
		algorithm, err := parseAlgorithm(name, "x-amz-checksum-algorithm", errChecksumAlgorithm)
		if err != nil {
			return v, err
		}
		v.Checksum = algorithm.Of(v.Data)
	}
	return v, nil
}

var errChecksumAlgorithm = invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")

// timestamp is a time as S3's XML has it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
