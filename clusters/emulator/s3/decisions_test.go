package s3_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
)

// CATALOGUE ABAC-01, ABAC-02, ABAC-07 and what the seed shows.
func TestSeedPolicy(t *testing.T) {
	_, server := setUp(t)
	pod := session(t, server, allowing(`"s3:*"`, "arn:aws:s3:::bucket/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*"),
		map[string]string{"eks-cluster-name": "epi", "kubernetes-namespace": "default"})
	ctx := t.Context()
	text, err := get(ctx, pod, "epi/default/test.txt")
	wantError(t, err, "", 0)
	if text != "text of epi/default/test.txt" {
		t.Errorf("text = %q", text)
	}
	wantError(t, head(ctx, pod, "epi/hoge/test.txt"), "", 403)
	if call := server.LastCall(t); call.Operation != "HeadObject" || call.ErrorCode != "AccessDenied" || call.Decision != "s3:GetObject on arn:aws:s3:::bucket/epi/hoge/test.txt denied: no identity-based policy allows it" {
		t.Errorf("call = %+v", call)
	}
	_, err = get(ctx, pod, "epi/hoge/test.txt")
	wantError(t, err, "AccessDenied", 403)
	if !strings.Contains(err.Error(), `is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::bucket/epi/hoge/test.txt" because no identity-based policy allows the s3:GetObject action`) {
		t.Errorf("message = %v", err)
	}
	// A missing key under the caller's own prefix: 403 without s3:ListBucket.
	_, err = get(ctx, pod, "epi/default/none")
	wantError(t, err, "AccessDenied", 403)
	wantError(t, head(ctx, pod, "epi/default/none"), "", 403)
	_, err = pod.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: aws.String("bucket")})
	wantError(t, err, "AccessDenied", 403)
	_, err = pod.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("epi/default/new"), Body: strings.NewReader("x")})
	wantError(t, err, "", 0)
	_, err = pod.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("epi/hoge/new"), Body: strings.NewReader("x")})
	wantError(t, err, "AccessDenied", 403)
	if err := head(ctx, clientOf(server.Admin()), "epi/hoge/new"); err == nil {
		t.Error("the refused object was written")
	}
	wantError(t, head(ctx, clientOf(server.Admin()), "epi/default/none"), "", 404)
}

// CATALOGUE ABAC-06.
func TestListingByPrefix(t *testing.T) {
	_, server := setUp(t)
	c := session(t, server, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket","Condition":{"StringLike":{"s3:prefix":["epi/default/*","exact"]}}}]}`, nil)
	tests := []struct {
		prefix *string
		status int
		want   []string
	}{
		{aws.String("epi/default/"), 0, []string{"epi/default/test.txt"}},
		{aws.String("epi/default/test"), 0, []string{"epi/default/test.txt"}},
		{aws.String("exact"), 0, nil},
		{aws.String("epi/"), 403, nil},
		{aws.String("/epi/default/"), 403, nil},
		{aws.String(""), 403, nil},
		{nil, 403, nil},
	}
	for _, test := range tests {
		for _, delimiter := range []*string{nil, aws.String("/")} {
			out, err := c.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: aws.String("bucket"), Prefix: test.prefix, Delimiter: delimiter})
			wantError(t, err, "AccessDenied", test.status)
			if err != nil {
				continue
			}
			var got []string
			for _, object := range out.Contents {
				got = append(got, *object.Key)
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("prefix %s: got %v, want %v", *test.prefix, got, test.want)
			}
		}
	}
	// With s3:ListBucket and no condition on the prefix, a missing key is 404.
	reader := session(t, server, allowing(`"s3:GetObject","s3:ListBucket"`, "arn:aws:s3:::bucket*"), nil)
	_, err := get(t.Context(), reader, "none")
	wantError(t, err, "NoSuchKey", 404)
	if call := server.LastCall(t); !strings.Contains(call.Decision, "s3:GetObject on arn:aws:s3:::bucket/none allowed") || !strings.Contains(call.Decision, "s3:ListBucket on arn:aws:s3:::bucket allowed") {
		t.Errorf("decision = %s", call.Decision)
	}
}

// Each operation needs its own action on its own resource. With exactly that it works, and with every other permission it is
// refused.
func TestActions(t *testing.T) {
	bucket, key := aws.String("bucket"), aws.String("epi/default/test.txt")
	operations := []struct {
		name, action, resource string
		do                     func(context.Context, *sdk.Client) error
	}{
		{"ListBuckets", "s3:ListAllMyBuckets", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListBuckets(ctx, &sdk.ListBucketsInput{})
			return err
		}},
		{"CreateBucket", "s3:CreateBucket", "arn:aws:s3:::new-bucket", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: aws.String("new-bucket"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: iamtest.Region}})
			return err
		}},
		{"HeadBucket", "s3:ListBucket", "arn:aws:s3:::bucket", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: bucket})
			return err
		}},
		{"GetBucketLocation", "s3:GetBucketLocation", "arn:aws:s3:::bucket", func(ctx context.Context, c *sdk.Client) error {
			out, err := c.GetBucketLocation(ctx, &sdk.GetBucketLocationInput{Bucket: bucket})
			if err == nil && out.LocationConstraint != iamtest.Region {
				return fmt.Errorf("location %q", out.LocationConstraint)
			}
			return err
		}},
		{"ListObjectsV2", "s3:ListBucket", "arn:aws:s3:::bucket", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: bucket})
			return err
		}},
		{"ListObjects", "s3:ListBucket", "arn:aws:s3:::bucket", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListObjects(ctx, &sdk.ListObjectsInput{Bucket: bucket})
			return err
		}},
		{"ListMultipartUploads", "s3:ListBucketMultipartUploads", "arn:aws:s3:::bucket", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{Bucket: bucket})
			return err
		}},
		{"GetObject", "s3:GetObject", "arn:aws:s3:::bucket/epi/default/test.txt", func(ctx context.Context, c *sdk.Client) error {
			_, err := get(ctx, c, *key)
			return err
		}},
		{"HeadObject", "s3:GetObject", "arn:aws:s3:::bucket/epi/default/test.txt", func(ctx context.Context, c *sdk.Client) error {
			return head(ctx, c, *key)
		}},
		{"PutObject", "s3:PutObject", "arn:aws:s3:::bucket/epi/default/test.txt", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("x")})
			return err
		}},
		{"CreateMultipartUpload", "s3:PutObject", "arn:aws:s3:::bucket/epi/default/test.txt", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: bucket, Key: key})
			return err
		}},
		{"DeleteObject", "s3:DeleteObject", "arn:aws:s3:::bucket/epi/default/test.txt", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: bucket, Key: key})
			return err
		}},
		{"DeleteBucket", "s3:DeleteBucket", "arn:aws:s3:::empty", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteBucket(ctx, &sdk.DeleteBucketInput{Bucket: aws.String("empty")})
			return err
		}},
	}
	for _, operation := range operations {
		t.Run(operation.name, func(t *testing.T) {
			admin, server := setUp(t)
			if _, err := admin.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: aws.String("empty"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: iamtest.Region}}); err != nil {
				t.Fatal(err)
			}
			without := session(t, server, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"`+operation.action+`","Resource":"*"}}`, nil)
			wantError(t, operation.do(t.Context(), without), "", 403)
			elsewhere := session(t, server, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"`+operation.resource+`"}]}`, nil)
			wantError(t, operation.do(t.Context(), elsewhere), "", 403)
			with := session(t, server, allowing(`"`+operation.action+`"`, operation.resource), nil)
			wantError(t, operation.do(t.Context(), with), "", 0)
			if call := server.LastCall(t); call.Operation != operation.name {
				t.Errorf("journal has %q", call.Operation)
			}
		})
	}
}
