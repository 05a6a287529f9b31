package s3

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
)

// A parameter that is no sub-resource is ignored. A sub-resource is never ignored.
func TestParameters(t *testing.T) {
	h := &handler{region: "us-west-2"}
	for _, test := range []struct {
		method, path, query string
		// name of the operation, "" for a refusal; left are the parameters that remain.
		name, left string
	}{
		// The AWS SDK for JavaScript presigns a PutObject with the checksum of an empty body, and with tags.
		{"PUT", "/bucket/key", "X-Amz-Signature=0&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32", "PutObject", ""},
		{"PUT", "/bucket/key", "X-Amz-Signature=0&X-Amz-Checksum-Sha256=x&x-id=PutObject", "PutObject", ""},
		{"PUT", "/bucket/key", "X-Amz-Signature=0&x-amz-tagging=a%3Db", "PutObject", ""},
		{"POST", "/bucket/key", "X-Amz-Signature=0&x-amz-tagging=a%3Db&uploads", "CreateMultipartUpload", "uploads="},
		{"PUT", "/bucket/key", "x-amz-checksum-crc32=AAAAAA%3D%3D", "PutObject", ""},
		{"GET", "/bucket/key", "x-id=GetObject&v=1&prefix=a&response-content-type=text", "GetObject", "response-content-type=text"},
		{"PUT", "/bucket/key", "response-content-type=text&nonsense", "PutObject", ""},
		{"HEAD", "/bucket/key", "utm_source=x", "HeadObject", ""},
		{"DELETE", "/bucket/key", "x-id=DeleteObject&max-keys=1&versionId=null", "DeleteObject", "versionId=null"},
		{"GET", "/bucket", "nonsense=1&list-type=2", "ListObjectsV2", "list-type=2"},
		{"GET", "/bucket", "nonsense", "ListObjects", ""},
		{"GET", "/bucket", "location&prefix=a", "GetBucketLocation", "location="},
		{"PUT", "/bucket", "x-amz-anything=1", "CreateBucket", ""},
		{"GET", "/", "x-id=ListBuckets&nonsense", "ListBuckets", ""},
		{"GET", "/bucket", "metrics&x-id=ListBucketMetricsConfigurations", "", ""},
		{"PUT", "/bucket/key", "nonsense&retention", "", ""},
		{"GET", "/bucket/key", "Tagging", "GetObject", ""}, // sub-resources are case-sensitive
	} {
		op, err := h.read(&http.Request{Method: test.method, URL: &url.URL{Path: test.path, RawQuery: test.query}, Header: http.Header{}})
		if test.name == "" {
			refusal, ok := errors.AsType[*Error](err)
			if !ok || refusal.Status != http.StatusNotImplemented {
				t.Errorf("%s %s?%s: %v", test.method, test.path, test.query, err)
			}
			continue
		}
		if err != nil || op.name != test.name || op.query.Encode() != test.left {
			t.Errorf("%s %s?%s: %+v, %v", test.method, test.path, test.query, op, err)
		}
	}
}

// Each sub-resource of a route is in the list of sub-resources, so no other route ignores it.
func TestSubresourcesAreKnown(t *testing.T) {
	for i := range routes {
		if name := routes[i].subresource; name != "" && !subresources[name] {
			t.Errorf("%s: %s is no sub-resource", routes[i].name, name)
		}
	}
}

func TestHoistedHeaders(t *testing.T) {
	for _, test := range []struct{ query, sent, header, want string }{
		{"X-Amz-Signature=0&x-amz-acl=private", "", "X-Amz-Acl", "private"},
		{"X-Amz-Signature=0&X-Amz-Acl=private", "", "X-Amz-Acl", "private"},
		{"X-Amz-Signature=0&x-amz-meta-color=red", "", "X-Amz-Meta-Color", "red"},
		{"X-Amz-Signature=0&x-amz-storage-class=STANDARD_IA", "", "X-Amz-Storage-Class", "STANDARD_IA"},
		{"X-Amz-Signature=0&x-amz-meta-color=red", "blue", "X-Amz-Meta-Color", "blue"}, // the header that was sent counts
		{"X-Amz-Signature=0&x-amz-tagging=a%3Db", "", "X-Amz-Tagging", ""},
		{"X-Amz-Signature=0&x-amz-meta-color=a%0Ab", "", "X-Amz-Meta-Color", ""},
		{"x-amz-acl=private", "", "X-Amz-Acl", ""}, // not presigned
	} {
		r := &http.Request{Method: http.MethodPut, URL: &url.URL{Path: "/bucket/key", RawQuery: test.query}, Header: http.Header{}}
		if test.sent != "" {
			r.Header.Set(test.header, test.sent)
		}
		if err := new(operation).readQuery(r); err != nil || r.Header.Get(test.header) != test.want {
			t.Errorf("%s: %v, %v", test.query, r.Header, err)
		}
	}
}
