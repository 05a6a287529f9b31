package s3_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
)

// Where users and authors of clients saw AWS's answer.
const (
	objectAPI       = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"
	copyAPI         = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"
	integrityGuide  = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html"
	partEncryption  = "https://github.com/boto/botocore/issues/732"
	copyEncryption  = "https://github.com/fog/fog-aws/pull/589"
	listEncryption  = "https://github.com/s3tools/s3cmd/issues/276"
	endEncryption   = "https://github.com/ClickHouse/ClickHouse/issues/64570"
	minioTrailers   = "https://github.com/minio/minio-go/issues/1817"
	completedTwice  = "https://github.com/adobe/S3Mock/issues/2586"
	completedIfNone = "https://github.com/getmoto/moto/pull/9209"
	keyGuide        = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"
)

// TestReportedHeaders checks what S3 accepts and refuses by headers alone.
func TestReportedHeaders(t *testing.T) {
	c, server := setUp(t)
	begun := beginUpload(t, c, "parts", nil)
	part := begun.part(1, []byte("x"))
	uploadID := "uploadId=" + *begun.id
	complete := "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + strings.Trim(*part.ETag, `"`) + "</ETag></Part></CompleteMultipartUpload>"
	const encryption, sse, announced = "X-Amz-Server-Side-Encryption", "x-amz-server-side-encryption header is not supported", "X-Amz-Sdk-Checksum-Algorithm"
	crc32, sha1 := checksum.CRC32.Sum([]byte("text")), checksum.SHA1.Sum([]byte("text"))
	for _, test := range []struct {
		source, method, target, body string
		headers                      map[string]string
		status                       int
		answer                       string
	}{
		{objectAPI, "PUT", "/bucket/e", "text", map[string]string{encryption: "AES256"}, 200, ""},
		{partEncryption, "PUT", "/bucket/parts?partNumber=2&" + uploadID, "text", map[string]string{encryption: "AES256"}, 400, sse},
		{partEncryption, "PUT", "/bucket/parts?partNumber=2&" + uploadID, "text", map[string]string{encryption: "aws:kms"}, 400, sse},
		{copyEncryption, "PUT", "/bucket/parts?partNumber=2&" + uploadID, "", map[string]string{encryption: "AES256", "X-Amz-Copy-Source": "bucket/top.txt"}, 400, sse},
		{endEncryption, "POST", "/bucket/parts?" + uploadID, complete, map[string]string{encryption: "AES256"}, 400, sse},
		{listEncryption, "GET", "/bucket", "", map[string]string{encryption: "AES256"}, 400, sse},
		{listEncryption, "GET", "/bucket?list-type=2", "", map[string]string{encryption: "AES256"}, 400, sse},
		{listEncryption, "GET", "/", "", map[string]string{encryption: "AES256"}, 400, sse},
		{"https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html", "GET", "/bucket/top.txt", "", map[string]string{encryption: "AES256"}, 400, sse},
		{"https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html", "GET", "/bucket/top.txt", "", map[string]string{encryption: "aws:kms"}, 400, sse},
		{"https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html", "POST", "/bucket/e?uploads", "", map[string]string{encryption: "AES256"}, 200, "UploadId"},

		{copyAPI, "PUT", "/bucket/top.txt", "", map[string]string{"X-Amz-Copy-Source": "bucket/top.txt"}, 400, "illegal because it is trying to copy an object to itself"},
		{copyAPI, "PUT", "/bucket/top.txt", "", map[string]string{"X-Amz-Copy-Source": "/bucket/top.txt", encryption: "AES256"}, 200, "CopyObjectResult"},
		{copyAPI, "PUT", "/bucket/top.txt", "", map[string]string{"X-Amz-Copy-Source": "bucket/top.txt", "X-Amz-Storage-Class": "STANDARD_IA"}, 200, "CopyObjectResult"},
		{copyAPI, "PUT", "/bucket/top.txt", "", map[string]string{"X-Amz-Copy-Source": "bucket/top.txt", "X-Amz-Metadata-Directive": "REPLACE"}, 200, "CopyObjectResult"},
		{copyAPI, "PUT", "/bucket/top.txt", "", map[string]string{"X-Amz-Copy-Source": "bucket/top.txt", encryption: "aws:kms"}, 501, "NotImplemented"},

		{objectAPI, "PUT", "/bucket/c", "text", map[string]string{announced: "CRC32"}, 400, "no corresponding x-amz-checksum-* or x-amz-trailer headers were found"},
		{objectAPI, "PUT", "/bucket/c", "text", map[string]string{announced: "CRC32", "X-Amz-Checksum-Crc32": crc32}, 200, ""},
		{objectAPI, "PUT", "/bucket/c", "text", map[string]string{announced: "crc32", "X-Amz-Checksum-Crc32": crc32}, 200, ""},
		{objectAPI, "PUT", "/bucket/c", "text", map[string]string{announced: "SHA1", "X-Amz-Checksum-Crc32": crc32}, 400, "x-amz-sdk-checksum-algorithm header is invalid"},
		{objectAPI, "PUT", "/bucket/c", "text", map[string]string{announced: "CRC32", "X-Amz-Checksum-Sha1": sha1}, 400, "x-amz-sdk-checksum-algorithm header is invalid"},
		{objectAPI, "PUT", "/bucket/c", "text", map[string]string{announced: "nonsense"}, 400, "x-amz-sdk-checksum-algorithm header is invalid"},
		{objectAPI, "PUT", "/bucket/c", "text", map[string]string{announced: "SHA512"}, 501, "SHA512"},
		{"https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html", "PUT", "/bucket/parts?partNumber=2&" + uploadID, "text", map[string]string{announced: "CRC32"}, 400, "no corresponding"},
		{"https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html", "POST", "/bucket?delete", "<Delete><Object><Key>x</Key></Object></Delete>", map[string]string{announced: "CRC32"}, 400, "no corresponding"},
		{"https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html", "PUT", "/bucket?versioning", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>", map[string]string{announced: "CRC32"}, 400, "no corresponding"},
		{"https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html", "PUT", "/bucket/top.txt?tagging", "<Tagging><TagSet></TagSet></Tagging>", map[string]string{announced: "SHA256"}, 400, "no corresponding"},

		{integrityGuide, "PUT", "/bucket/c", "text", map[string]string{"X-Amz-Checksum-Md5": "HLJ5spWp6KtkOBiAHk7bXQ=="}, 501, "x-amz-checksum-md5"},
		{integrityGuide, "PUT", "/bucket/c", "text", map[string]string{"X-Amz-Checksum-Xxhash128": "AA=="}, 501, "x-amz-checksum-xxhash128"},
		{integrityGuide, "PUT", "/bucket/c", "text", map[string]string{"X-Amz-Checksum-Crc32": crc32, "X-Amz-Checksum-Sha1": sha1}, 400, "Expecting a single x-amz-checksum- header"},
	} {
		status, answer := rawBody(t, server, test.method, test.target, test.body, test.headers)
		if status != test.status || !strings.Contains(answer, test.answer) {
			t.Errorf("%s %s %v: %d %s, want %d with %q (%s)", test.method, test.target, test.headers, status, answer, test.status, test.answer, test.source)
		}
	}
	// A copy onto itself with encryption leaves what it copies.
	if text, err := get(t.Context(), c, "top.txt"); err != nil || text != "text of top.txt" {
		t.Errorf("after the copies onto itself: %q, %v", text, err)
	}
}

// TestReportedTrailers: checksums after the body, with the line ends of the SDKs and of minio-go.
func TestReportedTrailers(t *testing.T) {
	c, server := setUp(t)
	const sdkEnd, minioEnd = "\r\n", "\n\r\n"
	for n, test := range []struct {
		source, name, value, end string
		status                   int
		answer                   string
	}{
		{integrityGuide, "x-amz-checksum-crc32", checksum.CRC32.Sum([]byte("text")), sdkEnd, 200, ""},
		{minioTrailers, "x-amz-checksum-crc32c", checksum.CRC32C.Sum([]byte("text")), minioEnd, 200, ""},
		{minioTrailers, "x-amz-checksum-crc64nvme", checksum.CRC64NVME.Sum([]byte("text")), minioEnd, 200, ""},
		{minioTrailers, "x-amz-checksum-sha1", checksum.SHA1.Sum([]byte("text")), minioEnd, 200, ""},
		{minioTrailers, "x-amz-checksum-sha256", checksum.SHA256.Sum([]byte("text")), minioEnd, 200, ""},
		{minioTrailers, "x-amz-checksum-sha256", checksum.SHA256.Sum([]byte("other")), minioEnd, 400, "BadDigest"},
		{integrityGuide, "x-amz-checksum-md5", "HLJ5spWp6KtkOBiAHk7bXQ==", sdkEnd, 501, "x-amz-checksum-md5"},
		{integrityGuide, "x-amz-checksum-sha512", "AA==", sdkEnd, 501, "x-amz-checksum-sha512"},
		{integrityGuide, "x-amz-checksum-xxhash64", "AA==", sdkEnd, 501, "x-amz-checksum-xxhash64"},
		{integrityGuide, "x-amz-checksum-xxhash3", "AA==", minioEnd, 501, "x-amz-checksum-xxhash3"},
		{integrityGuide, "x-amz-checksum-xxhash128", "AA==", minioEnd, 501, "x-amz-checksum-xxhash128"},
		{integrityGuide, "x-amz-checksum-nonsense", "AA==", sdkEnd, 400, "only checksums"},
	} {
		key := fmt.Sprintf("trailer-%d", n)
		body := "4\r\ntext\r\n0\r\n" + test.name + ":" + test.value + test.end + "\r\n"
		status, answer := sendUnsignedChunks(t, server, "/bucket/"+key, body, test.name)
		if status != test.status || !strings.Contains(answer, test.answer) {
			t.Errorf("%s: %d %s, want %d with %q (%s)", test.name, status, answer, test.status, test.answer, test.source)
		}
		text, err := get(t.Context(), c, key)
		if stored := err == nil && text == "text"; stored != (test.status == 200) {
			t.Errorf("%s: stored %q, %v", test.name, text, err)
		}
	}
}

// sendUnsignedChunks puts a body in the aws-chunked coding whose trailer is announced.
func sendUnsignedChunks(t *testing.T, server *iamtest.Server, target, body, trailer string) (int, string) {
	t.Helper()
	const marker = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"X-Amz-Content-Sha256": marker, "X-Amz-Decoded-Content-Length": "4", "X-Amz-Trailer": trailer, "Content-Encoding": "aws-chunked"} {
		r.Header.Set(name, value)
	}
	who := aws.Credentials{AccessKeyID: iamtest.AccessKeyID, SecretAccessKey: iamtest.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, marker, "s3", iamtest.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, text.String()
}

// TestCompletedTwice: a client that did not get the answer completes the upload again.
func TestCompletedTwice(t *testing.T) {
	c, _ := setUp(t)
	versioned := &sdk.PutBucketVersioningInput{Bucket: aws.String("bucket"), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}
	if _, err := c.PutBucketVersioning(t.Context(), versioned); err != nil {
		t.Fatal(err)
	}
	u := beginUpload(t, c, "joined", nil)
	one, two := u.part(1, noise(5<<20)), u.part(2, []byte("end"))
	first, err := u.complete(nil, one, two)
	if err != nil || first.VersionId == nil {
		t.Fatalf("%+v, %v", first, err)
	}
	for _, test := range []struct {
		source, name string
		change       func(*sdk.CompleteMultipartUploadInput)
		parts        []types.CompletedPart
		code         string
	}{
		{completedTwice, "the same", nil, []types.CompletedPart{one, two}, ""},
		{completedTwice, "the same, once more", nil, []types.CompletedPart{one, two}, ""},
		{completedIfNone, "if there is no such object", func(in *sdk.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }, []types.CompletedPart{one, two}, ""},
		{completedTwice, "other parts", nil, []types.CompletedPart{one}, "NoSuchUpload"},
		{completedTwice, "parts in another order", nil, []types.CompletedPart{two, one}, "NoSuchUpload"},
		{completedTwice, "another key", func(in *sdk.CompleteMultipartUploadInput) { in.Key = aws.String("other") }, []types.CompletedPart{one, two}, "NoSuchUpload"},
		{completedTwice, "another upload", func(in *sdk.CompleteMultipartUploadInput) { in.UploadId = aws.String("none") }, []types.CompletedPart{one, two}, "NoSuchUpload"},
	} {
		again, err := u.complete(test.change, test.parts...)
		if test.code != "" {
			t.Run(test.name, func(t *testing.T) { wantError(t, err, test.code, 404) })
			continue
		}
		if err != nil || *again.ETag != *first.ETag || *again.VersionId != *first.VersionId || *again.Location != *first.Location || *again.ChecksumCRC64NVME != *first.ChecksumCRC64NVME {
			t.Errorf("%s: %+v, %v, want %+v (%s)", test.name, again, err, first, test.source)
		}
	}
	// It is no second object, and nothing else of the upload is left.
	versions, err := c.ListObjectVersions(t.Context(), &sdk.ListObjectVersionsInput{Bucket: aws.String("bucket"), Prefix: aws.String("joined")})
	if err != nil || len(versions.Versions) != 1 {
		t.Errorf("%+v, %v", versions, err)
	}
	_, err = c.UploadPart(t.Context(), &sdk.UploadPartInput{Bucket: aws.String("bucket"), Key: &u.key, UploadId: u.id, PartNumber: aws.Int32(3), Body: strings.NewReader("x")})
	wantError(t, err, "NoSuchUpload", 404)
	_, err = c.ListParts(t.Context(), &sdk.ListPartsInput{Bucket: aws.String("bucket"), Key: &u.key, UploadId: u.id})
	wantError(t, err, "NoSuchUpload", 404)
	// When the object is gone, so is the answer.
	if _, err := c.DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: aws.String("bucket"), Key: &u.key, VersionId: first.VersionId}); err != nil {
		t.Fatal(err)
	}
	_, err = u.complete(nil, one, two)
	wantError(t, err, "NoSuchUpload", 404)
}

// TestKeysBeyondXML (object-keys): S3 writes what XML 1.0 lacks as references, which clients that cannot read
// them avoid by encoding-type=url.
func TestKeysBeyondXML(t *testing.T) {
	c, server := setUp(t)
	for _, test := range []struct{ source, key, reference, encoded string }{
		{keyGuide, "odd/\x01", "odd/&#x1;", "odd/%01"},
		{keyGuide, "odd/\x02", "odd/&#x2;", "odd/%02"},
		{keyGuide, "odd/\x1f", "odd/&#x1f;", "odd/%1F"},
		{keyGuide, "odd/\x7f", "odd/\x7f", "odd/%7F"},
		{keyGuide, "odd/\uffff", "odd/&#xffff;", "odd/%EF%BF%BF"},
		{keyGuide, "odd/a\rb", "odd/a&#xD;b", "odd/a%0Db"},
		{keyGuide, "odd/<&>", "odd/&lt;&amp;&gt;", "odd/%3C%26%3E"},
	} {
		put(t, c, test.key, "text")
		target := "/bucket?list-type=2&prefix=odd/"
		for _, list := range []string{target, "/bucket?prefix=odd/", "/bucket?versions&prefix=odd/"} {
			if _, answer := raw(t, server, http.MethodGet, list, nil); !strings.Contains(answer, "<Key>"+test.reference+"</Key>") {
				t.Errorf("%s of %q: %s (%s)", list, test.key, answer, test.source)
			}
		}
		if _, answer := raw(t, server, http.MethodGet, target+"&encoding-type=url", nil); !strings.Contains(answer, "<Key>"+test.encoded+"</Key>") {
			t.Errorf("encoded %q: %s (%s)", test.key, answer, test.source)
		}
		if text, err := get(t.Context(), c, test.key); err != nil || text != "text" {
			t.Errorf("%q: %q, %v", test.key, text, err)
		}
		if _, err := c.DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: aws.String("bucket"), Key: &test.key}); err != nil {
			t.Errorf("delete %q: %v", test.key, err)
		}
	}
}

// TestChecksumOfPart: a part of an object with a composite checksum is reported with its own
// (https://github.com/localstack/localstack/pull/12842).
func TestChecksumOfPart(t *testing.T) {
	c, _ := setUp(t)
	data := noise(5<<20 + 7)
	composite := beginUpload(t, c, "composite", func(in *sdk.CreateMultipartUploadInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32 })
	full := beginUpload(t, c, "full", func(in *sdk.CreateMultipartUploadInput) {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject
	})
	single := beginUpload(t, c, "single", nil)
	for _, u := range []*upload{composite, full} {
		if _, err := u.complete(nil, u.part(1, data[:5<<20]), u.part(2, data[5<<20:])); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := single.complete(nil, single.part(1, data[:100])); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		key     string
		part    int32
		span    string
		crc, of string
	}{
		{"composite", 1, "", checksum.CRC32.Sum(data[:5<<20]), "COMPOSITE"},
		{"composite", 2, "", checksum.CRC32.Sum(data[5<<20:]), "COMPOSITE"},
		{"composite", 0, "bytes=0-9", "", ""},
		{"full", 0, "", checksum.CRC32.Sum(data), "FULL_OBJECT"},
		{"full", 2, "", "", ""},
	} {
		in := &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: &test.key, ChecksumMode: types.ChecksumModeEnabled}
		if test.part > 0 {
			in.PartNumber = &test.part
		}
		if test.span != "" {
			in.Range = &test.span
		}
		out, err := c.HeadObject(t.Context(), in)
		if err != nil || aws.ToString(out.ChecksumCRC32) != test.crc || string(out.ChecksumType) != test.of {
			t.Errorf("%+v: %+v, %v", test, out, err)
		}
	}
	out, err := c.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("single"), PartNumber: aws.Int32(1), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil || aws.ToString(out.ChecksumCRC64NVME) != checksum.CRC64NVME.Sum(data[:100]) {
		t.Errorf("the only part: %+v, %v", out, err)
	}
}
