package s3

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// The AWS CLI shows names of metadata as they came.
func TestMetadataIsInLowerCase(t *testing.T) {
	recorder := httptest.NewRecorder()
	a := &answer{ResponseWriter: recorder}
	a.Header().Set("X-Amz-Meta-Team-Name", "blue")
	a.Header().Set("Access-Control-Allow-Origin", "*")
	a.WriteHeader(http.StatusOK)
	header := recorder.Header()
	if got := map[string][]string(header)["x-amz-meta-team-name"]; len(got) != 1 || got[0] != "blue" || header.Get("X-Amz-Meta-Team-Name") != "" {
		t.Errorf("headers %v", header)
	}
	if header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("every origin is let in")
	}
}

// The AWS CLI looks for words in the message of an error, and fails where there is none.
func TestErrorsHaveMessages(t *testing.T) {
	for code, status := range map[string]int{"BucketNotEmpty": 409, "NoSuchUpload": 404, "SomethingNew": 400} {
		a := &answer{ResponseWriter: httptest.NewRecorder()}
		a.WriteHeader(status)
		_, _ = a.Write([]byte("<Error><Code>" + code + "</Code></Error>"))
		err, ok := errors.AsType[*Error](a.finish(&operation{name: "DeleteBucket"}))
		if !ok || err.Code != code || err.Message == "" {
			t.Errorf("%s: %+v", code, err)
		}
	}
}

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
		op, err := h.read(&http.Request{Method: http.MethodPut, URL: &url.URL{Path: "/bucket/key", RawQuery: test.query}, Header: http.Header{}}, "")
		if (err == nil) != test.known || test.known && len(op.query) != 0 {
			t.Errorf("%s: %+v, %v", test.query, op, err)
		}
	}
}
