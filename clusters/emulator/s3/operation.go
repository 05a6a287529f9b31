package s3

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// operation is what a request asks for.
type operation struct {
	// name is AWS's, such as "GetObject".
	name        string
	bucket, key string
	// query has the parameters that the operation knows.
	query url.Values
	// copySource is set for CopyObject.
	copySource *object
	// accesses must all be allowed.
	accesses []iam.Access
	// reads are the keys that must exist.
	reads []object
	// presigned tells where the signature was.
	presigned bool
}

type object struct{ bucket, key string }

func bucketARN(bucket string) string { return "arn:aws:s3:::" + bucket }

func (o object) arn() string { return bucketARN(o.bucket) + "/" + o.key }

// route tells an operation by method, by whether there are bucket and key, and by its
// sub-resource: the parameter that must be there.
type route struct {
	method      string
	bucket, key bool
	subresource string
	name        string
	// action of IAM on the bucket or, when there is a key, on the object.
	action string
	// parameters besides the sub-resource.
	parameters []string
}

var (
	listing   = []string{"prefix", "delimiter", "max-keys", "encoding-type"}
	overrides = []string{"response-content-type", "response-content-language", "response-expires", "response-cache-control", "response-content-disposition", "response-content-encoding"}
)

// routes are all that is served. Whatever is not here is refused before any object is touched.
var routes = []route{
	{http.MethodGet, false, false, "", "ListBuckets", "s3:ListAllMyBuckets", nil},
	{http.MethodPut, true, false, "", "CreateBucket", "s3:CreateBucket", nil},
	{http.MethodDelete, true, false, "", "DeleteBucket", "s3:DeleteBucket", nil},
	{http.MethodHead, true, false, "", "HeadBucket", "s3:ListBucket", nil},
	{http.MethodGet, true, false, "location", "GetBucketLocation", "s3:GetBucketLocation", nil},
	{http.MethodGet, true, false, "list-type", "ListObjectsV2", "s3:ListBucket", append([]string{"continuation-token", "start-after", "fetch-owner"}, listing...)},
	{http.MethodGet, true, false, "uploads", "ListMultipartUploads", "s3:ListBucketMultipartUploads", append([]string{"key-marker", "upload-id-marker", "max-uploads"}, listing...)},
	{http.MethodGet, true, false, "", "ListObjects", "s3:ListBucket", append([]string{"marker"}, listing...)},
	{http.MethodPost, true, false, "delete", "DeleteObjects", "s3:DeleteObject", nil},

	{http.MethodGet, true, true, "uploadId", "ListParts", "s3:ListMultipartUploadParts", []string{"max-parts", "part-number-marker"}},
	{http.MethodGet, true, true, "", "GetObject", "s3:GetObject", overrides},
	{http.MethodHead, true, true, "", "HeadObject", "s3:GetObject", overrides},
	{http.MethodPut, true, true, "uploadId", "UploadPart", "s3:PutObject", []string{"partNumber"}},
	{http.MethodPut, true, true, "", "PutObject", "s3:PutObject", nil},
	{http.MethodDelete, true, true, "uploadId", "AbortMultipartUpload", "s3:AbortMultipartUpload", nil},
	{http.MethodDelete, true, true, "", "DeleteObject", "s3:DeleteObject", nil},
	{http.MethodPost, true, true, "uploads", "CreateMultipartUpload", "s3:PutObject", nil},
	{http.MethodPost, true, true, "uploadId", "CompleteMultipartUpload", "s3:PutObject", nil},
}

// Operations are the names of all that is served, sorted.
func Operations() []string {
	names := []string{"CopyObject"} // a PutObject with a header
	for _, r := range routes {
		names = append(names, r.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ignoredParameters belong to signing and to SDKs, not to the operation.
var ignoredParameters = []string{
	"x-id", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
	"X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-Checksum-Mode", "x-amz-checksum-mode", "X-Amz-Sdk-Checksum-Algorithm",
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// maxKey is the longest key in bytes.
const maxKey = 1024

// read finds the operation, or refuses the request. Buckets are of the account owner.
func (h *handler) read(r *http.Request, owner string) (*operation, error) {
	op := &operation{}
	if err := op.readPath(r, h.virtualBucket(r.Host)); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &Error{Code: "InvalidURI", Status: http.StatusBadRequest, Message: "Couldn't parse the specified URI."}
	}
	op.presigned = query.Has("X-Amz-Signature")
	for _, name := range ignoredParameters {
		query.Del(name)
	}
	if op.presigned {
		ignoreChecksums(query)
	}
	found := op.find(r.Method, query)
	if found == nil {
		return nil, notImplemented("A query parameter or method you provided implies functionality that is not implemented")
	}
	op.name, op.query = found.name, query
	for name, values := range query {
		if len(values) > 1 {
			return nil, &Error{Code: "InvalidArgument", Status: http.StatusBadRequest, Message: fmt.Sprintf("The parameter %s is given twice", name)}
		}
	}
	// An empty upload ID would be no upload ID to the library, and so another operation.
	if query.Has("uploadId") && query.Get("uploadId") == "" || query.Has("list-type") && query.Get("list-type") != "2" {
		return nil, &Error{Code: "InvalidArgument", Status: http.StatusBadRequest, Message: "Invalid Argument"}
	}
	if err := checkHeaders(r.Header, owner); err != nil {
		return nil, err
	}
	if source := r.Header.Get("X-Amz-Copy-Source"); source != "" {
		if op.name != "PutObject" {
			return nil, notImplemented("x-amz-copy-source is implemented for CopyObject only")
		}
		if err := op.readCopySource(source, r.Header); err != nil {
			return nil, err
		}
	}
	op.require(found)
	return op, op.checkConditions(r.Header)
}

// ignoreChecksums drops the checksums of a presigned URL, as S3 does: the AWS SDK for JavaScript puts that of
// an empty body there, whatever will be uploaded (https://github.com/aws/aws-sdk/issues/480).
func ignoreChecksums(query url.Values) {
	for name := range query {
		if header := http.CanonicalHeaderKey(name); checksumHeader(header) || header == "X-Amz-Sdk-Checksum-Algorithm" {
			delete(query, name)
		}
	}
}

// virtualBucket returns the bucket of a virtual-hosted request; "" for a path-style one.
func (h *handler) virtualBucket(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(host)
	for _, base := range h.hosts {
		if bucket, found := strings.CutSuffix(host, "."+base); found && !slices.Contains(h.hosts, host) {
			return bucket
		}
	}
	return ""
}

// readPath takes bucket and key from the decoded path: dots, repeated slashes and percent signs in a
// key are the key's own, as in S3.
func (op *operation) readPath(r *http.Request, virtual string) error {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if virtual != "" {
		op.bucket, op.key = virtual, path
	} else {
		op.bucket, op.key, _ = strings.Cut(path, "/")
	}
	switch {
	case op.bucket == "" && op.key != "", op.bucket != "" && !bucketName.MatchString(op.bucket):
		return &Error{Code: "InvalidBucketName", Status: http.StatusBadRequest, Message: "The specified bucket is not valid.", Bucket: op.bucket}
	}
	return checkKey(op.key)
}

func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return &Error{Code: "KeyTooLongError", Status: http.StatusBadRequest, Message: "Your key is too long"}
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return &Error{Code: "InvalidURI", Status: http.StatusBadRequest, Message: "Couldn't parse the specified URI."}
	}
	return nil
}

// find returns the route that knows every parameter of the query.
func (op *operation) find(method string, query url.Values) *route {
	for i := range routes {
		candidate := &routes[i]
		if candidate.method != method || candidate.bucket != (op.bucket != "") || candidate.key != (op.key != "") {
			continue
		}
		if candidate.subresource != "" && !query.Has(candidate.subresource) {
			continue
		}
		known := true
		for name := range query {
			known = known && (name == candidate.subresource || slices.Contains(candidate.parameters, name))
		}
		if known {
			return candidate
		}
	}
	return nil
}

// checkHeaders refuses headers that need permissions or features that are not here: to ignore them
// would be to do less than was asked, or more than was decided.
func checkHeaders(header http.Header, owner string) error {
	if expected := header.Get("X-Amz-Expected-Bucket-Owner"); expected != "" && expected != owner {
		return errAccessDenied
	}
	for name := range header {
		lower := strings.ToLower(name)
		switch {
		case lower == "x-amz-acl" && (header.Get(name) == "private" || header.Get(name) == "bucket-owner-full-control"):
		case lower == "x-amz-acl", lower == "x-amz-tagging", lower == "x-amz-tagging-directive", lower == "x-amz-website-redirect-location",
			lower == "x-amz-mfa", lower == "x-amz-write-offset-bytes", lower == "x-amz-rename-source",
			strings.HasPrefix(lower, "x-amz-grant-"), strings.HasPrefix(lower, "x-amz-object-lock-"), strings.HasPrefix(lower, "x-amz-bucket-object-lock"),
			strings.HasPrefix(lower, "x-amz-server-side-encryption"), strings.HasPrefix(lower, "x-amz-copy-source-"):
			return notImplemented("A header you provided implies functionality that is not implemented: " + lower)
		}
	}
	return nil
}

// checkConditions refuses conditional requests where the library would ignore the condition.
func (op *operation) checkConditions(header http.Header) error {
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		conditional := op.name == "GetObject" || op.name == "HeadObject" || op.name == "PutObject" && strings.HasSuffix(name, "-Match")
		if header.Get(name) != "" && !conditional {
			return notImplemented("A header you provided implies functionality that is not implemented: " + strings.ToLower(name))
		}
	}
	return nil
}

// readCopySource reads x-amz-copy-source: "/bucket/key", URL-encoded (CopyObject).
func (op *operation) readCopySource(source string, header http.Header) error {
	invalid := &Error{Code: "InvalidArgument", Status: http.StatusBadRequest, Message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"}
	if strings.Contains(source, "?") {
		return notImplemented("x-amz-copy-source with a version is not implemented")
	}
	if directive := header.Get("X-Amz-Metadata-Directive"); directive != "" && directive != "COPY" {
		return notImplemented("x-amz-metadata-directive is implemented for COPY only")
	}
	decoded, err := url.PathUnescape(source)
	if err != nil {
		return invalid
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(decoded, "/"), "/")
	if !bucketName.MatchString(bucket) || key == "" || checkKey(key) != nil {
		return invalid
	}
	op.name, op.copySource = "CopyObject", &object{bucket, key}
	return nil
}

// require sets what must be allowed, and what must exist.
func (op *operation) require(found *route) {
	target := object{op.bucket, op.key}
	access := iam.Access{Action: found.action, Context: op.keys()}
	switch {
	case op.bucket == "":
		access.Resource = bucketARN("*")
	case op.key == "":
		access.Resource = bucketARN(op.bucket)
		for _, name := range []string{"prefix", "delimiter", "max-keys"} {
			// A key is there only if the parameter is; an empty one is there too.
			if found.action == "s3:ListBucket" && op.query.Has(name) {
				access.Context.Set("s3:"+name, op.query.Get(name))
			}
		}
	default:
		access.Resource = target.arn()
	}
	if op.copySource != nil {
		access.Context.Set("s3:x-amz-copy-source", op.copySource.bucket+"/"+op.copySource.key)
		op.accesses = append(op.accesses, iam.Access{Action: "s3:GetObject", Resource: op.copySource.arn(), Context: op.keys()})
		op.reads = append(op.reads, *op.copySource)
	}
	if found.name == "GetObject" || found.name == "HeadObject" {
		op.reads = append(op.reads, target)
	}
	op.accesses = append(op.accesses, access)
}

// keys are the condition keys of every request.
func (op *operation) keys() policy.Context {
	keys := policy.Context{}
	keys.Set("s3:signatureversion", "AWS4-HMAC-SHA256")
	authType := "REST-HEADER"
	if op.presigned {
		authType = "REST-QUERY-STRING"
	}
	keys.Set("s3:authType", authType)
	return keys
}
