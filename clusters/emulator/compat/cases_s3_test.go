package compat

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

const key = "a/b.txt"

// s3Cases: https://docs.aws.amazon.com/AmazonS3/latest/API/.
func s3Cases() []testCase {
	return slices.Concat(s3CommonCases(), s3VersionCases(), s3SettingCases(), s3AccessCases(), s3InputCases(), s3ScopeCases(), s3FormCases())
}

func s3CommonCases() []testCase {
	location := &types.CreateBucketConfiguration{LocationConstraint: emulatortest.Region}
	return []testCase{
		{"s3", "ListBuckets", "a caller who may", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListBuckets(ctx, &s3.ListBucketsInput{}))
		}},
		{"s3", "ListBuckets", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().S3.ListBuckets(ctx, &s3.ListBucketsInput{}))
		}},
		{"s3", "CreateBucket", "the emulator's region", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &f.Name, CreateBucketConfiguration: location}))
		}},
		{"s3", "CreateBucket", "a bucket that the caller has", refused(409, "BucketAlreadyOwnedByYou"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(f.Bucket()), CreateBucketConfiguration: location}))
		}},
		{"s3", "DeleteBucket", "an empty bucket", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(f.Bucket())}))
		}},
		{"s3", "DeleteBucket", "a bucket with an object", refused(409, "BucketNotEmpty"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: f.object()}))
		}},
		{"s3", "HeadBucket", "a bucket", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(f.Bucket())}))
		}},
		{"s3", "HeadBucket", "a bucket that does not exist", refused(404, ""), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &f.Name}))
		}},
		{"s3", "GetBucketLocation", "a bucket", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String(f.Bucket())}))
		}},
		{"s3", "GetBucketLocation", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &f.Name}))
		}},
		{"s3", "ListObjects", "a bucket", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListObjects(ctx, &s3.ListObjectsInput{Bucket: f.object()}))
		}},
		{"s3", "ListObjects", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListObjects(ctx, &s3.ListObjectsInput{Bucket: &f.Name}))
		}},
		{"s3", "ListObjectsV2", "a prefix and a delimiter", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: f.object(), Prefix: aws.String("a/"), Delimiter: aws.String("/")}))
		}},
		{"s3", "ListObjectsV2", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: f.object()}))
		}},
		{"s3", "PutObject", "an object", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key), Body: strings.NewReader("x")}))
		}},
		{"s3", "PutObject", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &f.Name, Key: aws.String(key), Body: strings.NewReader("x")}))
		}},
		{"s3", "PutObject", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().S3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key), Body: strings.NewReader("x")}))
		}},
		{"s3", "GetObject", "an object", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: f.object(), Key: aws.String(key)}))
		}},
		{"s3", "GetObject", "a missing key, by a caller who may list", refused(404, "NoSuchKey"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)}))
		}},
		{"s3", "GetObject", "a missing key, by a caller who may only get", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.getter().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)}))
		}},
		{"s3", "HeadObject", "an object", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: f.object(), Key: aws.String(key)}))
		}},
		{"s3", "HeadObject", "a missing key, by a caller who may list", refused(404, ""), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)}))
		}},
		{"s3", "HeadObject", "a missing key, by a caller who may only get", refused(403, ""), func(ctx context.Context, f *fixture) error {
			return last(f.getter().S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)}))
		}},
		{"s3", "CopyObject", "an object of the same bucket", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: f.object(), Key: aws.String("copy"), CopySource: aws.String(f.Name + "/" + key)}))
		}},
		{"s3", "CopyObject", "a source that does not exist", refused(404, "NoSuchKey"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String(f.Bucket()), Key: aws.String("copy"), CopySource: aws.String(f.Name + "/" + key)}))
		}},
		{"s3", "DeleteObject", "an object", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: f.object(), Key: aws.String(key)}))
		}},
		{"s3", "DeleteObject", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: f.object(), Key: aws.String(key)}))
		}},
		{"s3", "DeleteObjects", "two keys, one of them missing", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: f.object(), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String(key)}, {Key: aws.String("missing")}}}}))
		}},
		{"s3", "DeleteObjects", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &f.Name, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String(key)}}}}))
		}},
		{"s3", "CreateMultipartUpload", "a bucket", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)}))
		}},
		{"s3", "CreateMultipartUpload", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)}))
		}},
		{"s3", "UploadPart", "part 1", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.UploadPart(ctx, &s3.UploadPartInput{Bucket: &f.Name, Key: aws.String(key), UploadId: f.upload(), PartNumber: aws.Int32(1), Body: strings.NewReader("x")}))
		}},
		{"s3", "UploadPart", "an upload that does not exist", refused(404, "NoSuchUpload"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key), UploadId: aws.String("none"), PartNumber: aws.Int32(1), Body: strings.NewReader("x")}))
		}},
		{"s3", "ListParts", "an upload", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListParts(ctx, &s3.ListPartsInput{Bucket: &f.Name, Key: aws.String(key), UploadId: f.upload()}))
		}},
		{"s3", "ListParts", "an upload that does not exist", refused(404, "NoSuchUpload"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key), UploadId: aws.String("none")}))
		}},
		{"s3", "ListMultipartUploads", "a bucket", accepted, func(ctx context.Context, f *fixture) error {
			f.upload()
			return last(f.Admin().S3.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &f.Name}))
		}},
		{"s3", "ListMultipartUploads", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &f.Name}))
		}},
		{"s3", "AbortMultipartUpload", "an upload", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &f.Name, Key: aws.String(key), UploadId: f.upload()}))
		}},
		{"s3", "AbortMultipartUpload", "an upload that does not exist", refused(404, "NoSuchUpload"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key), UploadId: aws.String("none")}))
		}},
		{"s3", "CompleteMultipartUpload", "one part", accepted, func(ctx context.Context, f *fixture) error {
			upload := f.upload()
			part, err := f.Admin().S3.UploadPart(ctx, &s3.UploadPartInput{Bucket: &f.Name, Key: aws.String(key), UploadId: upload, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
			f.must(err)
			return last(f.Admin().S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &f.Name, Key: aws.String(key), UploadId: upload,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}}}))
		}},
		{"s3", "CompleteMultipartUpload", "a part that was not uploaded", refused(400, "InvalidPart"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &f.Name, Key: aws.String(key), UploadId: f.upload(),
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(`"00000000000000000000000000000000"`)}}}}))
		}},
	}
}

// object creates a bucket, f.Name, with an object at key, and returns the bucket.
func (f *fixture) object() *string {
	f.t.Helper()
	f.Object(f.Bucket(), key, "content")
	return &f.Name
}

// upload begins a multipart upload of key in a new bucket, f.Name.
func (f *fixture) upload() *string {
	f.t.Helper()
	out, err := f.Admin().S3.CreateMultipartUpload(f.t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)})
	f.must(err)
	return out.UploadId
}

// getter may get objects and has no other permission.
func (f *fixture) getter() *emulatortest.Clients {
	f.t.Helper()
	return f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`)
}
