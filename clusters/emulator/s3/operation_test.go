package s3

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRead reads requests of any form: what comes out must be what the library will read again.
func FuzzRead(f *testing.F) {
	f.Add("GET", "/bucket/epi/default/../hoge", "x-id=GetObject", "emu:4566", "")
	f.Add("PUT", "/bucket//k%", "uploadId=1&partNumber=2", "bucket.s3.us-west-2.amazonaws.com", "")
	f.Add("PUT", "/bucket/k", "", "emu", "/other/a%2Fb+c")
	f.Add("DELETE", "/bucket/k", "uploadId=", "localhost", "")
	f.Add("GET", "/", "list-type=2&prefix=", "b.localhost", "")
	h := &handler{hosts: []string{"s3.us-west-2.amazonaws.com", "localhost"}}
	f.Fuzz(func(t *testing.T, method, path, query, host, source string) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Method, r.Host = method, host
		r.URL = &url.URL{Path: path, RawQuery: query}
		if source != "" {
			r.Header.Set("X-Amz-Copy-Source", source)
		}
		op, err := h.read(r, "")
		if err != nil {
			return
		}
		if len(op.accesses) == 0 {
			t.Fatalf("%s %s?%s is %s and needs no permission", method, path, query, op.name)
		}
		// The library's own reading of the path that forward writes.
		bucket, key, _ := strings.Cut(strings.TrimPrefix("/"+op.bucket+"/"+op.key, "/"), "/")
		if bucket != op.bucket || key != op.key || op.bucket == "" && op.key != "" {
			t.Fatalf("%q is %q and %q here, %q and %q there", path, op.bucket, op.key, bucket, key)
		}
		if op.query.Has("uploadId") && op.query.Get("uploadId") == "" {
			t.Fatalf("%s has an empty upload ID", op.name)
		}
		if op.copySource != nil && (op.name != "CopyObject" || len(op.accesses) != 2) {
			t.Fatalf("a copy is %s with %d permissions", op.name, len(op.accesses))
		}
	})
}
