package s3

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

func etagOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// upload is the multipart upload to create, as the headers describe it.
func (q *request) upload() (objects.Upload, error) {
	v, err := q.described()
	if err != nil {
		return objects.Upload{}, err
	}
	u := objects.Upload{Key: q.key, Fields: v.Fields, Tags: v.Tags, StorageClass: v.StorageClass, Algorithm: checksum.Default}
	if q.caller != nil {
		u.Initiator = q.caller.Principal.ARN
	}
	header := q.http.Header
	if name := header.Get("X-Amz-Checksum-Algorithm"); name != "" {
		if u.Algorithm, err = parseAlgorithm(name, "x-amz-checksum-algorithm", errChecksumAlgorithm); err != nil {
			return u, err
		}
		u.Declared = true
	}
	u.Type = u.Algorithm.DefaultType()
	if kind := header.Get("X-Amz-Checksum-Type"); kind != "" {
		if !u.Declared {
			return u, invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		if u.Type = checksum.Type(kind); !u.Algorithm.Allows(u.Type) {
			return u, invalidRequest(fmt.Sprintf("The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(string(u.Algorithm))))
		}
	}
	return u, nil
}

type initiateResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket   string
	Key      text
	UploadID string `xml:"UploadId"`
}

func (h *handler) createMultipartUpload(q *request) error {
	wanted, err := q.upload()
	if err != nil {
		return err
	}
	u, err := h.store.CreateUpload(q.bucket, wanted)
	if err != nil {
		return q.refusal(err)
	}
	header := q.w.Header()
	header.Set("X-Amz-Server-Side-Encryption", "AES256")
	if u.Declared {
		header.Set("X-Amz-Checksum-Algorithm", string(u.Algorithm))
		header.Set("X-Amz-Checksum-Type", string(u.Type))
	}
	return writeXML(q.w, initiateResult{Bucket: q.bucket, Key: text(q.key), UploadID: u.ID})
}

func (h *handler) abortMultipartUpload(q *request) error {
	if err := h.store.Abort(q.bucket, q.key, q.query.Get("uploadId")); err != nil {
		return q.refusal(err)
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *handler) uploadPart(q *request) error {
	number, err := q.partNumber()
	if err != nil {
		return err
	}
	u, err := h.store.Upload(q.bucket, q.key, q.query.Get("uploadId"))
	if err != nil {
		return q.refusal(err)
	}
	data, found, err := q.readBody()
	if err != nil {
		return err
	}
	if u.Declared && found.algorithm != "" && found.algorithm != u.Algorithm {
		return invalidRequest(fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
			strings.ToLower(string(u.Algorithm)), strings.ToLower(string(found.algorithm))))
	}
	part := objects.Part{Number: number, ETag: hex.EncodeToString(found.sum[:]), Checksum: u.Algorithm.Of(data)}
	if _, err := h.store.PutPart(q.bucket, q.key, u.ID, part, data); err != nil {
		return q.refusal(err)
	}
	header := q.w.Header()
	header.Set("Etag", quoted(part.ETag))
	header.Set("X-Amz-Server-Side-Encryption", "AES256")
	if found.algorithm != "" {
		header.Set(found.algorithm.Header(), found.value)
	}
	return nil
}

func (h *handler) uploadPartCopy(q *request) error {
	number, err := q.partNumber()
	if err != nil {
		return err
	}
	u, err := h.store.Upload(q.bucket, q.key, q.query.Get("uploadId"))
	if err != nil {
		return q.refusal(err)
	}
	from, bucket, err := h.findSource(q.http.Context(), q)
	if err != nil {
		return err
	}
	if err := q.checkSource(from); err != nil {
		return err
	}
	data := from.Data
	if text := q.http.Header.Get("X-Amz-Copy-Source-Range"); text != "" {
		// It must be one whole range within the source (UploadPartCopy).
		wanted, ok := parseRange(text, len(data))
		if _, last, _ := strings.Cut(text, "-"); !wanted.partial || strings.HasPrefix(text, "bytes=-") || last == "" {
			return invalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		} else if through, _ := parseSize(last); !ok || through >= len(data) {
			return invalidArgument(fmt.Sprintf("Range specified is not valid for source object of size: %d", len(data)))
		}
		data = data[wanted.begin:wanted.end]
	}
	made, err := h.store.PutPart(q.bucket, q.key, u.ID, objects.Part{Number: number, ETag: etagOf(data), Checksum: u.Algorithm.Of(data)}, data)
	if err != nil {
		return q.refusal(err)
	}
	if bucket.Versioning != objects.Unversioned {
		q.w.Header().Set("X-Amz-Copy-Source-Version-Id", from.ID)
	}
	q.w.Header().Set("X-Amz-Server-Side-Encryption", "AES256")
	result := copyResult{XMLName: xml.Name{Space: namespace, Local: "CopyPartResult"}, ETag: quoted(made.ETag), LastModified: timestamp(made.Modified)}
	if u.Declared {
		result.checksumElements = elementsOf(made.Checksum)
		result.ChecksumType = ""
	}
	return writeXML(q.w, result)
}

// completedPart names a part, with the checksum that was sent when it was uploaded.
type completedPart struct {
	PartNumber int
	ETag       string
	checksumElements
}

type completeResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location text
	Bucket   string
	Key      text
	ETag     string
	checksumElements
}

func (h *handler) completeMultipartUpload(q *request) error {
	condition, err := q.writeCondition()
	if err != nil {
		return err
	}
	id := q.query.Get("uploadId")
	u, parts, _, missing := h.store.Parts(q.bucket, q.key, id, 0, objects.MaxPartNumber)
	if missing != nil && !errors.Is(missing, objects.ErrNoSuchUpload) {
		return q.refusal(missing)
	}
	want := ""
	if missing == nil {
		if want, err = q.wantedChecksum(u); err != nil {
			return err
		}
	}
	// The checksum header is the object's here, not the body's.
	for name := range q.http.Header {
		if suffix, ok := strings.CutPrefix(name, "X-Amz-Checksum-"); ok && suffix != "Mode" && suffix != "Type" && suffix != "Algorithm" {
			q.http.Header.Del(name)
		}
	}
	q.http.Header.Del("X-Amz-Sdk-Checksum-Algorithm")
	var body struct {
		Part []completedPart
	}
	if err := q.readXML("CompleteMultipartUpload", &body); err != nil {
		return err
	}
	if len(body.Part) == 0 {
		return errMalformedXML
	}
	if missing != nil {
		// The upload may be complete already, and the answer to that request lost.
		made, err := h.store.Completed(q.bucket, q.key, id, named(body.Part))
		if err != nil {
			return q.refusal(err)
		}
		return h.answerCompleted(q, made)
	}
	list, err := completed(u, body.Part)
	if err != nil {
		return err
	}
	if err := checkObjectSize(q.http.Header, list, parts); err != nil {
		return err
	}
	made, err := h.store.Complete(q.bucket, q.key, id, list, want, condition)
	if err != nil {
		return q.refusal(err)
	}
	return h.answerCompleted(q, made)
}

func (h *handler) answerCompleted(q *request, made *objects.Version) error {
	q.setVersion(made)
	q.w.Header().Set("X-Amz-Server-Side-Encryption", "AES256")
	return writeXML(q.w, completeResult{
		Location: text(h.location(q)), Bucket: q.bucket, Key: text(q.key), ETag: quoted(made.ETag), checksumElements: elementsOf(made.Checksum),
	})
}

// named are the parts by number and ETag only.
func named(parts []completedPart) []objects.CompletedPart {
	list := make([]objects.CompletedPart, len(parts))
	for n, part := range parts {
		list[n] = objects.CompletedPart{Number: part.PartNumber, ETag: strings.Trim(part.ETag, `"`)}
	}
	return list
}

// location is the URL of an object.
func (h *handler) location(q *request) string {
	scheme := "http"
	if q.http.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + q.http.Host + (&url.URL{Path: "/" + q.bucket + "/" + q.key}).EscapedPath()
}

// wantedChecksum is the object's checksum, if the client declares it.
func (q *request) wantedChecksum(u *objects.Upload) (string, error) {
	if kind := q.http.Header.Get("X-Amz-Checksum-Type"); kind != "" && checksum.Type(kind) != u.Type {
		return "", invalidRequest(fmt.Sprintf("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", u.Type))
	}
	found, err := declaredChecksum(q.http.Header)
	if err != nil || found.algorithm == "" {
		return "", err
	}
	if found.algorithm != u.Algorithm {
		return "", invalidRequest(fmt.Sprintf("The upload was created using a %s checksum. The complete request must use the same checksum algorithm.", strings.ToLower(string(u.Algorithm))))
	}
	return found.value, nil
}

// completed reads the list of parts of CompleteMultipartUpload.
func completed(u *objects.Upload, parts []completedPart) ([]objects.CompletedPart, error) {
	list := make([]objects.CompletedPart, len(parts))
	for n, part := range parts {
		list[n] = objects.CompletedPart{Number: part.PartNumber, ETag: strings.Trim(part.ETag, `"`), Checksum: part.of(u.Algorithm)}
		if u.Declared && u.Type == checksum.Composite && list[n].Checksum == "" {
			return nil, invalidRequest(fmt.Sprintf("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.",
				strings.ToLower(string(u.Algorithm)), part.PartNumber))
		}
	}
	return list, nil
}

// checkObjectSize compares x-amz-mp-object-size with the sum of the parts.
func checkObjectSize(header http.Header, list []objects.CompletedPart, parts []objects.Part) error {
	text := header.Get("X-Amz-Mp-Object-Size")
	if text == "" {
		return nil
	}
	sizes := make(map[int]int64, len(parts))
	for _, part := range parts {
		sizes[part.Number] = part.Size
	}
	var sum int64
	for _, part := range list {
		sum += sizes[part.Number]
	}
	size, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || size < 0:
		return invalidRequest("Value for x-amz-mp-object-size header is invalid.")
	case size != sum:
		return invalidRequest(fmt.Sprintf("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", size, sum))
	}
	return nil
}
