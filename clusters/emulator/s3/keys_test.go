package s3_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func conditioned(action, condition string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"` + action + `","Resource":"*","Condition":{` + condition + `}}]}`
}

// Condition keys by the service authorization reference's table of actions. Each row denies under a condition. The request refused
// meets the condition, and the request taken does not.
func TestConditionKeys(t *testing.T) {
	bucket := aws.String("bucket")
	getting := func(key, version string) func(context.Context, *sdk.Client) error {
		return func(ctx context.Context, c *sdk.Client) error {
			in := &sdk.GetObjectInput{Bucket: bucket, Key: &key}
			if version != "" {
				in.VersionId = &version
			}
			_, err := c.GetObject(ctx, in)
			return err
		}
	}
	putting := func(change func(*sdk.PutObjectInput)) func(context.Context, *sdk.Client) error {
		return func(ctx context.Context, c *sdk.Client) error {
			in := &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("new"), Body: strings.NewReader("x")}
			change(in)
			_, err := c.PutObject(ctx, in)
			return err
		}
	}
	listing := func(change func(*sdk.ListObjectsV2Input)) func(context.Context, *sdk.Client) error {
		return func(ctx context.Context, c *sdk.Client) error {
			in := &sdk.ListObjectsV2Input{Bucket: bucket}
			change(in)
			_, err := c.ListObjectsV2(ctx, in)
			return err
		}
	}
	plain := putting(func(*sdk.PutObjectInput) {})
	tagged := func(key string) func(context.Context, *sdk.Client) error {
		return func(ctx context.Context, c *sdk.Client) error {
			_, err := c.PutObjectTagging(ctx, &sdk.PutObjectTaggingInput{Bucket: bucket, Key: aws.String("top.txt"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: &key, Value: aws.String("v")}}}})
			return err
		}
	}
	beginning := func(ctx context.Context, c *sdk.Client) error {
		_, err := c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("new")})
		return err
	}
	copying := func(source string, change func(*sdk.CopyObjectInput)) func(context.Context, *sdk.Client) error {
		return func(ctx context.Context, c *sdk.Client) error {
			in := &sdk.CopyObjectInput{Bucket: bucket, Key: aws.String("new"), CopySource: &source}
			change(in)
			_, err := c.CopyObject(ctx, in)
			return err
		}
	}
	as := func(*sdk.CopyObjectInput) {}
	for _, test := range []struct {
		name, action, condition string
		refused, taken          func(context.Context, *sdk.Client) error
	}{
		{"ExistingObjectTag on GetObject", "s3:GetObject", `"StringEquals":{"s3:ExistingObjectTag/team":"blue"}`, getting("tagged", ""), getting("top.txt", "")},
		{"ExistingObjectTag, in another case", "s3:GetObject", `"StringEquals":{"s3:existingobjecttag/Team":"Blue"}`, nil, getting("tagged", "")},
		{"ExistingObjectTag on PutObjectTagging", "s3:PutObjectTagging", `"Null":{"s3:ExistingObjectTag/team":"true"}`, tagged("a"), nil},
		{"ExistingObjectTag of a copy's source", "s3:GetObject", `"StringEquals":{"s3:ExistingObjectTag/team":"blue"}`, copying("bucket/tagged", as), copying("bucket/top.txt", as)},
		// tagging-and-policies: not for PutObject, which would write over the tag.
		{"ExistingObjectTag on PutObject", "s3:PutObject", `"StringEquals":{"s3:ExistingObjectTag/team":"blue"}`, nil, putting(func(in *sdk.PutObjectInput) { in.Key = aws.String("tagged") })},
		{"RequestObjectTag", "s3:PutObjectTagging", `"StringEquals":{"s3:RequestObjectTag/secret":"v"}`, tagged("secret"), tagged("open")},
		{"RequestObjectTag in a header", "s3:PutObject", `"StringEquals":{"s3:RequestObjectTag/a b":"1+2"}`,
			putting(func(in *sdk.PutObjectInput) { in.Tagging = aws.String("a%20b=1%2B2") }), putting(func(in *sdk.PutObjectInput) { in.Tagging = aws.String("a+b=1+2") })},
		{"RequestObjectTagKeys", "s3:PutObject*", `"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["x"]}`,
			putting(func(in *sdk.PutObjectInput) { in.Tagging = aws.String("y=1&x=2") }), putting(func(in *sdk.PutObjectInput) { in.Tagging = aws.String("y=1") })},
		{"tags need their permission", "s3:PutObjectTagging", `"Bool":{"aws:SecureTransport":"false"}`, putting(func(in *sdk.PutObjectInput) { in.Tagging = aws.String("y=1") }), plain},
		{"copied tags need it too", "s3:PutObjectTagging", `"StringEquals":{"s3:RequestObjectTag/team":"blue"}`, copying("bucket/tagged", as),
			copying("bucket/tagged", func(in *sdk.CopyObjectInput) { in.TaggingDirective = types.TaggingDirectiveReplace })},
		{"copied tags must be readable", "s3:GetObjectTagging", `"StringEquals":{"s3:ExistingObjectTag/team":"blue"}`, copying("bucket/tagged", as), copying("bucket/top.txt", as)},
		{"VersionId", "s3:GetObjectVersion", `"StringEquals":{"s3:VersionId":"null"}`, getting("top.txt", "null"), getting("top.txt", "")},
		{"versions have actions of their own", "s3:GetObject", `"Bool":{"aws:SecureTransport":"false"}`, getting("top.txt", ""), getting("top.txt", "null")},
		{"prefix", "s3:ListBucket", `"StringEquals":{"s3:prefix":""}`, listing(func(in *sdk.ListObjectsV2Input) { in.Prefix = aws.String("") }), listing(func(*sdk.ListObjectsV2Input) {})},
		{"delimiter", "s3:ListBucket", `"StringEquals":{"s3:delimiter":"/"}`, listing(func(in *sdk.ListObjectsV2Input) { in.Delimiter = aws.String("/") }), listing(func(*sdk.ListObjectsV2Input) {})},
		{"max-keys", "s3:ListBucket", `"NumericGreaterThan":{"s3:max-keys":"10"}`, listing(func(in *sdk.ListObjectsV2Input) { in.MaxKeys = aws.Int32(11) }), listing(func(in *sdk.ListObjectsV2Input) { in.MaxKeys = aws.Int32(10) })},
		{"x-amz-acl", "s3:PutObject", `"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}`, putting(func(in *sdk.PutObjectInput) { in.ACL = types.ObjectCannedACLBucketOwnerFullControl }), plain},
		{"an ACL needs its permission", "s3:PutObjectAcl", `"Bool":{"aws:SecureTransport":"false"}`, putting(func(in *sdk.PutObjectInput) { in.ACL = types.ObjectCannedACLBucketOwnerFullControl }), plain},
		{"x-amz-storage-class", "s3:PutObject", `"StringNotEquals":{"s3:x-amz-storage-class":"STANDARD_IA"}`, plain, putting(func(in *sdk.PutObjectInput) { in.StorageClass = types.StorageClassStandardIa })},
		{"x-amz-server-side-encryption", "s3:PutObject", `"Null":{"s3:x-amz-server-side-encryption":"true"}`, plain, putting(func(in *sdk.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAes256 })},
		{"x-amz-copy-source", "s3:PutObject", `"StringNotLike":{"s3:x-amz-copy-source":"bucket/epi/*"},"Null":{"s3:x-amz-copy-source":"false"}`, copying("bucket/top.txt", as), copying("bucket/epi/hoge/test.txt", as)},
		{"x-amz-metadata-directive", "s3:PutObject", `"StringEquals":{"s3:x-amz-metadata-directive":"REPLACE"}`, copying("bucket/top.txt", func(in *sdk.CopyObjectInput) { in.MetadataDirective = types.MetadataDirectiveReplace }), copying("bucket/top.txt", as)},
		{"x-amz-content-sha256", "s3:GetObject", `"StringEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}`, nil, getting("top.txt", "")},
		{"signatureversion", "s3:GetObject", `"StringNotEquals":{"s3:signatureversion":"AWS4-HMAC-SHA256"}`, nil, getting("top.txt", "")},
		{"authType", "s3:GetObject", `"StringEquals":{"s3:authType":"REST-HEADER"}`, getting("top.txt", ""), nil},
		{"signatureAge of a header", "s3:GetObject", `"Null":{"s3:signatureAge":"false"}`, nil, getting("top.txt", "")},
		{"ResourceAccount", "s3:GetObject", `"StringEquals":{"s3:ResourceAccount":"123456789012"}`, getting("top.txt", ""), nil},
		{"TlsVersion, without TLS", "s3:GetObject", `"NumericLessThan":{"s3:TlsVersion":"1.2"}`, nil, getting("top.txt", "")},
		// conditional-writes-enforce: the example policy.
		{"if-none-match", "s3:PutObject", `"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}`, plain,
			putting(func(in *sdk.PutObjectInput) { in.Key, in.IfNoneMatch = aws.String("fresh"), aws.String("*") })},
		{"ObjectCreationOperation", "s3:PutObject", `"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}`, copying("bucket/top.txt", as), beginning},
		{"if-match", "s3:PutObject", `"Null":{"s3:if-match":"true"}`, plain,
			putting(func(in *sdk.PutObjectInput) {
				in.Key, in.IfMatch = aws.String("tagged"), aws.String(`"9dd4e461268c8034f5c8564e155c67a6"`)
			})},
		{"if-match needs s3:GetObject", "s3:GetObject", `"Bool":{"aws:SecureTransport":"false"}`,
			putting(func(in *sdk.PutObjectInput) {
				in.Key, in.IfMatch = aws.String("tagged"), aws.String(`"9dd4e461268c8034f5c8564e155c67a6"`)
			}), plain},
	} {
		t.Run(test.name, func(t *testing.T) {
			admin, server := setUp(t)
			if _, err := admin.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("tagged"), Body: strings.NewReader("x"), Tagging: aws.String("team=blue")}); err != nil {
				t.Fatal(err)
			}
			c := session(t, server, conditioned(test.action, test.condition), nil)
			if test.refused != nil {
				wantError(t, test.refused(t.Context(), c), "AccessDenied", 403)
			}
			if test.taken != nil {
				wantError(t, test.taken(t.Context(), c), "", 0)
			}
		})
	}
}

// A presigned URL has keys of its own.
func TestPresignedKeys(t *testing.T) {
	_, server := setUp(t)
	for name, test := range map[string]struct {
		condition string
		status    int
	}{
		"authType":        {`"StringEquals":{"s3:authType":"REST-QUERY-STRING"}`, 403},
		"another":         {`"StringEquals":{"s3:authType":"REST-HEADER"}`, 200},
		"signatureAge":    {`"NumericLessThan":{"s3:signatureAge":"60000"}`, 403},
		"an older one":    {`"NumericGreaterThan":{"s3:signatureAge":"60000"}`, 200},
		"response header": {`"Bool":{"aws:SecureTransport":"true"}`, 200},
	} {
		c := session(t, server, conditioned("s3:GetObject", test.condition), nil)
		signed, err := sdk.NewPresignClient(c).PresignGetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("top.txt"), ResponseContentType: aws.String("text/odd")})
		if err != nil {
			t.Fatal(err)
		}
		response, _ := send(t, server, aws.Credentials{}, "GET", strings.TrimPrefix(signed.URL, server.URL), "", nil)
		if response.StatusCode != test.status || test.status == 200 && response.Header.Get("Content-Type") != "text/odd" {
			t.Errorf("%s: %d %v", name, response.StatusCode, response.Header)
		}
	}
}
