package s3

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

var responseOverrides = [...]struct{ parameter, header string }{
	{"response-content-type", "Content-Type"},
	{"response-content-language", "Content-Language"},
	{"response-expires", "Expires"},
	{"response-cache-control", "Cache-Control"},
	{"response-content-disposition", "Content-Disposition"},
	{"response-content-encoding", "Content-Encoding"},
}

// getObject serves GetObject and HeadObject.
func (h *handler) getObject(q *request) error {
	v := q.existing
	wanted, err := q.wanted(v)
	if err != nil {
		return err
	}
	header := q.w.Header()
	if err := q.checkRead(v); err != nil {
		if errors.Is(err, errNotModified) {
			header.Set("Etag", quoted(v.ETag))
			header.Set("Last-Modified", v.Modified.Format(http.TimeFormat))
			q.setVersion(v)
		}
		return err
	}
	if err := q.override(header, v); err != nil {
		return err
	}
	// The headers are written without Set, because the names have their final form: those of metadata are in lower case, as the AWS
	// CLI shows them.
	header["Etag"] = []string{quoted(v.ETag)}
	header["Last-Modified"] = []string{v.Modified.Format(http.TimeFormat)}
	header["Accept-Ranges"] = []string{"bytes"}
	header["X-Amz-Server-Side-Encryption"] = []string{"AES256"}
	if v.StorageClass != "" {
		header["X-Amz-Storage-Class"] = []string{v.StorageClass}
	}
	if len(v.Tags) > 0 {
		header["X-Amz-Tagging-Count"] = []string{strconv.Itoa(len(v.Tags))}
	}
	q.setVersion(v)
	if strings.EqualFold(q.http.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		q.setChecksumHeader(header, v, wanted)
	}
	status := http.StatusOK
	if wanted.partial {
		status = http.StatusPartialContent
		header["Content-Range"] = []string{wanted.contentRange(len(v.Data))}
		if q.query.Has("partNumber") && len(v.Parts) > 0 {
			header["X-Amz-Mp-Parts-Count"] = []string{strconv.Itoa(len(v.Parts))}
		}
	}
	header["Content-Length"] = []string{strconv.Itoa(wanted.end - wanted.begin)}
	q.w.WriteHeader(status)
	if q.http.Method != http.MethodHead {
		_, _ = q.w.Write(v.Data[wanted.begin:wanted.end]) // fails only if the client closed the connection
	}
	return nil
}

// setChecksumHeader reports the checksum of the whole object, or of a part that is asked for by number. One part of several has its
// own checksum if the object's is composite (https://github.com/localstack/localstack/pull/12842). A range has none.
func (q *request) setChecksumHeader(header http.Header, v *objects.Version, wanted span) {
	switch {
	case !wanted.partial, wanted.end-wanted.begin == len(v.Data) && q.query.Has("partNumber") && v.Checksum.Type == checksum.FullObject:
		setChecksum(header, v.Checksum)
	case q.query.Has("partNumber") && v.Checksum.Type == checksum.Composite:
		number, err := q.partNumber()
		if err != nil || number > len(v.Parts) {
			return // part has refused the number
		}
		setChecksum(header, checksum.Checksum{Algorithm: v.Checksum.Algorithm, Value: v.Parts[number-1].Checksum.Value, Type: checksum.Composite})
	}
}

func quoted(etag string) string { return `"` + etag + `"` }

// setVersion reports the version of an object in a bucket that is or was versioned.
func (q *request) setVersion(v *objects.Version) {
	if q.target.Versioning != objects.Unversioned {
		q.w.Header().Set("X-Amz-Version-Id", v.ID)
	}
}

func setChecksum(header http.Header, sum checksum.Checksum) {
	header[sum.Algorithm.Header()] = []string{sum.Value}
	header["X-Amz-Checksum-Type"] = []string{string(sum.Type)}
}

// override sets the stored headers, or the values that parameters ask for. Only signed requests may have such parameters
// (GetObject, "Overriding response header values through the request").
func (q *request) override(header http.Header, v *objects.Version) error {
	for _, field := range v.Fields {
		header[field.Name] = []string{field.Value}
	}
	if len(q.query) == 0 {
		return nil
	}
	for _, one := range responseOverrides {
		value := q.query.Get(one.parameter)
		if value == "" {
			continue
		}
		if q.caller == nil {
			return invalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
		}
		header.Set(one.header, value)
	}
	return nil
}

// span of an object's bytes.
type span struct {
	begin, end int
	partial    bool
}

func (s span) contentRange(size int) string {
	return "bytes " + strconv.Itoa(s.begin) + "-" + strconv.Itoa(s.end-1) + "/" + strconv.Itoa(size)
}

// wanted is the span of the object that Range or partNumber asks for.
func (q *request) wanted(v *objects.Version) (span, error) {
	text, byPart := q.http.Header.Get("Range"), q.query.Has("partNumber")
	switch {
	case text != "" && byPart:
		return span{}, invalidRequest("Cannot specify both Range header and partNumber query parameter")
	case byPart:
		return q.part(v)
	}
	wanted, ok := parseRange(text, len(v.Data))
	if !ok {
		return span{}, &Error{Code: "InvalidRange", Status: http.StatusRequestedRangeNotSatisfiable, Message: "The requested range is not satisfiable",
			RangeRequested: text, ActualObjectSize: strconv.Itoa(len(v.Data))}
	}
	return wanted, nil
}

// parseRange reads a Range header. It returns false if the range begins past the object's end. A header that is not one range of
// bytes is ignored: S3 "doesn't support retrieving multiple ranges of data per GET request" (GetObject), and RFC 9110, section
// 14.2, has other headers ignored.
func parseRange(text string, size int) (span, bool) {
	whole := span{end: size}
	text, ok := strings.CutPrefix(text, "bytes=")
	if !ok {
		return whole, true
	}
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		return whole, true
	}
	if first == "" {
		count, ok := parseSize(last)
		if !ok {
			return whole, true
		}
		return span{begin: size - min(count, size), end: size, partial: true}, count > 0 && size > 0
	}
	begin, ok := parseSize(first)
	if !ok {
		return whole, true
	}
	end := size
	if last != "" {
		through, ok := parseSize(last)
		if !ok || through < begin {
			return whole, true
		}
		end = min(through, size-1) + 1
	}
	return span{begin: begin, end: end, partial: true}, begin < size
}

// parseSize reads digits. A number that is larger than any object becomes objects.MaxSize+1.
func parseSize(text string) (int, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	size, err := strconv.Atoi(text)
	if err != nil || size > objects.MaxSize {
		size = objects.MaxSize + 1
	}
	return size, true
}

// part finds the bytes of a part. An object that was put in one request has one part (GetObject, partNumber).
func (q *request) part(v *objects.Version) (span, error) {
	number, err := q.partNumber()
	if err != nil {
		return span{}, err
	}
	count := max(len(v.Parts), 1)
	if number > count {
		return span{}, &Error{Code: "InvalidPartNumber", Status: http.StatusRequestedRangeNotSatisfiable, Message: "The requested partnumber is not satisfiable",
			PartNumberRequested: strconv.Itoa(number), ActualPartCount: strconv.Itoa(count)}
	}
	if len(v.Parts) == 0 {
		return span{end: len(v.Data), partial: len(v.Data) > 0}, nil
	}
	begin := 0
	for _, part := range v.Parts[:number-1] {
		begin += int(part.Size)
	}
	end := begin + int(v.Parts[number-1].Size)
	return span{begin: begin, end: end, partial: end > begin}, nil
}

func (q *request) partNumber() (int, error) {
	number, err := strconv.Atoi(q.query.Get("partNumber"))
	if err != nil || number < 1 || number > objects.MaxPartNumber {
		return 0, invalidArgument("Part number must be an integer between 1 and 10000, inclusive")
	}
	return number, nil
}
