package s3_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/s3"
)

var admin = aws.Credentials{AccessKeyID: iamtest.AccessKeyID, SecretAccessKey: iamtest.SecretAccessKey}

func TestRanges(t *testing.T) {
	// GetObject, Range; RFC 9110, section 14.
	c, server := setUp(t)
	put(t, c, "o", "0123456789")
	put(t, c, "empty", "")
	for _, test := range []struct {
		key, header, body, contentRange string
		status                          int
	}{
		{"o", "bytes=2-4", "234", "bytes 2-4/10", 206},
		{"o", "bytes=0-0", "0", "bytes 0-0/10", 206},
		{"o", "bytes=7-", "789", "bytes 7-9/10", 206},
		{"o", "bytes=7-100", "789", "bytes 7-9/10", 206},
		{"o", "bytes=-3", "789", "bytes 7-9/10", 206},
		{"o", "bytes=-100", "0123456789", "bytes 0-9/10", 206},
		{"o", "bytes=9-99999999999999999999999", "9", "bytes 9-9/10", 206},
		{"o", "bytes=10-", "", "", 416},
		{"o", "bytes=-0", "", "", 416},
		{"empty", "bytes=0-", "", "", 416},
		{"empty", "bytes=-1", "", "", 416},
		// A header that is no single range asks for the whole object.
		{"o", "bytes=0-1,3-4", "0123456789", "", 200},
		{"o", "bytes=4-2", "0123456789", "", 200},
		{"o", "bytes=a-b", "0123456789", "", 200},
		{"o", "items=0-1", "0123456789", "", 200},
		{"o", "bytes=+1-2", "0123456789", "", 200},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			response, body := send(t, server, admin, method, "/bucket/"+test.key, "", map[string]string{"Range": test.header})
			if response.StatusCode != test.status || response.Header.Get("Content-Range") != test.contentRange {
				t.Errorf("%s %s: %d %v", method, test.header, response.StatusCode, response.Header)
			}
			switch {
			case method == http.MethodHead && (body != "" || test.status < 400 && response.ContentLength != int64(len(test.body))):
				t.Errorf("HEAD %s: %q, length %d", test.header, body, response.ContentLength)
			case method == http.MethodGet && test.status == 416 && (!strings.Contains(body, "<Code>InvalidRange</Code>") || !strings.Contains(body, "<RangeRequested>"+test.header+"</RangeRequested>")):
				t.Errorf("%s: %s", test.header, body)
			case method == http.MethodGet && test.status != 416 && body != test.body:
				t.Errorf("%s: %q", test.header, body)
			}
		}
	}
}

func TestReadConditions(t *testing.T) {
	// GetObject, "Additional considerations about request headers", and RFC 9110, section 13.
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	server, _ := serveHandler(t, s3.Options{Now: func() time.Time { return at }})
	config := server.Admin()
	c := clientOf(config)
	// Signing uses the real clock.
	at = time.Now()
	makeBucket(t, c, "bucket")
	put(t, c, "o", "x")
	const etag = `"9dd4e461268c8034f5c8564e155c67a6"`
	before, same, later := at.Add(-time.Hour), at, at.Add(time.Hour)
	stamp := func(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
	for _, test := range []struct {
		headers map[string]string
		status  int
	}{
		{map[string]string{"If-Match": etag}, 200},
		{map[string]string{"If-Match": strings.Trim(etag, `"`)}, 200},
		{map[string]string{"If-Match": `"other", ` + etag}, 200},
		{map[string]string{"If-Match": "*"}, 200},
		{map[string]string{"If-Match": `"other"`}, 412},
		{map[string]string{"If-None-Match": etag}, 304},
		{map[string]string{"If-None-Match": "*"}, 304},
		{map[string]string{"If-None-Match": `"other"`}, 200},
		{map[string]string{"If-Modified-Since": stamp(before)}, 200},
		{map[string]string{"If-Modified-Since": stamp(same)}, 304},
		{map[string]string{"If-Modified-Since": stamp(later)}, 304},
		{map[string]string{"If-Modified-Since": "yesterday"}, 200},
		{map[string]string{"If-Unmodified-Since": stamp(before)}, 412},
		{map[string]string{"If-Unmodified-Since": stamp(same)}, 200},
		{map[string]string{"If-Unmodified-Since": stamp(later)}, 200},
		// "If-Match true and If-Unmodified-Since false: 200 OK"; "If-None-Match false and If-Modified-Since true: 304".
		{map[string]string{"If-Match": etag, "If-Unmodified-Since": stamp(before)}, 200},
		{map[string]string{"If-None-Match": etag, "If-Modified-Since": stamp(before)}, 304},
		{map[string]string{"If-None-Match": `"other"`, "If-Modified-Since": stamp(later)}, 200},
		{map[string]string{"If-Match": `"other"`, "If-None-Match": etag}, 412},
		{map[string]string{"If-Match": etag, "Range": "bytes=5-"}, 416},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			response, body := send(t, server, admin, method, "/bucket/o", "", test.headers)
			if response.StatusCode != test.status {
				t.Errorf("%s %v: %d", method, test.headers, response.StatusCode)
			}
			if test.status == 304 && (body != "" || response.Header.Get("Etag") != etag || response.Header.Get("Last-Modified") == "") {
				t.Errorf("%s %v: %v %q", method, test.headers, response.Header, body)
			}
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	// GetObject, response-* parameters; PutObject, headers that GetObject returns.
	c, server := setUp(t)
	_, err := c.PutObject(t.Context(), &sdk.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("o"), Body: strings.NewReader("x"), CacheControl: aws.String("no-store"), ContentDisposition: aws.String("attachment"),
		ContentEncoding: aws.String("gzip"), ContentLanguage: aws.String("de"), ContentType: aws.String("text/x"), Expires: aws.Time(time.Unix(0, 0)),
		Metadata: map[string]string{"Colour": "red"}, StorageClass: types.StorageClassOnezoneIa, Tagging: aws.String("a=1&b=2"),
	})
	wantError(t, err, "", 0)
	stored := map[string]string{
		"Cache-Control": "no-store", "Content-Disposition": "attachment", "Content-Encoding": "gzip", "Content-Language": "de", "Content-Type": "text/x",
		"Expires": "Thu, 01 Jan 1970 00:00:00 GMT", "X-Amz-Meta-Colour": "red", "X-Amz-Storage-Class": "ONEZONE_IA", "X-Amz-Tagging-Count": "2",
		"X-Amz-Server-Side-Encryption": "AES256", "Accept-Ranges": "bytes", "X-Amz-Bucket-Region": iamtest.Region,
	}
	response, _ := send(t, server, admin, http.MethodHead, "/bucket/o", "", nil)
	for name, want := range stored {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	overrides := map[string]string{
		"cache-control": "max-age=1", "content-disposition": "inline", "content-encoding": "br", "content-language": "fr", "content-type": "text/y", "expires": "never",
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for name, want := range overrides {
			response, _ := send(t, server, admin, method, "/bucket/o?response-"+name+"="+want, "", nil)
			if got := response.Header.Get(name); got != want {
				t.Errorf("%s %s: %q", method, name, got)
			}
		}
	}
}

// Keys are names, not paths: each of these is another key.
func TestOddKeys(t *testing.T) {
	c, server := setUp(t)
	keys := []string{
		"../secret", "a/../b", "a/./b", "a//b", "//", ".", "..", "/", "/etc/passwd", `..\windows`, `a\b`, "%2e%2e/b", "%2F", "a%00b", "a?b#c&d=e",
		"a b+c", "ü/☃", "\u202e", "\x01\x7f", strings.Repeat("ü", 512), "a/", "a\nb", "${aws:PrincipalTag/x}", "*",
	}
	for _, key := range keys {
		put(t, c, key, "text of "+key)
	}
	for _, key := range keys {
		if text, err := get(t.Context(), c, key); err != nil || text != "text of "+key {
			t.Errorf("%q: %q, %v", key, text, err)
		}
	}
	for target, code := range map[string]string{
		"/bucket/" + strings.Repeat("k", 1025): "KeyTooLongError",
		"/bucket/a%00b":                        "InvalidURI",
		"/bucket/%FF":                          "InvalidURI",
		"/../bucket/top.txt":                   "InvalidBucketName",
		"/Bucket/top.txt":                      "InvalidBucketName",
		"/b/top.txt":                           "InvalidBucketName",
		"/bucket%5C/top.txt":                   "InvalidBucketName",
		"/bucket/top.txt?versionId=":           "InvalidArgument",
		"/bucket/top.txt?partNumber=0":         "InvalidArgument",
		"/bucket/top.txt?partNumber=x":         "InvalidArgument",
	} {
		if status, body := raw(t, server, http.MethodGet, target, nil); status != 400 || !strings.Contains(body, "<Code>"+code+"</Code>") {
			t.Errorf("%.40s: %d %s", target, status, body)
		}
	}
	listed, err := c.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: aws.String("bucket"), EncodingType: types.EncodingTypeUrl})
	if err != nil || len(listed.Contents) != len(keys)+3 {
		t.Errorf("%d listed, %v", len(listed.Contents), err)
	}
}

func TestChecksums(t *testing.T) {
	// checking-object-integrity-upload; PutObject, x-amz-checksum-*.
	c, server := setUp(t)
	for _, test := range []struct {
		headers map[string]string
		code    string
	}{
		{map[string]string{"X-Amz-Checksum-Crc32": "jNwWgw=="}, ""},
		{map[string]string{"X-Amz-Checksum-Crc32": "AAAAAA=="}, "BadDigest"},
		{map[string]string{"X-Amz-Checksum-Crc32": "AAAA"}, "InvalidRequest"},
		{map[string]string{"X-Amz-Checksum-Crc32": "jNwWgw==", "X-Amz-Checksum-Sha1": "EfatjsUqKYSicvsQtxhhMNwSfZQ="}, "InvalidRequest"},
		{map[string]string{"X-Amz-Checksum-Md4": "x"}, "NotImplemented"},
		{map[string]string{"Content-Md5": "ndTkYSaMgDT1yFZOFVxnpg=="}, ""},
		{map[string]string{"Content-Md5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "BadDigest"},
		{map[string]string{"Content-Md5": "?"}, "InvalidDigest"},
		{map[string]string{"Content-Md5": ""}, "InvalidDigest"},
	} {
		response, body := send(t, server, admin, http.MethodPut, "/bucket/sum", "x", test.headers)
		if test.code == "" && response.StatusCode != 200 || !strings.Contains(body, test.code) || test.code != "" && response.StatusCode < 400 {
			t.Errorf("%v: %d %s", test.headers, response.StatusCode, body)
		}
	}
	put(t, c, "top.txt", "x")
	// An object that is put without a checksum gets one that S3 chooses.
	head, err := c.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("sum"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil || aws.ToString(head.ChecksumCRC64NVME) == "" || head.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("%+v, %v", head, err)
	}
	plain, err := c.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("sum")})
	if err != nil || plain.ChecksumCRC64NVME != nil {
		t.Errorf("unasked: %+v, %v", plain, err)
	}
	for _, algorithm := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmCrc32c} {
		out, err := c.CopyObject(t.Context(), &sdk.CopyObjectInput{Bucket: aws.String("bucket"), Key: aws.String("copy"), CopySource: aws.String("bucket/sum"), ChecksumAlgorithm: algorithm})
		if err != nil || aws.ToString(out.CopyObjectResult.ChecksumSHA1)+aws.ToString(out.CopyObjectResult.ChecksumCRC32C) == "" {
			t.Errorf("%s: %+v, %v", algorithm, out.CopyObjectResult, err)
		}
	}
}

func TestWriteConditions(t *testing.T) {
	// conditional-writes.
	c, _ := setUp(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	for _, test := range []struct {
		name, key, match, none, code string
		status                       int
	}{
		{"there", "top.txt", "", "*", "PreconditionFailed", 412},
		{"not there", "fresh", "", "*", "", 0},
		{"an ETag in If-None-Match", "top.txt", "", `"x"`, "NotImplemented", 501},
		{"another ETag", "top.txt", `"x"`, "", "PreconditionFailed", 412},
		{"a key that is not there", "none", `"x"`, "", "NoSuchKey", 404},
		{"the ETag", "top.txt", `"c129ca6f8897438f32e9feb27d5724d4"`, "", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := &sdk.PutObjectInput{Bucket: bucket, Key: &test.key, Body: strings.NewReader("new")}
			copied := &sdk.CopyObjectInput{Bucket: bucket, Key: aws.String("copy of " + test.key), CopySource: aws.String("bucket/epi/hoge/test.txt")}
			if test.match != "" {
				in.IfMatch, copied.IfMatch = &test.match, &test.match
			}
			if test.none != "" {
				in.IfNoneMatch, copied.IfNoneMatch = &test.none, &test.none
			}
			_, err := c.PutObject(ctx, in)
			wantError(t, err, test.code, test.status)
			if test.match == "" && test.none == "*" {
				_, err = c.CopyObject(ctx, copied)
				wantError(t, err, "", 0)
				_, err = c.CopyObject(ctx, copied)
				wantError(t, err, "PreconditionFailed", 412)
			}
		})
	}
}

func TestMetadataLimit(t *testing.T) {
	// UsingMetadata: 2 KB.
	c, _ := setUp(t)
	for size, code := range map[int]string{2<<10 - 1: "", 2 << 10: "MetadataTooLarge"} {
		_, err := c.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("o"), Body: strings.NewReader("x"), Metadata: map[string]string{"k": strings.Repeat("v", size)}})
		if code == "" {
			wantError(t, err, "", 0)
		} else {
			wantError(t, err, code, 400)
		}
	}
}

func TestObjectAttributes(t *testing.T) {
	// GetObjectAttributes.
	c, server := setUp(t)
	all := types.ObjectAttributes("").Values()
	out, err := c.GetObjectAttributes(t.Context(), &sdk.GetObjectAttributesInput{Bucket: aws.String("bucket"), Key: aws.String("top.txt"), ObjectAttributes: all})
	if err != nil || *out.ETag != "c129ca6f8897438f32e9feb27d5724d4" || *out.ObjectSize != 15 || out.StorageClass != types.StorageClassStandard ||
		out.Checksum.ChecksumType != types.ChecksumTypeFullObject || out.ObjectParts != nil || out.LastModified == nil {
		t.Errorf("%+v, %v", out, err)
	}
	for _, headers := range []map[string]string{nil, {"X-Amz-Object-Attributes": "Colour"}} {
		if status, body := raw(t, server, http.MethodGet, "/bucket/top.txt?attributes", headers); status != 400 || !strings.Contains(body, "InvalidArgument") {
			t.Errorf("%v: %d %s", headers, status, body)
		}
	}
	for _, action := range []string{"s3:GetObject", "s3:GetObjectAttributes"} {
		half := session(t, server, allowing(`"`+action+`"`, "*"), nil)
		_, err := half.GetObjectAttributes(t.Context(), &sdk.GetObjectAttributesInput{Bucket: aws.String("bucket"), Key: aws.String("top.txt"), ObjectAttributes: all})
		wantError(t, err, "AccessDenied", 403)
	}
}

// A client that does not read an answer to its end does not block the server.
func TestAbandonedAnswer(t *testing.T) {
	c, _ := setUp(t)
	put(t, c, "large", strings.Repeat("x", 8<<20))
	out, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("large")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out.Body, make([]byte, 10)); err != nil {
		t.Error(err)
	}
	_ = out.Body.Close() // the test leaves the body unread on purpose
	wantError(t, head(t.Context(), c, "large"), "", 0)
}
