package s3_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/s3"
)

// everyoneMay allows everything.
type everyoneMay struct{}

func (everyoneMay) Authorize(context.Context, *iam.Caller, iam.Access) policy.Decision {
	return policy.Decision{Allowed: true, Statement: &policy.Statement{}}
}

func (everyoneMay) Bind(*policy.Document) (map[string]string, string) { return nil, "" }

func (everyoneMay) Shown(document *policy.Document) string { return document.Text() }

// FuzzServe serves requests of any form, in a world with a bucket, an object and an upload. Every request gets an answer that is
// not an internal error. "N: V" lines of header become headers.
func FuzzServe(f *testing.F) {
	const meta = "X-Amz-Meta-A: b\nX-Amz-Tagging: a=b"
	for _, seed := range [][4]string{
		{"GET", "/bucket/key", "", "Range: bytes=0-1\nIf-None-Match: *"},
		{"PUT", "/bucket/new", "content", meta},
		{"PUT", "/bucket/copy", "", "X-Amz-Copy-Source: bucket/key\nX-Amz-Copy-Source-If-Match: x"},
		{"POST", "/bucket/key?uploads", "", "X-Amz-Checksum-Algorithm: crc32"},
		{"PUT", "/bucket/key?uploadId=UPLOAD&partNumber=1", "part", "X-Amz-Checksum-Crc32: AAAAAA=="},
		{"PUT", "/bucket/key?uploadId=UPLOAD&partNumber=2", "", "X-Amz-Copy-Source: bucket/key\nX-Amz-Copy-Source-Range: bytes=0-1"},
		{"POST", "/bucket/key?uploadId=UPLOAD", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>", "X-Amz-Mp-Object-Size: 4"},
		{"GET", "/bucket/key?uploadId=UPLOAD&part-number-marker=-1&max-parts=2", "", ""},
		{"DELETE", "/bucket/key?uploadId=UPLOAD", "", ""},
		{"GET", "/bucket?uploads&prefix=longer&key-marker=m&upload-id-marker=x&delimiter=0&max-uploads=1", "", ""},
		{"GET", "/bucket?list-type=2&prefix=longer%20than&start-after=z&delimiter=%2F&encoding-type=url", "", ""},
		{"GET", "/bucket?versions&key-marker=key&version-id-marker=null&max-keys=1&prefix=k", "", ""},
		{"POST", "/bucket?delete", "<Delete><Object><Key>key</Key><VersionId>null</VersionId></Object></Delete>", "Content-Md5: AAAAAAAAAAAAAAAAAAAAAA=="},
		{"PUT", "/bucket?policy", `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::bucket/*"}}`, ""},
		{"PUT", "/bucket?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", ""},
		{"PUT", "/bucket/key?tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>", ""},
		{"GET", "/bucket/key?attributes", "", "X-Amz-Object-Attributes: ETag,ObjectParts\nX-Amz-Max-Parts: 0"},
		{"DELETE", "/bucket", "", ""}, {"PUT", "/another", "<CreateBucketConfiguration/>", ""}, {"GET", "/?max-buckets=1", "", ""},
		{"HEAD", "/bucket/key?partNumber=1&versionId=null", "", ""}, {"DELETE", "/bucket/key", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], true)
		f.Add(seed[0], seed[1], seed[2], seed[3], false)
	}
	f.Fuzz(func(t *testing.T, method, target, body, headers string, signed bool) {
		handler, err := s3.NewHandler(s3.Options{Authorizer: everyoneMay{}, Region: iamtest.Region})
		if err != nil {
			t.Fatal(err)
		}
		do := func(method, target, body, headers string, signed bool) (*sink, *journal.Call) {
			at, err := url.ParseRequestURI(target)
			if err != nil {
				t.Skip("no server gets such a target")
			}
			call := &journal.Call{RequestID: "1"}
			ctx := journal.NewContext(t.Context(), call)
			if signed {
				ctx = iam.WithCaller(ctx, &iam.Caller{Principal: iam.Principal{AccountID: iamtest.AccountID, ARN: "arn:aws:iam::123456789012:user/x"}, Environment: iam.Environment{Region: iamtest.Region}})
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://emu/", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Method, r.URL = method, at
			for line := range strings.Lines(headers) {
				if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
					r.Header.Add(name, value)
				}
			}
			w := &sink{header: http.Header{}}
			handler.ServeHTTP(w, r)
			return w, call
		}
		do("PUT", "/bucket", "<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>", "", true)
		do("PUT", "/bucket/key", "0123456789", "", true)
		begun, _ := do("POST", "/bucket/key?uploads", "", "", true)
		_, after, _ := strings.Cut(begun.text.String(), "<UploadId>")
		id, _, found := strings.Cut(after, "</UploadId>")
		if !found {
			t.Fatalf("no upload in %s", begun.text.String())
		}
		w, call := do(method, strings.ReplaceAll(target, "UPLOAD", id), body, headers, signed)
		if w.status == http.StatusInternalServerError || (w.status >= 400) != (call.ErrorCode != "") && w.status != http.StatusNotModified {
			t.Fatalf("%s %s %q %q: %d, code %q, %s", method, target, body, headers, w.status, call.ErrorCode, w.text.String())
		}
		if !signed && w.status < 400 && w.status != 0 {
			t.Fatalf("%s %s is served to nobody: %s", method, target, w.text.String())
		}
	})
}
