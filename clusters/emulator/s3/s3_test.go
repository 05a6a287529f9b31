package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/s3"
)

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`

// member is a second account.
const member = "210987654321"

func serve(t testing.TB) *iamtest.Server {
	server, _ := serveHandler(t, s3.Options{})
	return server
}

// serveHandler returns the handler itself too.
func serveHandler(t testing.TB, options s3.Options) (*iamtest.Server, http.Handler) {
	var handler http.Handler
	server := iamtest.NewWith(t, iam.Options{Members: []string{member}, Now: options.Now}, func(accounts *iam.Accounts) map[string]iamtest.Service {
		options.Authorizer, options.Region = accounts, iamtest.Region
		var err error
		if handler, err = s3.NewHandler(options); err != nil {
			t.Fatal(err)
		}
		objects := iamtest.Service{Handler: handler, Refuse: s3.WriteSignatureError}
		return map[string]iamtest.Service{"s3": objects, "": objects, "iam": {Handler: accounts.Handler(), Refuse: iam.WriteSignatureError}}
	})
	return server, handler
}

func clientOf(config aws.Config) *sdk.Client {
	return sdk.NewFromConfig(config, func(o *sdk.Options) { o.UsePathStyle = true })
}

// setUp makes a bucket "b" with the seed's objects.
func setUp(t testing.TB) (*sdk.Client, *iamtest.Server) {
	t.Helper()
	server := serve(t)
	admin := clientOf(server.Admin())
	makeBucket(t, admin, "bucket")
	for _, key := range []string{"epi/default/test.txt", "epi/hoge/test.txt", "top.txt"} {
		put(t, admin, key, "text of "+key)
	}
	return admin, server
}

func makeBucket(t testing.TB, c *sdk.Client, name string) {
	t.Helper()
	_, err := c.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: iamtest.Region}})
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, c *sdk.Client, key, text string) {
	t.Helper()
	if _, err := c.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: &key, Body: strings.NewReader(text)}); err != nil {
		t.Fatal(err)
	}
}

// session makes a role with the policy and returns a client with its credentials.
func session(t testing.TB, server *iamtest.Server, policy string, tags map[string]string) *sdk.Client {
	t.Helper()
	roles := iamsdk.NewFromConfig(server.Admin())
	name := fmt.Sprintf("role-%x", sha256.Sum256([]byte(t.Name()+policy)))[:40]
	role, err := roles.CreateRole(t.Context(), &iamsdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trust)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roles.PutRolePolicy(t.Context(), &iamsdk.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
	issued, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{RoleARN: *role.Role.Arn, SessionName: "pod", Duration: time.Hour, Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	return clientOf(server.Config(issued.AccessKeyID, issued.SecretAccessKey, issued.SessionToken))
}

func allowing(actions, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":"` + resource + `"}]}`
}

// wantError checks code and HTTP status; code "" wants success, status alone is for HEAD.
func wantError(t *testing.T, err error, code string, status int) {
	t.Helper()
	if status == 0 {
		if err != nil {
			t.Fatalf("got %v", err)
		}
		return
	}
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || response.HTTPStatusCode() != status {
		t.Fatalf("got %v, want %s with %d", err, code, status)
	}
	if api, ok := errors.AsType[smithy.APIError](err); code != "" && (!ok || api.ErrorCode() != code) {
		t.Fatalf("got %v, want %s", err, code)
	}
}

func get(ctx context.Context, c *sdk.Client, key string) (string, error) {
	out, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: &key})
	if err != nil {
		return "", err
	}
	defer func() { _ = out.Body.Close() }()
	text, err := io.ReadAll(out.Body)
	return string(text), err
}

func head(ctx context.Context, c *sdk.Client, key string) error {
	_, err := c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: &key})
	return err
}

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
	// A missing key in the own prefix: 403 without s3:ListBucket.
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
	// With s3:ListBucket in any form that fits no prefix, a missing key still is 403; with all of it, 404.
	reader := session(t, server, allowing(`"s3:GetObject","s3:ListBucket"`, "arn:aws:s3:::bucket*"), nil)
	_, err := get(t.Context(), reader, "none")
	wantError(t, err, "NoSuchKey", 404)
	if call := server.LastCall(t); !strings.Contains(call.Decision, "s3:GetObject on arn:aws:s3:::bucket/none allowed") || !strings.Contains(call.Decision, "s3:ListBucket on arn:aws:s3:::bucket allowed") {
		t.Errorf("decision = %s", call.Decision)
	}
}

// Each operation needs its own action on its own resource: with exactly that it works, with
// everything but that it is refused.
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
	// Neither side may be left out, in any spelling of the source.
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
	// The upload belongs to its key, whoever knows its ID.
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
	// PutObject: the new object replaces all of the old one, its metadata and checksum too.
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
	// The SDK always sends one.
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
	wantError(t, create(c, "Upper", iamtest.Region), "InvalidBucketName", 400)
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

// What is not mapped to an action is refused, for the administrator too.
func TestUnmapped(t *testing.T) {
	_, server := setUp(t)
	for _, test := range []struct{ method, target string }{
		{"PUT", "/bucket?acl"}, {"PUT", "/bucket?encryption"}, {"PUT", "/bucket?lifecycle"}, {"DELETE", "/bucket?cors"}, {"POST", "/bucket"},
		{"GET", "/bucket?inventory"}, {"GET", "/bucket?policy&versioning"}, {"GET", "/bucket?versionId=null"}, {"HEAD", "/bucket?location"},
		{"GET", "/bucket?nonsense"}, {"GET", "/bucket?location&acl"}, {"GET", "/bucket?list-type=2&acl"}, {"PUT", "/bucket?tagging=x&policy"},
		{"PUT", "/bucket/top.txt?acl"}, {"GET", "/bucket/top.txt?torrent"}, {"PUT", "/bucket/top.txt?retention"}, {"PUT", "/bucket/top.txt?versionId=null"},
		{"DELETE", "/bucket/top.txt?acl"}, {"GET", "/bucket/top.txt?legal-hold"}, {"POST", "/bucket/top.txt?select"}, {"POST", "/bucket/top.txt?restore"},
		{"PATCH", "/bucket/top.txt"}, {"OPTIONS", "/bucket/top.txt"}, {"PUT", "/"}, {"GET", "/bucket/top.txt?uploads"}, {"POST", "/bucket/top.txt"},
		{"PUT", "/bucket/top.txt?partNumber=1"}, {"DELETE", "/bucket/top.txt?uploads"}, {"GET", "/bucket/top.txt?uploadId=1&versionId=null"},
	} {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			status, body := raw(t, server, test.method, test.target, nil)
			if status != http.StatusNotImplemented || test.method != "HEAD" && !strings.Contains(body, "<Code>NotImplemented</Code>") {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
}

// raw sends a request that no SDK would send, signed by the administrator.
func raw(t *testing.T, server *iamtest.Server, method, target string, headers map[string]string) (int, string) {
	t.Helper()
	return rawAs(t, server, aws.Credentials{AccessKeyID: iamtest.AccessKeyID, SecretAccessKey: iamtest.SecretAccessKey}, method, target, headers)
}

func rawAs(t *testing.T, server *iamtest.Server, who aws.Credentials, method, target string, headers map[string]string) (int, string) {
	t.Helper()
	response, text := send(t, server, who, method, target, "", headers)
	return response.StatusCode, text
}

// rawBody sends a body with its MD5.
func rawBody(t *testing.T, server *iamtest.Server, method, target, body string, headers map[string]string) (int, string) {
	t.Helper()
	sum := md5.Sum([]byte(body))
	all := map[string]string{"Content-Md5": base64.StdEncoding.EncodeToString(sum[:])}
	maps.Copy(all, headers)
	response, text := send(t, server, aws.Credentials{AccessKeyID: iamtest.AccessKeyID, SecretAccessKey: iamtest.SecretAccessKey}, method, target, body, all)
	return response.StatusCode, text
}

// send sends a request, signed unless who is nobody, and reads the answer.
func send(t *testing.T, server *iamtest.Server, who aws.Credentials, method, target, body string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(body))
	r.Header.Set("Accept-Encoding", "identity") // or the transport would decode what is stored encoded
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	if host := headers["Host"]; host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if who.AccessKeyID != "" {
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
		err = v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(hash[:]), "s3", iamtest.Region, time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// Attempts to be decided on as one thing and served as another.
func TestConfusion(t *testing.T) {
	admin, server := setUp(t)
	role, err := server.Accounts.CreateServiceRole("narrow", "ec2.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	_, err = iamsdk.NewFromConfig(server.Admin()).PutRolePolicy(t.Context(), &iamsdk.PutRolePolicyInput{RoleName: aws.String("narrow"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject","s3:AbortMultipartUpload","s3:ListMultipartUploadParts"],"Resource":"arn:aws:s3:::bucket/epi/default/*"},{"Effect":"Allow","Action":["s3:AbortMultipartUpload","s3:ListMultipartUploadParts"],"Resource":"*"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{RoleARN: role.ARN, SessionName: "pod", Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	who := aws.Credentials{AccessKeyID: issued.AccessKeyID, SecretAccessKey: issued.SecretAccessKey, SessionToken: issued.SessionToken}
	tests := []struct {
		name, method, target string
		headers              map[string]string
		status               int
	}{
		{"dots", "GET", "/bucket/epi/default/../hoge/test.txt", nil, 403},
		{"encoded dots", "GET", "/bucket/epi/default/%2E%2E/hoge/test.txt", nil, 403},
		{"double encoding", "GET", "/bucket/epi/default/%252E%252E/hoge/test.txt", nil, 403},
		{"encoded slash in the bucket's place", "GET", "/bucket%2Fepi%2Fhoge%2Ftest.txt", nil, 403},
		{"two slashes before the bucket", "GET", "//bucket/epi/hoge/test.txt", nil, 400},
		{"empty upload ID, to delete with the right to abort", "DELETE", "/bucket/epi/hoge/test.txt?uploadId=", nil, 400},
		{"empty upload ID, to read with the right to list parts", "GET", "/bucket/epi/hoge/test.txt?uploadId=", nil, 400},
		{"upload ID twice", "GET", "/bucket/epi/hoge/test.txt?uploadId=1&uploadId=", nil, 400},
		{"another host's bucket", "GET", "/epi/hoge/test.txt", map[string]string{"Host": "bucket.s3.us-west-2.amazonaws.com"}, 403},
		{"a copy's source in another case", "PUT", "/bucket/epi/default/x", map[string]string{"x-AMZ-copy-source": "bucket/epi/hoge/test.txt"}, 403},
		{"force delete of another S3", "DELETE", "/bucket", map[string]string{"X-Minio-Force-Delete": "true"}, 403},
		{"an ACL besides the object", "PUT", "/bucket/epi/default/x", map[string]string{"X-Amz-Acl": "public-read"}, 403},
		{"a grant besides the object", "PUT", "/bucket/epi/default/x", map[string]string{"X-Amz-Grant-Read": "id=1"}, 501},
		{"tags besides the object", "PUT", "/bucket/epi/default/x", map[string]string{"X-Amz-Tagging": "a=b"}, 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if status, body := rawAs(t, server, who, test.method, test.target, test.headers); status != test.status || strings.Contains(body, "text of") {
				t.Errorf("got %d %s, want %d", status, body, test.status)
			}
		})
	}
	for _, key := range []string{"epi/hoge/test.txt", "epi/default/test.txt"} {
		wantError(t, head(t.Context(), admin, key), "", 0)
	}
	if status, body := raw(t, server, "GET", "/epi/default/test.txt", map[string]string{"Host": "bucket.s3.us-west-2.amazonaws.com:4566"}); status != 200 || body != "text of epi/default/test.txt" {
		t.Errorf("virtual host: %d %s", status, body)
	}
}

// Nothing of the writer's request but its metadata reaches a reader.
func TestNoCredentialsInMetadata(t *testing.T) {
	admin, server := setUp(t)
	writer := session(t, server, allowing(`"s3:PutObject"`, "*"), nil)
	put(t, writer, "o", "text")
	out, err := admin.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("o")})
	wantError(t, err, "", 0)
	if len(out.Metadata) != 0 {
		t.Errorf("metadata = %v", out.Metadata)
	}
	r, err := sdk.NewPresignClient(admin).PresignGetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("o")})
	wantError(t, err, "", 0)
	response, err := http.Get(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != 200 {
		t.Errorf("presigned: %d", response.StatusCode)
	}
	for name := range response.Header {
		if strings.HasPrefix(name, "X-Amz-") && name != "X-Amz-Request-Id" && name != "X-Amz-Bucket-Region" && name != "X-Amz-Server-Side-Encryption" {
			t.Errorf("header %s = %v", name, response.Header[name])
		}
	}
}

func TestBadCredentials(t *testing.T) {
	// CATALOGUE part 2, 27, and ErrorResponses.
	_, server := setUp(t)
	role, err := server.Accounts.CreateServiceRole("r", "ec2.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	issued, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{RoleARN: role.ARN, SessionName: "pod", Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config aws.Config
		code   string
		status int
	}{
		"unknown key":   {server.Config("AKIANOBODY", "x", ""), "InvalidAccessKeyId", 403},
		"wrong secret":  {server.Config(iamtest.AccessKeyID, "x", ""), "SignatureDoesNotMatch", 403},
		"mangled token": {server.Config(issued.AccessKeyID, issued.SecretAccessKey, "x"), "InvalidToken", 400},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := get(t.Context(), clientOf(test.config), "top.txt")
			wantError(t, err, test.code, test.status)
		})
	}
	response, err := http.Get(server.URL + "/bucket/top.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != 403 || !strings.Contains(string(body), "<Code>AccessDenied</Code><Message>Access Denied</Message>") {
		t.Errorf("unsigned: %d %s", response.StatusCode, body)
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
