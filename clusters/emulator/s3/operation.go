package s3

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// operation is what a request asks for, as it was read.
type operation struct {
	*route
	bucket, key string
	// versionID is the version that the request names; "" for the latest.
	versionID string
	// query has the parameters that the operation knows.
	query url.Values
	// source is set for copies only.
	source *source
	// presigned says that the signature was in the query. signed is the time of the signature as the client wrote it.
	presigned bool
	signed    string
}

// source of a copy.
type source struct{ bucket, key, versionID string }

func bucketARN(bucket string) string { return "arn:aws:s3:::" + bucket }

func objectARN(bucket, key string) string { return "arn:aws:s3:::" + bucket + "/" + key }

// bucketName: bucketnamingrules. It has no slash, no wildcard and no variable of the policy language.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// maxKey is the longest key in bytes (object-keys).
const maxKey = 1024

func invalidURI() *Error {
	return &Error{Code: "InvalidURI", Status: http.StatusBadRequest, Message: "Couldn't parse the specified URI."}
}

// read finds the operation, or refuses the request. It may return an operation for a refused request too: the journal shows it.
func (h *handler) read(r *http.Request) (*operation, error) {
	op := &operation{}
	op.readPath(r.URL.Path, virtualBucket(r.Host))
	if err := op.readQuery(r); err != nil {
		return nil, err
	}
	copySource, copies := r.Header["X-Amz-Copy-Source"]
	if op.route = op.find(r.Method, copies); op.route == nil {
		if err := op.checkPath(); err != nil {
			return nil, err
		}
		return nil, op.unserved(r.Method)
	}
	op.keepKnown()
	if !op.presigned {
		op.signed = r.Header.Get("X-Amz-Date")
	}
	for _, check := range []func() error{op.checkPath, op.checkQuery, func() error { return op.checkHeaders(r.Header) }} {
		if err := check(); err != nil {
			return op, err
		}
	}
	if copies {
		if len(copySource) != 1 {
			return op, invalidArgument("x-amz-copy-source is given twice")
		}
		var err error
		if op.source, err = readSource(copySource[0]); err != nil {
			return op, err
		}
	}
	return op, nil
}

// checkQuery requires that each parameter occurs once, and that an upload ID or version is not empty. An empty one would count as
// missing, and the request would be another operation.
func (op *operation) checkQuery() error {
	for name, values := range op.query {
		if len(values) > 1 {
			return invalidArgument(fmt.Sprintf("The parameter %s is given twice", name))
		}
	}
	op.versionID = op.query.Get("versionId")
	switch {
	case op.query.Has("uploadId") && op.query.Get("uploadId") == "", op.query.Has("list-type") && op.query.Get("list-type") != "2":
		return invalidArgument("Invalid Argument")
	case op.query.Has("versionId") && op.versionID == "":
		return invalidArgument("Version id cannot be the empty string")
	}
	return nil
}

// readPath takes bucket and key from the decoded path. Dots, repeated slashes and percent signs belong to the key, as in S3.
func (op *operation) readPath(path, virtual string) {
	path = strings.TrimPrefix(path, "/")
	if virtual != "" {
		op.bucket, op.key = virtual, path
	} else {
		op.bucket, op.key, _ = strings.Cut(path, "/")
	}
}

func (op *operation) checkPath() error {
	if op.bucket == "" && op.key != "" || op.bucket != "" && !bucketName.MatchString(op.bucket) {
		return &Error{Code: "InvalidBucketName", Status: http.StatusBadRequest, Message: "The specified bucket is not valid.", Bucket: op.bucket}
	}
	return checkKey(op.key)
}

func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return &Error{Code: "KeyTooLongError", Status: http.StatusBadRequest, Message: "Your key is too long"}
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return invalidURI()
	}
	return nil
}

// refusedHeaders are the headers of features that the emulator lacks. To ignore such a header would be to do less than the client
// asked, or more than was decided. A dash at the end stands for all headers with that beginning.
var refusedHeaders = []string{
	"X-Amz-Website-Redirect-Location", "X-Amz-Mfa", "X-Amz-Write-Offset-Bytes", "X-Amz-Rename-Source", "X-Amz-Grant-",
	"X-Amz-Object-Lock-", "X-Amz-Bucket-Object-Lock-", "X-Amz-Server-Side-Encryption-", "X-Amz-Copy-Source-Server-Side-Encryption-",
	"X-Amz-If-Match-",
}

func (op *operation) checkHeaders(header http.Header) error {
	for _, name := range reading {
		if len(header[name]) > 0 && !slices.Contains(op.conditions, name) {
			return unknownHeader(name)
		}
	}
	for name := range header {
		if !strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		for _, refused := range refusedHeaders {
			if name == refused || strings.HasSuffix(refused, "-") && strings.HasPrefix(name, refused) {
				return unknownHeader(name)
			}
		}
	}
	return op.checkEncryption(header.Get("X-Amz-Server-Side-Encryption"))
}

// checkEncryption accepts the header in operations that create an object and nowhere else (GetObject, HeadObject: "you'll get an
// HTTP 400 Bad Request error"; UploadPart: https://github.com/boto/botocore/issues/732; UploadPartCopy:
// https://github.com/fog/fog-aws/pull/589; CompleteMultipartUpload: https://github.com/ClickHouse/ClickHouse/issues/64570, and
// minio-go leaves the header out there for AWS; listings: https://github.com/s3tools/s3cmd/issues/276). Objects are encrypted with
// keys of S3, which is the default (default-encryption-faq), or not at all.
func (op *operation) checkEncryption(encryption string) error {
	switch op.name {
	case "PutObject", "CopyObject", "CreateMultipartUpload", "PostObject":
		if encryption != "" && encryption != "AES256" {
			return unknownHeader("X-Amz-Server-Side-Encryption")
		}
		return nil
	}
	if encryption != "" {
		return invalidArgument("x-amz-server-side-encryption header is not supported for this operation.")
	}
	return nil
}

func unknownHeader(name string) *Error {
	return notImplemented("A header you provided implies functionality that is not implemented: " + strings.ToLower(name))
}

// readSource reads x-amz-copy-source: "/bucket/key", URL-encoded, and "?versionId=ID" (CopyObject).
func readSource(text string) (*source, error) {
	invalid := invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	text, query, _ := strings.Cut(text, "?")
	from := &source{}
	if query != "" {
		parameters, err := url.ParseQuery(query)
		if err != nil || len(parameters) != 1 || len(parameters["versionId"]) != 1 || parameters.Get("versionId") == "" {
			return nil, invalid
		}
		from.versionID = parameters.Get("versionId")
	}
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return nil, invalid
	}
	from.bucket, from.key, _ = strings.Cut(strings.TrimPrefix(decoded, "/"), "/")
	if !bucketName.MatchString(from.bucket) || from.key == "" || checkKey(from.key) != nil {
		return nil, invalid
	}
	return from, nil
}
