package s3

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

type attributePart struct {
	PartNumber int
	Size       int64
	checksumElements
}

type attributeParts struct {
	PartsCount           int
	PartNumberMarker     int             `xml:",omitempty"`
	NextPartNumberMarker int             `xml:",omitempty"`
	MaxParts             int             `xml:",omitempty"`
	IsTruncated          bool            `xml:",omitempty"`
	Part                 []attributePart `xml:",omitempty"`
}

type attributesResult struct {
	XMLName      xml.Name          `xml:"http://s3.amazonaws.com/doc/2006-03-01/ GetObjectAttributesResponse"`
	ETag         string            `xml:",omitempty"`
	Checksum     *checksumElements `xml:",omitempty"`
	ObjectParts  *attributeParts   `xml:",omitempty"`
	StorageClass string            `xml:",omitempty"`
	ObjectSize   *int              `xml:",omitempty"`
}

func (h *handler) getObjectAttributes(q *request) error {
	v := q.existing
	names := strings.Split(strings.Join(q.http.Header.Values("X-Amz-Object-Attributes"), ","), ",")
	var body attributesResult
	for _, name := range names {
		switch strings.TrimSpace(name) {
		case "ETag":
			body.ETag = v.ETag // without quotes, unlike elsewhere
		case "Checksum":
			sum := elementsOf(v.Checksum)
			body.Checksum = &sum
		case "ObjectParts":
			parts, err := q.attributeParts(v)
			if err != nil {
				return err
			}
			body.ObjectParts = parts
		case "StorageClass":
			body.StorageClass = classOf(v.StorageClass)
		case "ObjectSize":
			size := len(v.Data)
			body.ObjectSize = &size
		case "":
			return invalidArgument("The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
		default:
			return invalidArgument("Invalid attribute name specified.")
		}
	}
	q.setVersion(v)
	q.w.Header().Set("Last-Modified", v.Modified.Format(http.TimeFormat))
	return writeXML(q.w, body)
}

// attributeParts returns nil for an object that was put in one request. S3 lists the parts only of objects whose parts have
// checksums. For other objects it reports only the number of parts.
func (q *request) attributeParts(v *objects.Version) (*attributeParts, error) {
	if len(v.Parts) == 0 {
		return nil, nil
	}
	if v.Checksum.Type != checksum.Composite {
		return &attributeParts{PartsCount: len(v.Parts)}, nil
	}
	limit, err := attributeNumber(q.http.Header, "X-Amz-Max-Parts", maxPage)
	if err != nil {
		return nil, err
	}
	after, err := attributeNumber(q.http.Header, "X-Amz-Part-Number-Marker", 0)
	if err != nil {
		return nil, err
	}
	parts := &attributeParts{PartsCount: len(v.Parts), PartNumberMarker: after, MaxParts: min(limit, maxPage)}
	for _, part := range v.Parts {
		if part.Number <= after {
			continue
		}
		if len(parts.Part) == parts.MaxParts {
			parts.IsTruncated = true
			break
		}
		sum := elementsOf(part.Checksum)
		sum.ChecksumType = ""
		parts.Part = append(parts.Part, attributePart{part.Number, part.Size, sum})
		parts.NextPartNumberMarker = part.Number
	}
	return parts, nil
}

func attributeNumber(header http.Header, name string, otherwise int) (int, error) {
	text := header.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, invalidArgument("Argument " + strings.ToLower(name) + " must be an integer between 0 and 2147483647")
	}
	return int(n), nil
}
