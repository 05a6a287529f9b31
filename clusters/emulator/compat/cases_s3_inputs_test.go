package compat

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// s3InputCases are about conditions, ranges, checksums and limits.
func s3InputCases() []testCase {
	get := func(change func(*s3.GetObjectInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			in := &s3.GetObjectInput{Bucket: f.object(), Key: aws.String(key)}
			change(in)
			return last(f.Admin().S3.GetObject(ctx, in))
		}
	}
	put := func(change func(*s3.PutObjectInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			in := &s3.PutObjectInput{Bucket: f.object(), Key: aws.String(key), Body: strings.NewReader("x")}
			change(in)
			return last(f.Admin().S3.PutObject(ctx, in))
		}
	}
	cp := func(change func(*s3.CopyObjectInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			in := &s3.CopyObjectInput{Bucket: f.object(), Key: aws.String("copy"), CopySource: aws.String(f.Name + "/" + key)}
			change(in)
			return last(f.Admin().S3.CopyObject(ctx, in))
		}
	}
	return []testCase{
		{"s3", "GetObject", "a range", accepted, get(func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=0-2") })},
		{"s3", "GetObject", "a range past the end", refused(416, "InvalidRange"), get(func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=7-") })},
		{"s3", "GetObject", "a part past the last", refused(416, "InvalidPartNumber"), get(func(in *s3.GetObjectInput) { in.PartNumber = aws.Int32(2) })},
		{"s3", "GetObject", "a range and a part", refused(400, "InvalidRequest"), get(func(in *s3.GetObjectInput) { in.PartNumber, in.Range = aws.Int32(1), aws.String("bytes=0-2") })},
		{"s3", "GetObject", "If-Match of another ETag", refused(412, "PreconditionFailed"), get(func(in *s3.GetObjectInput) { in.IfMatch = aws.String("other") })},
		{"s3", "GetObject", "If-None-Match of the ETag", refused(304, ""), get(func(in *s3.GetObjectInput) { in.IfNoneMatch = aws.String("*") })},
		{"s3", "GetObject", "a key of more than 1024 bytes", refused(400, "KeyTooLongError"), get(func(in *s3.GetObjectInput) { in.Key = aws.String(strings.Repeat("k", 1025)) })},
		{"s3", "GetObject", "a key that looks like a path out of the bucket", refused(404, "NoSuchKey"), get(func(in *s3.GetObjectInput) { in.Key = aws.String("../../" + key) })},
		{"s3", "PutObject", "tags and metadata", accepted, put(func(in *s3.PutObjectInput) {
			in.Tagging, in.Metadata = aws.String("a=1&b=2"), map[string]string{"colour": "red"}
		})},
		{"s3", "PutObject", "a tag twice", refused(400, "InvalidTag"), put(func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=1&a=2") })},
		{"s3", "PutObject", "more than 2 KiB of metadata", refused(400, "MetadataTooLarge"), put(func(in *s3.PutObjectInput) { in.Metadata = map[string]string{"k": strings.Repeat("v", 2<<10)} })},
		{"s3", "PutObject", "If-None-Match of any, over an object", refused(412, "PreconditionFailed"), put(func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })},
		{"s3", "PutObject", "If-Match of another ETag", refused(412, "PreconditionFailed"), put(func(in *s3.PutObjectInput) { in.IfMatch = aws.String("other") })},
		{"s3", "PutObject", "If-Match, no object", refused(404, "NoSuchKey"), put(func(in *s3.PutObjectInput) { in.Key, in.IfMatch = aws.String("fresh"), aws.String("other") })},
		{"s3", "PutObject", "a wrong Content-MD5", refused(400, "BadDigest"), put(func(in *s3.PutObjectInput) { in.ContentMD5 = aws.String("AAAAAAAAAAAAAAAAAAAAAA==") })},
		{"s3", "PutObject", "a malformed Content-MD5", refused(400, "InvalidDigest"), put(func(in *s3.PutObjectInput) { in.ContentMD5 = aws.String("x") })},
		{"s3", "PutObject", "a wrong checksum", refused(400, "BadDigest"), put(func(in *s3.PutObjectInput) { in.ChecksumCRC32 = aws.String("AAAAAA==") })},
		{"s3", "PutObject", "a public ACL", refused(400, "AccessControlListNotSupported"), put(func(in *s3.PutObjectInput) { in.ACL = types.ObjectCannedACLPublicRead })},
		{"s3", "PutObject", "an unknown storage class", refused(400, "InvalidStorageClass"), put(func(in *s3.PutObjectInput) { in.StorageClass = "CUPBOARD" })},
		{"s3", "PutObject", "encryption with a KMS key", refused(501, "NotImplemented"), put(func(in *s3.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAwsKms })},
		{"s3", "CopyObject", "new metadata and tags", accepted, cp(func(in *s3.CopyObjectInput) {
			in.MetadataDirective, in.TaggingDirective, in.Tagging = types.MetadataDirectiveReplace, types.TaggingDirectiveReplace, aws.String("a=1")
		})},
		{"s3", "CopyObject", "onto itself, unchanged", refused(400, "InvalidRequest"), cp(func(in *s3.CopyObjectInput) { in.Key = aws.String(key) })},
		{"s3", "CopyObject", "a condition that the source does not hold", refused(412, "PreconditionFailed"), cp(func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = aws.String("other") })},
		{"s3", "CopyObject", "a version of the source that does not exist", refused(404, "NoSuchVersion"), cp(func(in *s3.CopyObjectInput) { in.CopySource = aws.String(*in.CopySource + "?versionId=none") })},
		{"s3", "CreateMultipartUpload", "an unknown checksum", refused(400, "InvalidRequest"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key), ChecksumAlgorithm: "MD4"}))
		}},
		{"s3", "CompleteMultipartUpload", "parts in descending order", refused(400, "InvalidPartOrder"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &f.Name, Key: aws.String(key), UploadId: f.upload(),
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(2), ETag: aws.String("x")}, {PartNumber: aws.Int32(1), ETag: aws.String("x")}}}}))
		}},
		{"s3", "CompleteMultipartUpload", "a part of less than 5 MiB before the last", refused(400, "EntityTooSmall"), func(ctx context.Context, f *fixture) error {
			upload := f.upload()
			var parts []types.CompletedPart
			for number := range int32(2) {
				part, err := f.Admin().S3.UploadPart(ctx, &s3.UploadPartInput{Bucket: &f.Name, Key: aws.String(key), UploadId: upload, PartNumber: aws.Int32(number + 1), Body: strings.NewReader("x")})
				f.must(err)
				parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(number + 1), ETag: part.ETag})
			}
			return last(f.Admin().S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &f.Name, Key: aws.String(key), UploadId: upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}))
		}},
		{"s3", "CompleteMultipartUpload", "the same again", accepted, func(ctx context.Context, f *fixture) error {
			upload := f.upload()
			part, err := f.Admin().S3.UploadPart(ctx, &s3.UploadPartInput{Bucket: &f.Name, Key: aws.String(key), UploadId: upload, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
			f.must(err)
			in := &s3.CompleteMultipartUploadInput{Bucket: &f.Name, Key: aws.String(key), UploadId: upload,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}}}
			f.must(last(f.Admin().S3.CompleteMultipartUpload(ctx, in)))
			return last(f.Admin().S3.CompleteMultipartUpload(ctx, in))
		}},
		{"s3", "CopyObject", "onto itself, encrypted", accepted, cp(func(in *s3.CopyObjectInput) {
			in.Key, in.ServerSideEncryption = aws.String(key), types.ServerSideEncryptionAes256
		})},
		{"s3", "PutObject", "x-amz-sdk-checksum-algorithm without a checksum", refused(400, "InvalidRequest"), withHeader("PUT", "", "X-Amz-Sdk-Checksum-Algorithm", "CRC32")},
		{"s3", "GetObject", "a header that asks for encryption", refused(400, "InvalidArgument"), withHeader("GET", "", encryptionHeader, "AES256")},
		{"s3", "UploadPart", "a header that asks for encryption", refused(400, "InvalidArgument"), withHeader("PUT", "?partNumber=1&uploadId=x", encryptionHeader, "AES256")},
		{"s3", "CompleteMultipartUpload", "a header that asks for encryption", refused(400, "InvalidArgument"), withHeader("POST", "?uploadId=x", encryptionHeader, "AES256")},
		{"s3", "UploadPart", "part 10001", refused(400, "InvalidArgument"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.UploadPart(ctx, &s3.UploadPartInput{Bucket: &f.Name, Key: aws.String(key), UploadId: f.upload(), PartNumber: aws.Int32(10001), Body: strings.NewReader("x")}))
		}},
		{"s3", "ListObjectsV2", "a continuation token that is none", refused(400, "InvalidArgument"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(f.Bucket()), ContinuationToken: aws.String("x")}))
		}},
		{"s3", "ListObjectsV2", "no keys", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: f.object(), MaxKeys: aws.Int32(0)}))
		}},
		{"s3", "CreateBucket", "another region", refused(400, "IllegalLocationConstraintException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &f.Name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraintEuWest1}}))
		}},
		{"s3", "DeleteObjects", "no keys", refused(400, "MalformedXML"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String(f.Bucket()), Delete: &types.Delete{Objects: []types.ObjectIdentifier{}}}))
		}},
	}
}

const encryptionHeader = "X-Amz-Server-Side-Encryption"

// withHeader sends a request about an object, with a header that the SDK does not send.
func withHeader(method, query, header, value string) func(context.Context, *fixture) error {
	return func(ctx context.Context, f *fixture) error {
		return f.Send(ctx, f.Admin(), emulatortest.Request{Service: "s3", Method: method, Path: "/" + *f.object() + "/" + key + query, Header: http.Header{header: {value}}})
	}
}
