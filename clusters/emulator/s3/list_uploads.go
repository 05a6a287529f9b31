package s3

import (
	"encoding/xml"
	"strconv"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

type initiator struct {
	ID          string
	DisplayName string `xml:",omitempty"`
}

func initiatorOf(u *objects.Upload) *initiator {
	if u.Initiator == "" {
		return nil
	}
	return &initiator{ID: u.Initiator}
}

type listedUpload struct {
	Key               text
	UploadID          string `xml:"UploadId"`
	Initiator         *initiator
	Owner             *owner
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm checksum.Algorithm `xml:",omitempty"`
	ChecksumType      checksum.Type      `xml:",omitempty"`
}

type uploadsResult struct {
	XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket             string
	KeyMarker          text
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      text   `xml:",omitempty"`
	NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
	Prefix             text
	Delimiter          text   `xml:",omitempty"`
	EncodingType       string `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Upload             []listedUpload
	CommonPrefixes     []commonPrefix
}

func (h *handler) listMultipartUploads(q *request) error {
	e, err := q.encoding()
	if err != nil {
		return err
	}
	list := objects.List{Prefix: q.query.Get("prefix"), Delimiter: q.query.Get("delimiter"), After: q.query.Get("key-marker")}
	if list.Max, err = q.limit("max-uploads", maxPage); err != nil {
		return err
	}
	marker := q.query.Get("upload-id-marker")
	if list.After == "" {
		marker = "" // "If key-marker is not specified, the upload-id-marker parameter is ignored."
	}
	page, err := h.store.ListUploads(q.bucket, list, marker)
	if err != nil {
		return q.refusal(err)
	}
	body := uploadsResult{
		Bucket: q.bucket, KeyMarker: e.text(list.After), UploadIDMarker: marker, Prefix: e.text(list.Prefix), Delimiter: e.text(list.Delimiter),
		EncodingType: e.name(), MaxUploads: list.Max, IsTruncated: page.Truncated,
	}
	if page.Truncated {
		body.NextKeyMarker, body.NextUploadIDMarker = e.text(page.LastKey), page.LastID
	}
	for _, u := range page.Uploads {
		one := listedUpload{
			Key: e.text(u.Key), UploadID: u.ID, Initiator: initiatorOf(u), Owner: ownerOf(q.target.Owner),
			StorageClass: classOf(u.StorageClass), Initiated: timestamp(u.Initiated),
		}
		if u.Declared {
			one.ChecksumAlgorithm, one.ChecksumType = u.Algorithm, u.Type
		}
		body.Upload = append(body.Upload, one)
	}
	for _, prefix := range page.Prefixes {
		body.CommonPrefixes = append(body.CommonPrefixes, commonPrefix{e.text(prefix)})
	}
	return writeXML(q.w, body)
}

type listedPart struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
	checksumElements
}

type partsResult struct {
	XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket               string
	Key                  text
	UploadID             string `xml:"UploadId"`
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Part                 []listedPart
	Initiator            *initiator
	Owner                *owner
	StorageClass         string
	ChecksumAlgorithm    checksum.Algorithm `xml:",omitempty"`
	ChecksumType         checksum.Type      `xml:",omitempty"`
}

func (h *handler) listParts(q *request) error {
	limit, err := q.limit("max-parts", maxPage)
	if err != nil {
		return err
	}
	after := 0
	if marker := q.query.Get("part-number-marker"); marker != "" {
		if after, err = strconv.Atoi(marker); err != nil || after < 0 {
			return invalidArgument("Argument part-number-marker must be an integer between 0 and 2147483647")
		}
		after = min(after, objects.MaxPartNumber)
	}
	u, parts, more, err := h.store.Parts(q.bucket, q.key, q.query.Get("uploadId"), after, limit)
	if err != nil {
		return q.refusal(err)
	}
	body := partsResult{
		Bucket: q.bucket, Key: text(q.key), UploadID: u.ID, PartNumberMarker: after, MaxParts: limit, IsTruncated: more,
		Initiator: initiatorOf(u), Owner: ownerOf(q.target.Owner), StorageClass: classOf(u.StorageClass),
	}
	if u.Declared {
		body.ChecksumAlgorithm, body.ChecksumType = u.Algorithm, u.Type
	}
	for _, part := range parts {
		one := listedPart{PartNumber: part.Number, LastModified: timestamp(part.Modified), ETag: quoted(part.ETag), Size: part.Size}
		if u.Declared {
			one.checksumElements = elementsOf(part.Checksum)
			one.ChecksumType = ""
		}
		body.Part = append(body.Part, one)
		body.NextPartNumberMarker = part.Number
	}
	return writeXML(q.w, body)
}
