package s3

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/journal"
)

// forwardedHeaders reach the library. It keeps every X-Amz header as an object's metadata and
// gives it to readers, so credentials and whatever else it does not know must not get there.
var forwardedHeaders = []string{
	"Content-Type", "Content-Disposition", "Content-Encoding", "Content-Md5", "Content-Length",
	"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
}

// forward hands the library a request written anew from the operation.
func (h *handler) forward(w http.ResponseWriter, r *http.Request, op *operation) error {
	inner := r.Clone(r.Context())
	inner.Host, inner.RequestURI = "", ""
	inner.URL = &url.URL{Path: "/" + op.bucket}
	if op.key != "" {
		inner.URL.Path += "/" + op.key
	}
	inner.URL.RawQuery = op.query.Encode()
	inner.Header = http.Header{}
	for _, name := range forwardedHeaders {
		if value := r.Header.Get(name); value != "" {
			inner.Header.Set(name, value)
		}
	}
	switch op.name {
	case "CopyObject":
		// The source's metadata is copied, not the request's.
		inner.Header = http.Header{"Content-Length": {"0"}}
		inner.Header.Set("X-Amz-Copy-Source", "/"+op.copySource.bucket+"/"+url.QueryEscape(op.copySource.key))
	case "PutObject", "CreateMultipartUpload":
		if inner.Header.Get("Content-Type") == "" {
			inner.Header.Set("Content-Type", "binary/octet-stream") // S3's default
		}
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Meta-") || op.name == "PutObject" && checksumHeader(name) {
				inner.Header[name] = values[:1]
			}
		}
	}
	answer := &answer{ResponseWriter: w, checksums: strings.EqualFold(r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") && r.Header.Get("Range") == ""}
	answer.requestID = journal.FromContext(r.Context()).RequestID
	h.server.ServeHTTP(answer, inner)
	return answer.finish(op)
}

// answer passes the library's success on and keeps its errors back.
type answer struct {
	http.ResponseWriter
	requestID string
	checksums bool
	status    int
	body      bytes.Buffer
}

func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	a.status = status
	header := a.Header()
	for name := range header {
		if strings.HasPrefix(name, "X-Amz-") && !strings.HasPrefix(name, "X-Amz-Meta-") && name != "X-Amz-Bucket-Region" &&
			(!a.checksums || !checksumHeader(name)) {
			header.Del(name)
		}
	}
	header.Set("X-Amz-Request-Id", a.requestID)
	// The library lets every origin in; S3 does what the bucket's CORS configuration says, and there is none.
	header.Del("Access-Control-Allow-Origin")
	if status < http.StatusBadRequest {
		lowerMetadata(header)
		a.ResponseWriter.WriteHeader(status)
	}
}

// lowerMetadata spells the names of metadata as S3 does: clients that mind the case of headers, such as
// the AWS CLI, show them as they came.
func lowerMetadata(header http.Header) {
	for name, values := range header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			delete(header, name)
			header[strings.ToLower(name)] = values
		}
	}
}

func (a *answer) Write(data []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.status >= http.StatusBadRequest {
		return a.body.Write(data)
	}
	return a.ResponseWriter.Write(data)
}

// messages of codes (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
var messages = map[string]string{
	"BucketNotEmpty":   "The bucket you tried to delete is not empty.",
	"NoSuchUpload":     "The specified multipart upload does not exist. The upload ID might not be valid, or the multipart upload might have been aborted or completed.",
	"InvalidPart":      "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.",
	"InvalidPartOrder": "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
	"InvalidRange":     "The requested range cannot be satisfied.",
	"BadDigest":        "The Content-MD5 or checksum value that you specified did not match what the server received.",
	"InvalidDigest":    "The Content-MD5 or checksum value that you specified is not valid.",
}

// finish turns what was kept back into an *Error.
func (a *answer) finish(op *operation) error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.status < http.StatusBadRequest {
		return nil
	}
	for name := range a.Header() {
		if strings.HasPrefix(name, "X-Amz-Meta-") || name == "Content-Length" || name == "Etag" {
			a.Header().Del(name)
		}
	}
	var told struct{ Code, Message string }
	// HEAD has no body, and some refusals of the library have none: the status is all there is then.
	if err := xml.Unmarshal(a.body.Bytes(), &told); err != nil || told.Code == "" {
		told.Code, told.Message = http.StatusText(a.status), ""
	}
	if op.name == "ListMultipartUploads" && told.Code == "NoSuchUpload" {
		// The library does not tell "none" from "no such".
		a.ResponseWriter.Header().Del("Content-Length")
		return writeXML(a.ResponseWriter, struct {
			XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
			Bucket  string
			Prefix  string `xml:",omitempty"`
		}{Bucket: op.bucket, Prefix: op.query.Get("prefix")})
	}
	if told.Code == "BucketAlreadyExists" {
		// There is one account, so it is its own.
		told.Code, told.Message = "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."
	}
	told.Code = strings.ReplaceAll(told.Code, " ", "")
	if told.Message == "" {
		// The library has no text for most codes, and clients read one.
		told.Message = cmp.Or(messages[told.Code], http.StatusText(a.status))
	}
	return &Error{Code: told.Code, Status: a.status, Message: told.Message, Bucket: op.bucket, Key: op.key}
}
