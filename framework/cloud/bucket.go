package cloud

import (
	"bytes"
	"context"
	"errors"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/framework"
)

// Bucket is an S3 bucket.
type Bucket struct {
	Name string
	env  *framework.Env
}

// NewBucket creates an empty bucket. At the end it is emptied and removed.
func NewBucket(ctx context.Context, env *framework.Env) *Bucket {
	env.T.Helper()
	bucket := &Bucket{Name: env.NewName(), env: env}
	input := &s3.CreateBucketInput{Bucket: &bucket.Name}
	if env.Region != "us-east-1" { // this region must not be named
		input.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(env.Region)}
	}
	if _, err := env.S3.CreateBucket(ctx, input); err != nil {
		env.T.Fatalf("create bucket %s: %v", bucket.Name, err)
	}
	env.T.Cleanup("bucket "+bucket.Name, bucket.remove)
	return bucket
}

// ARN of the bucket.
func (b *Bucket) ARN() string { return "arn:aws:s3:::" + b.Name }

// Put stores an object.
func (b *Bucket) Put(ctx context.Context, key string, contents []byte) {
	b.env.T.Helper()
	b.PutTagged(ctx, key, contents, nil)
}

// PutTagged stores an object with tags.
func (b *Bucket) PutTagged(ctx context.Context, key string, contents []byte, tags map[string]string) {
	b.env.T.Helper()
	input := &s3.PutObjectInput{Bucket: &b.Name, Key: &key, Body: bytes.NewReader(contents)}
	if len(tags) > 0 {
		query := url.Values{}
		for name, value := range tags {
			query.Set(name, value)
		}
		input.Tagging = aws.String(query.Encode())
	}
	if _, err := b.env.S3.PutObject(ctx, input); err != nil {
		b.env.T.Fatalf("put object s3://%s/%s: %v", b.Name, key, err)
	}
}

// remove empties and deletes the bucket, also if parts of it are gone already.
func (b *Bucket) remove(ctx context.Context) error {
	pages := s3.NewListObjectsV2Paginator(b.env.S3, &s3.ListObjectsV2Input{Bucket: &b.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return ignoreNoBucket(err)
		}
		for _, object := range page.Contents {
			if _, err := b.env.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.Name, Key: object.Key}); err != nil {
				return err
			}
		}
	}
	_, err := b.env.S3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b.Name})
	return ignoreNoBucket(err)
}

func ignoreNoBucket(err error) error {
	if _, ok := errors.AsType[*s3types.NoSuchBucket](err); ok {
		return nil
	}
	return err
}
