package compat

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// reading returns the cases of an operation that reads a setting of a bucket: of a new bucket, with the wanted answer, and
// of a bucket that does not exist.
func reading(operation string, want answer, read func(context.Context, *s3.Client, *string) error) []testCase {
	cases := []testCase{
		{"s3", operation, "a new bucket", want, func(ctx context.Context, f *fixture) error {
			return read(ctx, f.Admin().S3, aws.String(f.Bucket()))
		}},
		{"s3", operation, "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return read(ctx, f.Unprivileged().S3, aws.String(f.Bucket()))
		}},
	}
	if want == accepted {
		cases = append(cases, testCase{"s3", operation, "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return read(ctx, f.Admin().S3, &f.Name)
		}})
	}
	return cases
}

func unset(code string) answer { return refused(404, code) }

// s3SettingCases are the settings of a bucket that Terraform's provider reads and writes.
func s3SettingCases() []testCase {
	var cases []testCase
	for _, one := range []struct {
		operation string
		want      answer
		read      func(context.Context, *s3.Client, *string) error
	}{
		{"GetBucketVersioning", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: b}))
		}},
		{"GetBucketTagging", unset("NoSuchTagSet"), func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b}))
		}},
		{"GetBucketPolicy", unset("NoSuchBucketPolicy"), func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b}))
		}},
		{"GetBucketPolicyStatus", unset("NoSuchBucketPolicy"), func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: b}))
		}},
		{"GetPublicAccessBlock", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b}))
		}},
		{"GetBucketOwnershipControls", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: b}))
		}},
		{"GetBucketAcl", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: b}))
		}},
		{"GetBucketEncryption", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b}))
		}},
		{"GetBucketLifecycleConfiguration", unset("NoSuchLifecycleConfiguration"), func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b}))
		}},
		{"GetBucketCors", unset("NoSuchCORSConfiguration"), func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: b}))
		}},
		{"GetBucketWebsite", unset("NoSuchWebsiteConfiguration"), func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketWebsite(ctx, &s3.GetBucketWebsiteInput{Bucket: b}))
		}},
		{"GetBucketReplication", unset("ReplicationConfigurationNotFoundError"), func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: b}))
		}},
		{"GetObjectLockConfiguration", unset("ObjectLockConfigurationNotFoundError"), func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: b}))
		}},
		{"GetBucketLogging", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: b}))
		}},
		{"GetBucketNotificationConfiguration", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: b}))
		}},
		{"GetBucketAccelerateConfiguration", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketAccelerateConfiguration(ctx, &s3.GetBucketAccelerateConfigurationInput{Bucket: b}))
		}},
		{"GetBucketRequestPayment", accepted, func(ctx context.Context, c *s3.Client, b *string) error {
			return last(c.GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: b}))
		}},
	} {
		cases = append(cases, reading(one.operation, one.want, one.read)...)
	}
	return append(cases, s3ChangeCases()...)
}

// s3ChangeCases change settings of buckets.
func s3ChangeCases() []testCase {
	tags := func(keys ...string) *types.Tagging {
		set := &types.Tagging{TagSet: []types.Tag{}}
		for _, key := range keys {
			set.TagSet = append(set.TagSet, types.Tag{Key: &key, Value: aws.String("v")})
		}
		return set
	}
	putTags := func(ctx context.Context, f *fixture, keys ...string) error {
		return last(f.Admin().S3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: aws.String(f.Bucket()), Tagging: tags(keys...)}))
	}
	version := func(ctx context.Context, f *fixture, status types.BucketVersioningStatus) error {
		return last(f.Admin().S3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: aws.String(f.Bucket()), VersioningConfiguration: &types.VersioningConfiguration{Status: status}}))
	}
	own := func(ctx context.Context, f *fixture, ownership types.ObjectOwnership) error {
		return last(f.Admin().S3.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: aws.String(f.Bucket()),
			OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: ownership}}}}))
	}
	return []testCase{
		{"s3", "GetBucketTagging", "a bucket with tags", accepted, func(ctx context.Context, f *fixture) error {
			f.must(putTags(ctx, f, "team"))
			return last(f.Admin().S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &f.Name}))
		}},
		{"s3", "PutBucketTagging", "a tag", accepted, func(ctx context.Context, f *fixture) error { return putTags(ctx, f, "team") }},
		{"s3", "PutBucketTagging", "a key twice", refused(400, "InvalidTag"), func(ctx context.Context, f *fixture) error { return putTags(ctx, f, "team", "team") }},
		{"s3", "PutBucketTagging", "a key of AWS", refused(400, "InvalidTag"), func(ctx context.Context, f *fixture) error { return putTags(ctx, f, "aws:team") }},
		{"s3", "DeleteBucketTagging", "a bucket without tags", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: aws.String(f.Bucket())}))
		}},
		{"s3", "DeleteBucketTagging", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: &f.Name}))
		}},
		{"s3", "PutBucketVersioning", "Enabled", accepted, func(ctx context.Context, f *fixture) error {
			return version(ctx, f, types.BucketVersioningStatusEnabled)
		}},
		{"s3", "PutBucketVersioning", "Suspended", accepted, func(ctx context.Context, f *fixture) error {
			return version(ctx, f, types.BucketVersioningStatusSuspended)
		}},
		{"s3", "PutBucketVersioning", "another status", refused(400, "IllegalVersioningConfigurationException"), func(ctx context.Context, f *fixture) error { return version(ctx, f, "Disabled") }},
		{"s3", "PutBucketOwnershipControls", "ObjectWriter", accepted, func(ctx context.Context, f *fixture) error { return own(ctx, f, types.ObjectOwnershipObjectWriter) }},
		{"s3", "PutBucketOwnershipControls", "another ownership", refused(400, "MalformedXML"), func(ctx context.Context, f *fixture) error { return own(ctx, f, "Nobody") }},
		{"s3", "DeleteBucketOwnershipControls", "a new bucket", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: aws.String(f.Bucket())}))
		}},
		{"s3", "DeleteBucketOwnershipControls", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: &f.Name}))
		}},
		{"s3", "GetBucketOwnershipControls", "a bucket without", refused(404, "OwnershipControlsNotFoundError"), func(ctx context.Context, f *fixture) error {
			f.must(last(f.Admin().S3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: aws.String(f.Bucket())})))
			return last(f.Admin().S3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &f.Name}))
		}},
	}
}
