package s3

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzRead reads requests of any form. The result is one known operation on the bucket and key of the path.
func FuzzRead(f *testing.F) {
	f.Add("GET", "/bucket/epi/default/../hoge", "x-id=GetObject", "emu:4566", "")
	f.Add("PUT", "/bucket//k%", "uploadId=1&partNumber=2", "bucket.s3.us-west-2.amazonaws.com", "")
	f.Add("PUT", "/bucket/k", "", "emu", "/other/a%2Fb+c?versionId=1")
	f.Add("DELETE", "/bucket/k", "uploadId=", "localhost", "")
	f.Add("DELETE", "/bucket/k", "versionId=null", "[::1]:80", "")
	f.Add("GET", "/", "list-type=2&prefix=", "b.localhost", "")
	f.Add("GET", "/b.b/a\\..%00", "versionId=&X-Amz-Signature=0", "localhost:1:2", "?")
	h := &handler{}
	f.Fuzz(func(t *testing.T, method, path, query, host, source string) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Method, r.Host = method, host
		r.URL = &url.URL{Path: path, RawQuery: query}
		if source != "" {
			r.Header.Set("X-Amz-Copy-Source", source)
		}
		op, err := h.read(r)
		if err != nil {
			return
		}
		if op.action == "" && op.name != "DeleteObjects" {
			t.Fatalf("%s %s?%s is %s and needs no permission", method, path, query, op.name)
		}
		whole := op.bucket + "/" + op.key
		if virtual := virtualBucket(host); virtual != "" {
			whole = op.key
			if op.bucket != virtual {
				t.Fatalf("the bucket of %s is %q", host, op.bucket)
			}
		}
		if given := strings.TrimPrefix(path, "/"); given != whole && given+"/" != whole {
			t.Fatalf("%q at %s is %q and %q", path, host, op.bucket, op.key)
		}
		// The library reads the path again after it was written.
		bucket, key, _ := strings.Cut(strings.TrimPrefix("/"+op.bucket+"/"+op.key, "/"), "/")
		if bucket != op.bucket || key != op.key || op.bucket == "" && op.key != "" {
			t.Fatalf("%q is %q and %q here, %q and %q there", path, op.bucket, op.key, bucket, key)
		}
		if op.query.Has("uploadId") != (op.subresource == "uploadId") || op.query.Has("uploadId") && op.query.Get("uploadId") == "" {
			t.Fatalf("%s has the upload ID %q", op.name, op.query["uploadId"])
		}
		if op.query.Has("versionId") && (op.versionID == "" || op.versioned == "") {
			t.Fatalf("%s has the version %q", op.name, op.query["versionId"])
		}
		if (op.source != nil) != op.copies || op.source != nil && (op.source.bucket == "" || op.source.key == "") {
			t.Fatalf("%s copies %+v", op.name, op.source)
		}
	})
}

// FuzzTagging reads x-amz-tagging. Accepted tags are within the limits.
func FuzzTagging(f *testing.F) {
	f.Add("team=blue&a=%20b+c")
	f.Add("a=1&a=2")
	f.Add("%=x&=")
	f.Add(strings.Repeat("k=v&", 12))
	f.Fuzz(func(t *testing.T, text string) {
		tags, err := readTagging(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, tag := range tags {
			if tag.Key == "" || seen[tag.Key] || len([]rune(tag.Key)) > maxTagKey || strings.HasPrefix(strings.ToLower(tag.Key), "aws:") {
				t.Fatalf("%q gives %+v", text, tags)
			}
			seen[tag.Key] = true
		}
		if len(tags) > maxObjectTags {
			t.Fatalf("%d tags", len(tags))
		}
	})
}

// FuzzRange reads Range headers of any form. The resulting span is within the object.
func FuzzRange(f *testing.F) {
	for _, text := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=9-2", "bytes=0-1,3-4", "bytes=-0", "bytes=99999999999999999999-", "bytes= 1-2", "lines=1-2", ""} {
		f.Add(text, 10)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		size = max(size, -size) & 0xffff
		wanted, ok := parseRange(text, size)
		if ok && (wanted.begin < 0 || wanted.begin > wanted.end || wanted.end > size || !wanted.partial && wanted.end-wanted.begin != size) {
			t.Fatalf("%q of %d is %+v", text, size, wanted)
		}
		if ok && wanted.partial && wanted.begin == wanted.end {
			t.Fatalf("%q of %d is nothing", text, size)
		}
	})
}

// FuzzDocuments reads bodies of any form as each document that a request can have.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`))
	f.Add([]byte(`<?xml version="1.0"?><Delete><Quiet>true</Quiet><Object><Key>k</Key><VersionId>null</VersionId></Object></Delete>`))
	f.Add([]byte(`<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Tagging>&b;</Tagging>`))
	f.Add([]byte(`<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>x`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, root := range []string{"Tagging", "Delete", "CompleteMultipartUpload", "CreateBucketConfiguration"} {
			var tags struct{ TagSet *tagSet }
			var deletes struct{ Object []doomed }
			var parts struct{ Part []completedPart }
			var bucket newBucket
			for _, into := range []any{&tags, &deletes, &parts, &bucket} {
				if parseXML(text, root, into) == nil && !strings.Contains(string(text), root) {
					t.Fatalf("%q is a %s", text, root)
				}
			}
			if tags.TagSet != nil && strings.Contains(string(text), "ENTITY") && slices.ContainsFunc(tags.TagSet.Tags, func(tag xmlTag) bool { return strings.Contains(tag.Value, "root:") }) {
				t.Fatal("an entity was read from a file")
			}
		}
	})
}
