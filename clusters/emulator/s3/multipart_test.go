package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// noise returns n bytes, the same in every run.
func noise(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return data
}

type upload struct {
	t   *testing.T
	c   *sdk.Client
	key string
	id  *string
}

func beginUpload(t *testing.T, c *sdk.Client, key string, change func(*sdk.CreateMultipartUploadInput)) *upload {
	t.Helper()
	in := &sdk.CreateMultipartUploadInput{Bucket: aws.String("bucket"), Key: &key}
	if change != nil {
		change(in)
	}
	out, err := c.CreateMultipartUpload(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return &upload{t, c, key, out.UploadId}
}

func (u *upload) part(number int32, data []byte) types.CompletedPart {
	u.t.Helper()
	out, err := u.c.UploadPart(u.t.Context(), &sdk.UploadPartInput{
		Bucket: aws.String("bucket"), Key: &u.key, UploadId: u.id, PartNumber: &number, Body: bytes.NewReader(data), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		u.t.Fatal(err)
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
}

func (u *upload) complete(change func(*sdk.CompleteMultipartUploadInput), parts ...types.CompletedPart) (*sdk.CompleteMultipartUploadOutput, error) {
	in := &sdk.CompleteMultipartUploadInput{Bucket: aws.String("bucket"), Key: &u.key, UploadId: u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}
	if change != nil {
		change(in)
	}
	return u.c.CompleteMultipartUpload(u.t.Context(), in)
}

func TestTransferManager(t *testing.T) {
	c, _ := setUp(t)
	data := noise(20<<20 + 3)
	manager := transfermanager.New(c)
	up, err := manager.UploadObject(t.Context(), &transfermanager.UploadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("large"), Body: bytes.NewReader(data)})
	if err != nil || up.UploadID == nil {
		t.Fatalf("%+v, %v", up, err)
	}
	for _, kind := range []tmtypes.GetObjectType{tmtypes.GetObjectRanges, tmtypes.GetObjectParts} {
		out, err := manager.GetObject(t.Context(), &transfermanager.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("large")}, func(o *transfermanager.Options) { o.GetObjectType = kind })
		if err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(back, data) {
			t.Errorf("by %s: %d bytes, %v", kind, len(back), err)
		}
	}
	part, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("large"), PartNumber: aws.Int32(3)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = part.Body.Close() }()
	if back, err := io.ReadAll(part.Body); err != nil || !bytes.Equal(back, data[16<<20:]) || *part.PartsCount != 3 || *part.ContentRange != fmt.Sprintf("bytes %d-%d/%d", 16<<20, len(data)-1, len(data)) {
		t.Errorf("part 3: %d bytes, %+v, %v", len(back), part, err)
	}
	_, err = c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("large"), PartNumber: aws.Int32(4)})
	wantError(t, err, "InvalidPartNumber", 416)
	_, err = c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("large"), PartNumber: aws.Int32(1), Range: aws.String("bytes=0-1")})
	wantError(t, err, "InvalidRequest", 400)
	// An object that was put in one request has one part.
	whole, err := c.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("top.txt"), PartNumber: aws.Int32(1)})
	if err != nil || *whole.ContentLength != 15 || whole.PartsCount != nil {
		t.Errorf("%+v, %v", whole, err)
	}

	attributes, err := c.GetObjectAttributes(t.Context(), &sdk.GetObjectAttributesInput{Bucket: aws.String("bucket"), Key: aws.String("large"), MaxParts: aws.Int32(2), ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesObjectParts, types.ObjectAttributesChecksum}})
	if parts := attributes.ObjectParts; err != nil || *parts.TotalPartsCount != 3 || len(parts.Parts) != 2 || !*parts.IsTruncated || *parts.NextPartNumberMarker != "2" || parts.Parts[0].ChecksumCRC32 == nil {
		t.Errorf("%+v, %v", parts, err)
	}
}

func TestMultipartErrors(t *testing.T) {
	// CompleteMultipartUpload, UploadPart; qfacts.
	c, server := setUp(t)
	u := beginUpload(t, c, "k", nil)
	big, small := u.part(1, noise(5<<20)), u.part(2, []byte("small"))
	third := u.part(3, []byte("third"))
	wrong := types.CompletedPart{PartNumber: aws.Int32(1), ETag: small.ETag}
	for name, test := range map[string]struct {
		change func(*sdk.CompleteMultipartUploadInput)
		parts  []types.CompletedPart
		code   string
		status int
	}{
		"a small part in the middle": {nil, []types.CompletedPart{big, small, third}, "EntityTooSmall", 400},
		"another ETag":               {nil, []types.CompletedPart{wrong}, "InvalidPart", 400},
		"the order":                  {nil, []types.CompletedPart{small, big}, "InvalidPartOrder", 400},
		"no parts":                   {nil, nil, "MalformedXML", 400},
		"another size":               {func(in *sdk.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(1) }, []types.CompletedPart{big}, "InvalidRequest", 400},
		"another upload":             {func(in *sdk.CompleteMultipartUploadInput) { in.UploadId = aws.String("none") }, []types.CompletedPart{big}, "NoSuchUpload", 404},
		"another checksum type":      {func(in *sdk.CompleteMultipartUploadInput) { in.ChecksumType = types.ChecksumTypeComposite }, []types.CompletedPart{big}, "InvalidRequest", 400},
		"a wrong checksum":           {func(in *sdk.CompleteMultipartUploadInput) { in.ChecksumCRC64NVME = aws.String("AAAAAAAAAAA=") }, []types.CompletedPart{big}, "BadDigest", 400},
		"an object that is there": {func(in *sdk.CompleteMultipartUploadInput) {
			put(t, c, "k", "x")
			in.IfNoneMatch = aws.String("*")
		}, []types.CompletedPart{big}, "PreconditionFailed", 412},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := u.complete(test.change, test.parts...)
			wantError(t, err, test.code, test.status)
		})
	}
	for _, number := range []int32{0, 10001} {
		_, err := c.UploadPart(t.Context(), &sdk.UploadPartInput{Bucket: aws.String("bucket"), Key: &u.key, UploadId: u.id, PartNumber: &number, Body: strings.NewReader("x")})
		wantError(t, err, "InvalidArgument", 400)
	}
	out, err := u.complete(func(in *sdk.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(5<<20 + 5) }, big, small)
	if err != nil || !strings.HasSuffix(strings.Trim(*out.ETag, `"`), "-2") || !strings.HasSuffix(*out.Location, "/bucket/k") || out.ChecksumCRC64NVME == nil || out.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = u.complete(nil, big)
	wantError(t, err, "NoSuchUpload", 404)
	// A part may be empty.
	lone := beginUpload(t, c, "empty", nil)
	if _, err := lone.complete(nil, lone.part(7, nil)); err != nil {
		t.Error(err)
	}
	if text, err := get(t.Context(), c, "empty"); err != nil || text != "" {
		t.Errorf("%q, %v", text, err)
	}
	if status, body := raw(t, server, http.MethodPost, "/bucket/k?uploads", map[string]string{"X-Amz-Checksum-Algorithm": "MD4"}); status != 400 || !strings.Contains(body, "InvalidRequest") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := raw(t, server, http.MethodPost, "/bucket/k?uploads", map[string]string{"X-Amz-Checksum-Algorithm": "XXHASH64"}); status != 501 || !strings.Contains(body, "NotImplemented") {
		t.Errorf("%d %s", status, body)
	}
}

func TestMultipartChecksums(t *testing.T) {
	// checking-object-integrity-upload, "Using full object checksums for multipart upload" and its neighbour.
	c, _ := setUp(t)
	data := noise(5<<20 + 7)
	composite := beginUpload(t, c, "composite", func(in *sdk.CreateMultipartUploadInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32 })
	first, second := composite.part(1, data[:5<<20]), composite.part(2, data[5<<20:])
	bare := first
	bare.ChecksumCRC32 = nil
	_, err := composite.complete(nil, bare, second)
	wantError(t, err, "InvalidRequest", 400)
	wrong := first
	wrong.ChecksumCRC32 = second.ChecksumCRC32
	_, err = composite.complete(nil, wrong, second)
	wantError(t, err, "InvalidPart", 400)
	out, err := composite.complete(nil, first, second)
	if err != nil || !strings.HasSuffix(aws.ToString(out.ChecksumCRC32), "-2") || out.ChecksumType != types.ChecksumTypeComposite {
		t.Errorf("%+v, %v", out, err)
	}
	full := beginUpload(t, c, "full", func(in *sdk.CreateMultipartUploadInput) {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject
	})
	out, err = full.complete(func(in *sdk.CompleteMultipartUploadInput) { in.ChecksumType = types.ChecksumTypeFullObject }, full.part(1, data[:5<<20]), full.part(2, data[5<<20:]))
	if err != nil || strings.Contains(aws.ToString(out.ChecksumCRC32), "-") || out.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("%+v, %v", out, err)
	}
	if text, err := get(t.Context(), c, "full"); err != nil || text != string(data) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	// A copy is put in one request, so its checksum is of the whole object.
	copied, err := c.CopyObject(t.Context(), &sdk.CopyObjectInput{Bucket: aws.String("bucket"), Key: aws.String("copy"), CopySource: aws.String("bucket/composite")})
	if err != nil || strings.Contains(*copied.CopyObjectResult.ETag, "-") || strings.Contains(*copied.CopyObjectResult.ChecksumCRC32, "-") {
		t.Errorf("%+v, %v", copied.CopyObjectResult, err)
	}
	_, err = c.CreateMultipartUpload(t.Context(), &sdk.CreateMultipartUploadInput{Bucket: aws.String("bucket"), Key: aws.String("k"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumType: types.ChecksumTypeFullObject})
	wantError(t, err, "InvalidRequest", 400)
	sha := beginUpload(t, c, "sha", func(in *sdk.CreateMultipartUploadInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256 })
	_, err = c.UploadPart(t.Context(), &sdk.UploadPartInput{Bucket: aws.String("bucket"), Key: aws.String("sha"), UploadId: sha.id, PartNumber: aws.Int32(1), Body: strings.NewReader("x"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c})
	wantError(t, err, "InvalidRequest", 400)
}

func TestUploadPartCopy(t *testing.T) {
	c, server := setUp(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	u := beginUpload(t, c, "epi/default/joined", nil)
	cp := func(c *sdk.Client, number int32, source string, change func(*sdk.UploadPartCopyInput)) (*sdk.UploadPartCopyOutput, error) {
		in := &sdk.UploadPartCopyInput{Bucket: bucket, Key: &u.key, UploadId: u.id, PartNumber: &number, CopySource: &source}
		if change != nil {
			change(in)
		}
		return c.UploadPartCopy(ctx, in)
	}
	for _, test := range []struct {
		span string
		code string
	}{
		{"bytes=0-14", ""}, {"bytes=0-15", "InvalidArgument"}, {"bytes=15-16", "InvalidArgument"}, {"bytes=3-", "InvalidArgument"}, {"bytes=-3", "InvalidArgument"}, {"0-3", "InvalidArgument"},
	} {
		_, err := cp(c, 1, "bucket/top.txt", func(in *sdk.UploadPartCopyInput) { in.CopySourceRange = &test.span })
		if test.code == "" {
			wantError(t, err, "", 0)
		} else {
			wantError(t, err, test.code, 400)
		}
	}
	out, err := cp(c, 1, "bucket/top.txt", func(in *sdk.UploadPartCopyInput) { in.CopySourceRange = aws.String("bytes=8-14") })
	wantError(t, err, "", 0)
	_, err = cp(c, 2, "bucket/missing", nil)
	wantError(t, err, "NoSuchKey", 404)
	_, err = cp(c, 2, "no-such-bucket/k", nil)
	wantError(t, err, "NoSuchBucket", 404)
	_, err = cp(c, 2, "bucket/top.txt", func(in *sdk.UploadPartCopyInput) { in.CopySourceIfMatch = aws.String("other") })
	wantError(t, err, "PreconditionFailed", 412)
	writer := session(t, server, allowing(`"s3:PutObject"`, "arn:aws:s3:::bucket/epi/default/*"), nil)
	_, err = cp(writer, 2, "bucket/top.txt", nil)
	wantError(t, err, "AccessDenied", 403)
	if _, err := u.complete(nil, types.CompletedPart{PartNumber: aws.Int32(1), ETag: out.CopyPartResult.ETag}); err != nil {
		t.Fatal(err)
	}
	if text, err := get(ctx, c, u.key); err != nil || text != "top.txt" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestListOfParts(t *testing.T) {
	// ListParts, ListMultipartUploads.
	c, _ := setUp(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	u := beginUpload(t, c, "a b/1", func(in *sdk.CreateMultipartUploadInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32 })
	beginUpload(t, c, "a b/2", nil)
	for number := range int32(5) {
		u.part(2*number+1, []byte("x"))
	}
	var numbers []int32
	pages := sdk.NewListPartsPaginator(c, &sdk.ListPartsInput{Bucket: bucket, Key: &u.key, UploadId: u.id, MaxParts: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if page.ChecksumAlgorithm != types.ChecksumAlgorithmCrc32 || page.Parts[0].ChecksumCRC32 == nil || *page.Parts[0].Size != 1 || page.Initiator == nil {
			t.Errorf("%+v", page)
		}
		for _, part := range page.Parts {
			numbers = append(numbers, *part.PartNumber)
		}
	}
	if fmt.Sprint(numbers) != "[1 3 5 7 9]" {
		t.Errorf("parts %v", numbers)
	}
	_, err := c.ListParts(ctx, &sdk.ListPartsInput{Bucket: bucket, Key: aws.String("other"), UploadId: u.id})
	wantError(t, err, "NoSuchUpload", 404)

	out, err := c.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{Bucket: bucket, MaxUploads: aws.Int32(1), EncodingType: types.EncodingTypeUrl})
	if err != nil || len(out.Uploads) != 1 || *out.Uploads[0].Key != "a+b/1" || !*out.IsTruncated || *out.NextKeyMarker != "a+b/1" || *out.NextUploadIdMarker != *u.id {
		t.Fatalf("%+v, %v", out, err)
	}
	out, err = c.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{Bucket: bucket, KeyMarker: &u.key, UploadIdMarker: u.id, Prefix: aws.String("a")})
	if err != nil || len(out.Uploads) != 1 || *out.Uploads[0].Key != "a b/2" || *out.IsTruncated {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = c.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{Bucket: bucket, Delimiter: aws.String("/")})
	if err != nil || len(out.Uploads) != 0 || len(out.CommonPrefixes) != 1 || *out.CommonPrefixes[0].Prefix != "a b/" {
		t.Errorf("%+v, %v", out, err)
	}
}
