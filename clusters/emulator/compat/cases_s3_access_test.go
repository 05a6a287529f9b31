package compat

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	accountMayGet  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}}`
	everyoneMayGet = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}}`
	nobodyMayGet   = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}}`
)

// bucketPolicy puts a policy on the bucket f.Name.
func (f *fixture) bucketPolicy(ctx context.Context, text string) error {
	text = strings.ReplaceAll(text, "BUCKET", f.Name)
	return last(f.Admin().S3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &f.Name, Policy: &text}))
}

// open allows public policies for the bucket f.Name.
func (f *fixture) open(ctx context.Context) {
	f.t.Helper()
	f.must(last(f.Admin().S3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &f.Name})))
}

// s3AccessCases are about bucket policies, Block Public Access and anonymous callers.
func s3AccessCases() []testCase {
	put := func(text string) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			f.Bucket()
			return f.bucketPolicy(ctx, text)
		}
	}
	anonymous := func(ctx context.Context, f *fixture) error {
		return last(f.Anonymous().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Name, Key: aws.String(key)}))
	}
	replaced := func(old, with string) string { return strings.Replace(accountMayGet, old, with, 1) }
	return []testCase{
		{"s3", "PutBucketPolicy", "a principal of the account", accepted, put(accountMayGet)},
		{"s3", "PutBucketPolicy", "everyone, on a new bucket", refused(403, "AccessDenied"), put(everyoneMayGet)},
		{"s3", "PutBucketPolicy", "everyone, without Block Public Access", accepted, func(ctx context.Context, f *fixture) error {
			f.Bucket()
			f.open(ctx)
			return f.bucketPolicy(ctx, everyoneMayGet)
		}},
		{"s3", "PutBucketPolicy", "no JSON", refused(400, "MalformedPolicy"), put("policy")},
		{"s3", "PutBucketPolicy", "no principal", refused(400, "MalformedPolicy"), put(replaced(`"Principal":{"AWS":"123456789012"},`, ""))},
		{"s3", "PutBucketPolicy", "another bucket's objects", refused(400, "MalformedPolicy"), put(replaced("BUCKET", "another-bucket"))},
		{"s3", "PutBucketPolicy", "an action of another service", refused(400, "MalformedPolicy"), put(replaced("s3:GetObject", "ec2:RunInstances"))},
		{"s3", "PutBucketPolicy", "an action that S3 does not have", refused(400, "MalformedPolicy"), put(replaced("s3:GetObject", "s3:HeadObject"))},
		{"s3", "PutBucketPolicy", "a pattern that no action of S3 matches", refused(400, "MalformedPolicy"), put(replaced("s3:GetObject", "s3:Head*"))},
		{"s3", "PutBucketPolicy", "a role that does not exist", refused(400, "MalformedPolicy"), put(replaced(`{"AWS":"123456789012"}`, `{"AWS":"arn:aws:iam::123456789012:role/missing"}`))},
		{"s3", "PutBucketPolicy", "a service that does not exist", refused(400, "MalformedPolicy"), put(replaced(`{"AWS":"123456789012"}`, `{"Service":"pod.eks.amazonaws.com"}`))},
		{"s3", "PutBucketPolicy", "an action of buckets on objects", refused(400, "MalformedPolicy"), put(replaced("s3:GetObject", "s3:ListBucket"))},
		{"s3", "PutBucketPolicy", "more than 20 KiB", refused(400, "PolicyTooLarge"), put(accountMayGet + strings.Repeat(" ", 20<<10))},
		{"s3", "PutBucketPolicy", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error { return f.bucketPolicy(ctx, accountMayGet) }},
		{"s3", "GetBucketPolicy", "a bucket with a policy", accepted, func(ctx context.Context, f *fixture) error {
			f.Bucket()
			f.must(f.bucketPolicy(ctx, accountMayGet))
			return last(f.Admin().S3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &f.Name}))
		}},
		{"s3", "GetBucketPolicyStatus", "a bucket with a policy", accepted, func(ctx context.Context, f *fixture) error {
			f.Bucket()
			f.must(f.bucketPolicy(ctx, accountMayGet))
			return last(f.Admin().S3.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: &f.Name}))
		}},
		{"s3", "DeleteBucketPolicy", "a bucket without a policy", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: aws.String(f.Bucket())}))
		}},
		{"s3", "DeleteBucketPolicy", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().S3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: aws.String(f.Bucket())}))
		}},
		{"s3", "PutPublicAccessBlock", "a setting", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: aws.String(f.Bucket()), PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicPolicy: aws.Bool(true)}}))
		}},
		{"s3", "PutPublicAccessBlock", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().S3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: aws.String(f.Bucket()), PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{}}))
		}},
		{"s3", "GetPublicAccessBlock", "a bucket without", refused(404, "NoSuchPublicAccessBlockConfiguration"), func(ctx context.Context, f *fixture) error {
			f.Bucket()
			f.open(ctx)
			return last(f.Admin().S3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &f.Name}))
		}},
		{"s3", "DeletePublicAccessBlock", "a new bucket", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: aws.String(f.Bucket())}))
		}},
		{"s3", "DeletePublicAccessBlock", "a bucket that does not exist", refused(404, "NoSuchBucket"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &f.Name}))
		}},
		{"s3", "GetObject", "an anonymous caller", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			f.object()
			return anonymous(ctx, f)
		}},
		{"s3", "GetObject", "an anonymous caller whom the bucket's policy lets in", accepted, func(ctx context.Context, f *fixture) error {
			f.object()
			f.open(ctx)
			f.must(f.bucketPolicy(ctx, everyoneMayGet))
			return anonymous(ctx, f)
		}},
		{"s3", "GetObject", "an anonymous caller, RestrictPublicBuckets", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			f.object()
			f.open(ctx)
			f.must(f.bucketPolicy(ctx, everyoneMayGet))
			f.must(last(f.Admin().S3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &f.Name, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)}})))
			return anonymous(ctx, f)
		}},
		{"s3", "GetObject", "a caller whom only the bucket's policy lets in", accepted, func(ctx context.Context, f *fixture) error {
			f.object()
			f.open(ctx)
			f.must(f.bucketPolicy(ctx, everyoneMayGet))
			return last(f.Unprivileged().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Name, Key: aws.String(key)}))
		}},
		{"s3", "GetObject", "a caller whom the bucket's policy denies", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			f.object()
			f.must(f.bucketPolicy(ctx, nobodyMayGet))
			return last(f.Admin().S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Name, Key: aws.String(key)}))
		}},
		{"s3", "HeadBucket", "another account's bucket is expected", refused(403, ""), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(f.Bucket()), ExpectedBucketOwner: aws.String("210987654321")}))
		}},
		{"s3", "ListBuckets", "an anonymous caller", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Anonymous().S3.ListBuckets(ctx, &s3.ListBucketsInput{}))
		}},
	}
}
