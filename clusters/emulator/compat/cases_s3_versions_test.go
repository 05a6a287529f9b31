package compat

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// versioned creates the bucket f.Name with an object of two versions and returns the ID of the first version.
func (f *fixture) versioned() *string {
	f.t.Helper()
	c := f.Admin().S3
	f.must(last(c.PutBucketVersioning(f.t.Context(), &s3.PutBucketVersioningInput{Bucket: aws.String(f.Bucket()), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})))
	first, err := c.PutObject(f.t.Context(), &s3.PutObjectInput{Bucket: &f.Name, Key: aws.String(key), Body: strings.NewReader("first")})
	f.must(err)
	f.Object(f.Name, key, "second")
	return first.VersionId
}

// s3VersionCases are about versions, tags, ACLs and attributes of objects.
func s3VersionCases() []testCase {
	tags := func(keys ...string) *types.Tagging {
		set := &types.Tagging{TagSet: []types.Tag{}}
		for _, key := range keys {
			set.TagSet = append(set.TagSet, types.Tag{Key: &key, Value: aws.String("v")})
		}
		return set
	}
	attributes := []types.ObjectAttributes{types.ObjectAttributesEtag, types.ObjectAttributesObjectSize}
	return []testCase{
		{"s3", "GetObject", "an older version", accepted, func(ctx context.Context, f *fixture) error {
			id := f.versioned()
			return last(f.Admin().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Name, Key: aws.String(key), VersionId: id}))
		}},
		{"s3", "GetObject", "a version that does not exist", refused(404, "NoSuchVersion"), func(ctx context.Context, f *fixture) error {
			f.versioned()
			return last(f.Admin().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Name, Key: aws.String(key), VersionId: aws.String("none")}))
		}},
		{"s3", "GetObject", "an older version, by a caller who may only get the latest", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			id := f.versioned()
			return last(f.getter().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Name, Key: aws.String(key), VersionId: id}))
		}},
		{"s3", "GetObject", "a key that was deleted", refused(404, "NoSuchKey"), func(ctx context.Context, f *fixture) error {
			f.versioned()
			f.must(last(f.Admin().S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &f.Name, Key: aws.String(key)})))
			return last(f.Admin().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Name, Key: aws.String(key)}))
		}},
		{"s3", "GetObject", "a delete marker", refused(405, "MethodNotAllowed"), func(ctx context.Context, f *fixture) error {
			f.versioned()
			out, err := f.Admin().S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &f.Name, Key: aws.String(key)})
			f.must(err)
			return last(f.Admin().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Name, Key: aws.String(key), VersionId: out.VersionId}))
		}},
		{"s3", "DeleteObject", "an older version", accepted, func(ctx context.Context, f *fixture) error {
			id := f.versioned()
			return last(f.Admin().S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &f.Name, Key: aws.String(key), VersionId: id}))
		}},
		{"s3", "ListObjectVersions", "a bucket with versions", accepted, func(ctx context.Context, f *fixture) error {
			f.versioned()
			return last(f.Admin().S3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &f.Name}))
		}},
		{"s3", "ListObjectVersions", "a caller who may list keys only", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			f.Bucket()
			lister := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}`)
			return last(lister.S3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &f.Name}))
		}},
		{"s3", "ListObjectVersions", "a version marker without a key marker", refused(400, "InvalidArgument"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String(f.Bucket()), VersionIdMarker: aws.String("x")}))
		}},
		{"s3", "GetObjectTagging", "an object", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: f.object(), Key: aws.String(key)}))
		}},
		{"s3", "GetObjectTagging", "a missing key", refused(404, "NoSuchKey"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)}))
		}},
		{"s3", "PutObjectTagging", "two tags", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: f.object(), Key: aws.String(key), Tagging: tags("a", "b")}))
		}},
		{"s3", "PutObjectTagging", "eleven tags", refused(400, "BadRequest"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: f.object(), Key: aws.String(key), Tagging: tags(strings.Split("abcdefghijk", "")...)}))
		}},
		{"s3", "DeleteObjectTagging", "an object", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: f.object(), Key: aws.String(key)}))
		}},
		{"s3", "DeleteObjectTagging", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.getter().S3.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: f.object(), Key: aws.String(key)}))
		}},
		{"s3", "GetObjectAcl", "an object", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: f.object(), Key: aws.String(key)}))
		}},
		{"s3", "GetObjectAcl", "a missing key", refused(404, "NoSuchKey"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: aws.String(f.Bucket()), Key: aws.String(key)}))
		}},
		{"s3", "GetObjectAttributes", "an object", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: f.object(), Key: aws.String(key), ObjectAttributes: attributes}))
		}},
		{"s3", "GetObjectAttributes", "a caller who may only get", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.getter().S3.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: f.object(), Key: aws.String(key), ObjectAttributes: attributes}))
		}},
		{"s3", "UploadPartCopy", "an object of the same bucket", accepted, func(ctx context.Context, f *fixture) error {
			upload := f.upload()
			f.Object(f.Name, key, "content")
			return last(f.Admin().S3.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: &f.Name, Key: aws.String(key), UploadId: upload, PartNumber: aws.Int32(1), CopySource: aws.String(f.Name + "/" + key)}))
		}},
		{"s3", "UploadPartCopy", "a source that does not exist", refused(404, "NoSuchKey"), func(ctx context.Context, f *fixture) error {
			upload := f.upload()
			return last(f.Admin().S3.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: &f.Name, Key: aws.String(key), UploadId: upload, PartNumber: aws.Int32(1), CopySource: aws.String(f.Name + "/" + key)}))
		}},
	}
}
