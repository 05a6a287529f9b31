package s3

import (
	"net/http"
	"net/url"
	"testing"
)

// The AWS SDK for JavaScript presigns a PutObject with the checksum of an empty body.
func TestPresignedChecksumsAreIgnored(t *testing.T) {
	h := &handler{region: "us-west-2"}
	for _, test := range []struct {
		query string
		known bool
	}{
		{"X-Amz-Signature=0&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32", true},
		{"X-Amz-Signature=0&X-Amz-Checksum-Sha256=x", true},
		{"x-amz-checksum-crc32=AAAAAA%3D%3D", false}, // not presigned: nobody sends it there
		{"X-Amz-Signature=0&x-amz-checksum-md4=x", false},
	} {
		op, err := h.read(&http.Request{Method: http.MethodPut, URL: &url.URL{Path: "/bucket/key", RawQuery: test.query}, Header: http.Header{}})
		if (err == nil) != test.known || test.known && len(op.query) != 0 {
			t.Errorf("%s: %+v, %v", test.query, op, err)
		}
	}
}
