package clienttest

import (
	"bytes"
	"crypto/md5" // S3 forms ETags with it
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

func get(t *testing.T, c *s3.Client, bucket, key string) (string, error) {
	t.Helper()
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer func() { _ = out.Body.Close() }()
	data, err := io.ReadAll(out.Body)
	return string(data), err
}

func TestGoS3(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	c := w.as(w.admin).S3

	t.Run("put, get, list, copy and delete", func(t *testing.T) {
		for _, key := range []string{"go/a b+c.txt", "go/ü/~.txt", "go/sub/d.txt"} {
			if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: strings.NewReader("content of " + key), ContentType: aws.String("text/x"), Metadata: map[string]string{"who": "go"}}); err != nil {
				t.Fatal(err)
			}
			if content, err := get(t, c, w.bucket, key); err != nil || content != "content of "+key {
				t.Errorf("%s: %q, %v", key, content, err)
			}
		}
		var keys, prefixes []string
		pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &w.bucket, Prefix: aws.String("go/"), Delimiter: aws.String("/"), MaxKeys: aws.Int32(1)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range page.Contents {
				keys = append(keys, *object.Key)
			}
			for _, prefix := range page.CommonPrefixes {
				prefixes = append(prefixes, *prefix.Prefix)
			}
		}
		if got := fmt.Sprint(keys, prefixes); got != "[go/a b+c.txt] [go/sub/ go/ü/]" {
			t.Errorf("listed %s", got)
		}
		if _, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &w.bucket, Key: aws.String("go/copy"), CopySource: aws.String(w.bucket + "/go/a%20b%2Bc.txt")}); err != nil {
			t.Fatal(err)
		}
		head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &w.bucket, Key: aws.String("go/copy")})
		if err != nil || *head.ContentType != "text/x" || head.Metadata["who"] != "go" || *head.ContentLength != int64(len("content of go/a b+c.txt")) {
			t.Errorf("copy: %+v, %v", head, err)
		}
		part, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: aws.String("go/copy"), Range: aws.String("bytes=0-6")})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = part.Body.Close() }()
		if data, err := io.ReadAll(part.Body); err != nil || string(data) != "content" || *part.ContentRange != "bytes 0-6/23" {
			t.Errorf("range: %q %s, %v", data, *part.ContentRange, err)
		}
		deleted, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &w.bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("go/copy")}, {Key: aws.String("go/sub/d.txt")}}}})
		if err != nil || len(deleted.Deleted) != 2 || len(deleted.Errors) != 0 {
			t.Errorf("deleted %+v, %v", deleted, err)
		}
		_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: aws.String("go/copy")})
		if _, ok := errors.AsType[*types.NoSuchKey](err); !ok {
			t.Errorf("deleted object: %v", err)
		}
	})

	t.Run("decisions", func(t *testing.T) {
		head := func(who credentials, key string) error {
			_, err := w.as(who).S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &w.bucket, Key: &key})
			return err
		}
		wantCode(t, head(w.getter, ownKey), "", 0)
		wantCode(t, head(w.admin, "missing"), "NotFound", 404)
		wantCode(t, head(w.getter, "missing"), "Forbidden", 403)
		wantCode(t, head(w.nobody, ownKey), "Forbidden", 403)
		object := func(who credentials) error {
			_, err := get(t, w.as(who).S3, w.bucket, ownKey)
			return err
		}
		wantCode(t, object(w.nobody), "AccessDenied", 403)
		wantCode(t, object(w.expired), "ExpiredToken", 400)
		wantCode(t, object(w.invalid), "InvalidToken", 400)
		_, err := w.Anonymous().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: aws.String(ownKey)})
		wantCode(t, err, "AccessDenied", 403)
		_, err = w.Forged().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: aws.String(ownKey)})
		wantCode(t, err, "SignatureDoesNotMatch", 403)
		_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("no-such-bucket-of-epi"), Key: aws.String(ownKey)})
		wantCode(t, err, "NoSuchBucket", 404)
	})
}

func TestGoS3Checksums(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	c := w.as(w.admin).S3
	for _, algorithm := range types.ChecksumAlgorithm("").Values() {
		key := "checksum/" + string(algorithm)
		switch algorithm {
		case types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256:
		default:
			continue // the SDK does not compute it
		}
		if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: strings.NewReader("content"), ChecksumAlgorithm: algorithm}); err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		if content, err := get(t, c, w.bucket, key); err != nil || content != "content" {
			t.Errorf("%s: %q, %v", algorithm, content, err)
		}
	}
	_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: aws.String("checksum/wrong"), Body: strings.NewReader("content"), ChecksumSHA256: aws.String("RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=")})
	wantCode(t, err, "BadDigest", 400)
	if _, err := get(t, c, w.bucket, "checksum/wrong"); statusOf(err) != http.StatusNotFound {
		t.Errorf("an object with a wrong checksum is there: %v", err)
	}
}

// TestGoS3OverTLS has the forms of payload that SDKs use over TLS only.
func TestGoS3OverTLS(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	config := w.Config(w.as(w.admin).Config.Credentials)
	config.BaseEndpoint, config.HTTPClient = &w.TLS.URL, w.TLS.Client()
	c := emulatortest.NewClients(config).S3
	// A body that cannot be read twice is sent in chunks with a checksum in the trailer.
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: aws.String("stream"), Body: io.MultiReader(strings.NewReader("one "), strings.NewReader("two")), ContentLength: aws.Int64(7)}); err != nil {
		t.Error(err)
	}
	if content, err := get(t, c, w.bucket, "stream"); err != nil || content != "one two" {
		t.Errorf("stream: %q, %v", content, err)
	}
	unsigned := s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: aws.String("unsigned"), Body: strings.NewReader("content")}, unsigned); err != nil {
		t.Error(err)
	}
	if content, err := get(t, c, w.bucket, "unsigned"); err != nil || content != "content" {
		t.Errorf("unsigned: %q, %v", content, err)
	}
}

func TestGoS3Presigned(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	presign := func(who credentials) *s3.PresignClient { return s3.NewPresignClient(w.as(who).S3) }
	url := func(who credentials, key string) string {
		signed, err := presign(who).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: &key}, s3.WithPresignExpires(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return signed.URL
	}
	for _, test := range []struct {
		name, url string
		status    int
		body      string
	}{
		{"allowed", url(w.getter, ownKey), 200, "for default"},
		{"denied", url(w.nobody, ownKey), 403, "<Code>AccessDenied</Code>"},
		{"missing key, may list", url(w.admin, "missing"), 404, "<Code>NoSuchKey</Code>"},
		{"missing key, may not list", url(w.getter, "missing"), 403, "<Code>AccessDenied</Code>"},
		{"expired session", url(w.expired, ownKey), 400, "<Code>ExpiredToken</Code>"},
		{"another key", strings.Replace(url(w.admin, ownKey), "default", "hoge", 1), 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"longer life", strings.Replace(url(w.admin, ownKey), "X-Amz-Expires=60", "X-Amz-Expires=600", 1), 403, "<Code>SignatureDoesNotMatch</Code>"},
	} {
		response := fetch(ctx, t, w, test.url)
		if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != test.status || !strings.Contains(string(body), test.body) {
			t.Errorf("%s: %s %s, %v", test.name, response.Status, body, err)
		}
	}
	old := url(w.admin, ownKey)
	w.SetClock(2 * time.Minute)
	if response := fetch(ctx, t, w, old); response.StatusCode != http.StatusForbidden {
		t.Errorf("URL after its expiry: %s", response.Status)
	}
	w.SetClock(0)

	put, err := presign(w.admin).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: aws.String("uploaded")})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, put.Method, put.URL, strings.NewReader("by URL"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = put.SignedHeader.Clone()
	request.Header.Del("Host")
	response, err := w.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // the body is empty
	if content, err := get(t, w.as(w.admin).S3, w.bucket, "uploaded"); response.StatusCode != 200 || err != nil || content != "by URL" {
		t.Errorf("presigned put: %s, %q, %v", response.Status, content, err)
	}
}

// noise returns n bytes, the same in every run.
func noise(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return data
}

// multipartETag is the ETag, with quotes, of an object that was uploaded in parts of a size: the MD5 of the parts' MD5s,
// and their number (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html).
func multipartETag(data []byte, size int) string {
	var sums []byte
	parts := 0
	for part := range slices.Chunk(data, size) {
		sum := md5.Sum(part)
		sums = append(sums, sum[:]...)
		parts++
	}
	return fmt.Sprintf(`"%x-%d"`, md5.Sum(sums), parts)
}

func TestGoS3TransferManager(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	data := noise(20<<20 + 3)
	manager := transfermanager.New(w.as(w.admin).S3)
	up, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &w.bucket, Key: aws.String("large"), Body: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	if want := multipartETag(data, 8<<20); up.UploadID == nil || *up.ETag != want {
		t.Errorf("not a multipart upload with the ETag %s: %+v", want, up)
	}
	// A download asks for ranges of the object, or for its parts by number.
	for _, kind := range []tmtypes.GetObjectType{tmtypes.GetObjectRanges, tmtypes.GetObjectParts} {
		t.Run("download by "+string(kind), func(t *testing.T) {
			var back writerAt
			_, err := manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: &w.bucket, Key: aws.String("large"), WriterAt: &back},
				func(o *transfermanager.Options) { o.GetObjectType = kind })
			if err != nil || sha256.Sum256(back.data) != sha256.Sum256(data) {
				t.Errorf("%d bytes came back, not the %d that were sent: %v", len(back.data), len(data), err)
			}
		})
	}
	_, err = transfermanager.New(w.as(w.getter).S3).UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &w.bucket, Key: aws.String("denied"), Body: bytes.NewReader(data)})
	wantCode(t, err, "AccessDenied", 403)
}
