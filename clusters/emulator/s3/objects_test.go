package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
)

func TestDeleteObjects(t *testing.T) {
	admin, server := setUp(t)
	c := session(t, server, allowing(`"s3:DeleteObject"`, "arn:aws:s3:::bucket/epi/default/*"), nil)
	out, err := c.DeleteObjects(t.Context(), &sdk.DeleteObjectsInput{Bucket: aws.String("bucket"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("epi/default/test.txt")}, {Key: aws.String("epi/hoge/test.txt")}, {Key: aws.String("epi/default/none")},
	}}})
	wantError(t, err, "", 0)
	if len(out.Deleted) != 2 || len(out.Errors) != 1 || *out.Errors[0].Key != "epi/hoge/test.txt" || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("out = %+v %+v", out.Deleted, out.Errors)
	}
	wantError(t, head(t.Context(), admin, "epi/default/test.txt"), "", 404)
	wantError(t, head(t.Context(), admin, "epi/hoge/test.txt"), "", 0)
}

func TestCopyObject(t *testing.T) {
	admin, server := setUp(t)
	ctx := t.Context()
	if _, err := admin.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("epi/default/a +%&?ü"), Body: strings.NewReader("odd"), Metadata: map[string]string{"colour": "red"}, ContentType: aws.String("text/odd")}); err != nil {
		t.Fatal(err)
	}
	c := session(t, server, allowing(`"s3:GetObject","s3:PutObject"`, "arn:aws:s3:::bucket/epi/default/*"), nil)
	cp := func(source, target string) error {
		_, err := c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: aws.String("bucket"), Key: &target, CopySource: &source})
		return err
	}
	wantError(t, cp("bucket/epi/default/a%20%2B%25%26%3F%C3%BC", "epi/default/copy"), "", 0)
	out, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("epi/default/copy")})
	wantError(t, err, "", 0)
	defer func() { _ = out.Body.Close() }()
	if text, err := io.ReadAll(out.Body); err != nil || string(text) != "odd" || out.Metadata["colour"] != "red" || len(out.Metadata) != 1 || *out.ContentType != "text/odd" {
		t.Errorf("copy = %q %v %v", text, out.Metadata, err)
	}
	// Neither bucket nor key may be missing, in any spelling of the source.
	for _, source := range []string{
		"bucket/epi/hoge/test.txt", "/bucket/epi/hoge/test.txt", "bucket%2Fepi%2Fhoge%2Ftest.txt", "bucket/epi%2Fhoge/test.txt",
		"bucket/epi/default/../hoge/test.txt", "bucket/epi/default/%2e%2e/hoge/test.txt",
	} {
		wantError(t, cp(source, "epi/default/stolen"), "AccessDenied", 403)
	}
	wantError(t, cp("bucket/epi/default/test.txt", "epi/hoge/planted"), "AccessDenied", 403)
	wantError(t, cp("bucket/epi/hoge/test.txt?versionId=null", "epi/default/stolen"), "AccessDenied", 403)
	wantError(t, cp("bucket/epi/default/test.txt?acl", "epi/default/stolen"), "InvalidArgument", 400)
	wantError(t, cp("bucket", "epi/default/stolen"), "InvalidArgument", 400)
	for _, key := range []string{"epi/default/stolen", "epi/hoge/planted"} {
		wantError(t, head(ctx, admin, key), "", 404)
	}
}

func TestMultipart(t *testing.T) {
	admin, server := setUp(t)
	ctx := t.Context()
	c := session(t, server, allowing(`"s3:GetObject","s3:PutObject","s3:AbortMultipartUpload","s3:ListMultipartUploadParts"`, "arn:aws:s3:::bucket/epi/default/*"), nil)
	bucket, key := aws.String("bucket"), aws.String("epi/default/big")
	created, err := c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: bucket, Key: key, Metadata: map[string]string{"colour": "red"}})
	wantError(t, err, "", 0)
	parts := [][]byte{bytes.Repeat([]byte("a"), 5<<20), []byte("end")}
	var done []types.CompletedPart
	for n, part := range parts {
		number := aws.Int32(int32(n + 1))
		out, err := c.UploadPart(ctx, &sdk.UploadPartInput{Bucket: bucket, Key: key, UploadId: created.UploadId, PartNumber: number, Body: bytes.NewReader(part)})
		wantError(t, err, "", 0)
		done = append(done, types.CompletedPart{ETag: out.ETag, PartNumber: number})
	}
	// An upload belongs to its key: its ID does not work with another key.
	_, err = c.UploadPart(ctx, &sdk.UploadPartInput{Bucket: bucket, Key: aws.String("epi/hoge/big"), UploadId: created.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	wantError(t, err, "AccessDenied", 403)
	_, err = c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{Bucket: bucket, Key: aws.String("epi/default/other"), UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	wantError(t, err, "NoSuchUpload", 404)
	listed, err := c.ListParts(ctx, &sdk.ListPartsInput{Bucket: bucket, Key: key, UploadId: created.UploadId})
	wantError(t, err, "", 0)
	if len(listed.Parts) != 2 {
		t.Errorf("parts = %+v", listed.Parts)
	}
	_, err = c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	wantError(t, err, "", 0)
	text, err := get(ctx, c, *key)
	if err != nil || text != string(parts[0])+"end" {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	again, err := c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("epi/default/gone")})
	wantError(t, err, "", 0)
	_, err = c.AbortMultipartUpload(ctx, &sdk.AbortMultipartUploadInput{Bucket: bucket, Key: aws.String("epi/default/gone"), UploadId: again.UploadId})
	wantError(t, err, "", 0)
	wantError(t, head(ctx, admin, "epi/default/gone"), "", 404)
}

func TestObjects(t *testing.T) {
	c, _ := setUp(t)
	ctx := t.Context()
	bucket := aws.String("bucket")
	_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("o"), Body: strings.NewReader("0123456789"), Metadata: map[string]string{"a": "1"}, ContentType: aws.String("text/x")})
	wantError(t, err, "", 0)
	out, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: bucket, Key: aws.String("o"), Range: aws.String("bytes=2-4")})
	wantError(t, err, "", 0)
	text, err := io.ReadAll(out.Body)
	if err != nil || string(text) != "234" || *out.ContentRange != "bytes 2-4/10" {
		t.Errorf("range = %q, %v", text, err)
	}
	_, err = c.GetObject(ctx, &sdk.GetObjectInput{Bucket: bucket, Key: aws.String("o"), Range: aws.String("bytes=20-")})
	wantError(t, err, "InvalidRange", 416)
	_, err = c.GetObject(ctx, &sdk.GetObjectInput{Bucket: bucket, Key: aws.String("o"), IfMatch: out.ETag})
	wantError(t, err, "", 0)
	_, err = c.GetObject(ctx, &sdk.GetObjectInput{Bucket: bucket, Key: aws.String("o"), IfMatch: aws.String(`"other"`)})
	wantError(t, err, "PreconditionFailed", 412)
	_, err = c.GetObject(ctx, &sdk.GetObjectInput{Bucket: bucket, Key: aws.String("o"), IfNoneMatch: out.ETag})
	wantError(t, err, "", 304)
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("o"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
	wantError(t, err, "PreconditionFailed", 412)
	// PutObject: the new object replaces all of the old one, with its metadata and checksum.
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("o"), Body: strings.NewReader("new"), Metadata: map[string]string{"b": "2"}, ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	wantError(t, err, "", 0)
	described, err := c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: bucket, Key: aws.String("o"), ChecksumMode: types.ChecksumModeEnabled})
	wantError(t, err, "", 0)
	if fmt.Sprint(described.Metadata) != "map[b:2]" || described.ChecksumCRC32 != nil || described.ChecksumSHA256 == nil || aws.ToString(described.ContentType) == "text/x" {
		t.Errorf("head = %+v", described)
	}
	for _, algorithm := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1} {
		_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("sum"), Body: strings.NewReader("checked"), ChecksumAlgorithm: algorithm})
		wantError(t, err, "", 0)
		if text, err := get(ctx, c, "sum"); err != nil || text != "checked" {
			t.Errorf("%s: %q, %v", algorithm, text, err)
		}
	}
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("sum"), Body: strings.NewReader("checked"), ChecksumCRC32: aws.String("AAAAAA==")})
	wantError(t, err, "BadDigest", 400)
	for _, key := range []string{"a//b", "./a/../b", "a b+c%2Fd?e&f=g#h", "ü/☃", "/leading", strings.Repeat("k", 1024)} {
		put(t, c, key, "text of "+key)
		if text, err := get(ctx, c, key); err != nil || text != "text of "+key {
			t.Errorf("key %q: %q, %v", key, text, err)
		}
	}
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String(strings.Repeat("k", 1025)), Body: strings.NewReader("x")})
	wantError(t, err, "KeyTooLongError", 400)
	_, err = c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: bucket, Key: aws.String("never was")})
	wantError(t, err, "", 0)
}

func TestDefaultContentType(t *testing.T) {
	// The SDK always sends a checksum.
	c, server := setUp(t)
	if status, body := raw(t, server, "PUT", "/bucket/plain", nil); status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	out, err := c.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("plain")})
	wantError(t, err, "", 0)
	if aws.ToString(out.ContentType) != "binary/octet-stream" {
		t.Errorf("type = %q", aws.ToString(out.ContentType))
	}
}

func TestBuckets(t *testing.T) {
	c, server := setUp(t)
	ctx := t.Context()
	create := func(c *sdk.Client, name, location string) error {
		in := &sdk.CreateBucketInput{Bucket: &name}
		if location != "" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(location)}
		}
		_, err := c.CreateBucket(ctx, in)
		return err
	}
	wantError(t, create(c, "bucket", iamtest.Region), "BucketAlreadyOwnedByYou", 409)
	wantError(t, create(c, "elsewhere", "eu-west-1"), "IllegalLocationConstraintException", 400)
	wantError(t, create(c, "nowhere", ""), "IllegalLocationConstraintException", 400)
	// bucketnamingrules; --x-s3 is missing because the SDK takes it for a directory bucket.
	for _, name := range []string{
		"Upper", "under_score", "-begins", "ends-", "two..periods", "192.168.5.4", "xn--bucket", "sthree-bucket", "amzn-s3-demo-bucket",
		"bucket-s3alias", "bucket--ol-s3", "bucket.mrap", "bucket--table-s3", strings.Repeat("a", 64),
	} {
		t.Run(name, func(t *testing.T) { wantError(t, create(c, name, iamtest.Region), "InvalidBucketName", 400) })
	}
	wantError(t, create(c, "with.periods-1.2.3.4", iamtest.Region), "", 0)
	_, err := c.DeleteBucket(ctx, &sdk.DeleteBucketInput{Bucket: aws.String("bucket")})
	wantError(t, err, "BucketNotEmpty", 409)
	_, err = c.DeleteBucket(ctx, &sdk.DeleteBucketInput{Bucket: aws.String("gone")})
	wantError(t, err, "NoSuchBucket", 404)
	_, err = c.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: aws.String("gone")})
	wantError(t, err, "", 404)
	_, err = c.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: aws.String("bucket"), ExpectedBucketOwner: aws.String("999999999999")})
	wantError(t, err, "", 403)
	elsewhere := server.Admin()
	elsewhere.Region = "eu-west-1"
	_, err = clientOf(elsewhere).HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: aws.String("bucket")})
	wantError(t, err, "", 400)
	if call := server.LastCall(t); call.ErrorCode != "AuthorizationHeaderMalformed" {
		t.Errorf("code = %s", call.ErrorCode)
	}
}

func TestPagesOfKeys(t *testing.T) {
	c, _ := setUp(t)
	var want, got []string
	for n := range 25 {
		key := fmt.Sprintf("page/%02d", n)
		put(t, c, key, "")
		want = append(want, key)
	}
	pages := sdk.NewListObjectsV2Paginator(c, &sdk.ListObjectsV2Input{Bucket: aws.String("bucket"), Prefix: aws.String("page/"), MaxKeys: aws.Int32(7)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Contents {
			got = append(got, *object.Key)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	out, err := c.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: aws.String("bucket"), Prefix: aws.String("epi/"), Delimiter: aws.String("/")})
	wantError(t, err, "", 0)
	if len(out.CommonPrefixes) != 2 || *out.CommonPrefixes[0].Prefix != "epi/default/" || len(out.Contents) != 0 {
		t.Errorf("common prefixes = %+v, contents %+v", out.CommonPrefixes, out.Contents)
	}
}

func TestConcurrentUse(t *testing.T) {
	c, _ := setUp(t)
	done := make(chan error)
	for n := range 4 {
		go func() {
			key := aws.String(fmt.Sprintf("c/%d", n%2))
			for range 10 {
				_, err := c.PutObject(context.Background(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: key, Body: strings.NewReader("x")})
				if err == nil {
					_, err = get(context.Background(), c, *key)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
