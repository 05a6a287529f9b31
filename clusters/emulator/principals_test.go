package emulator

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// codeOf returns the error code of an answer; "" for none.
func codeOf(err error) string {
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return refused.ErrorCode()
	}
	return ""
}

// TestPrincipalsAreBound: bucket policies and trust policies can name only existing users and roles. One that is deleted
// and created again under the same name is another one, and the policy then shows the unique ID of the deleted one
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-bucket-user-policy-specifying-principal-intro.html).
func TestPrincipalsAreBound(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	bucket := aws.String("bound")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := admin.s3.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	must(err)
	_, err = admin.s3.PutObject(ctx, &awss3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("text")})
	must(err)
	put := func(principal string) error {
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bound/*"}]}`
		_, err := admin.s3.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: bucket, Policy: &text})
		return err
	}
	trustOf := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}}`
	}
	trust := func(principal string) error {
		text := trustOf(principal)
		_, err := admin.iam.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: aws.String("target"), PolicyDocument: &text})
		return err
	}
	shown := func() (bucketPolicy, trustPolicy string) {
		t.Helper()
		got, err := admin.s3.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: bucket})
		must(err)
		role, err := admin.iam.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("target")})
		must(err)
		document, err := url.QueryUnescape(*role.Role.AssumeRolePolicyDocument)
		must(err)
		return *got.Policy, document
	}
	reads := func(who clients) bool {
		_, err := who.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: aws.String("k")})
		return err == nil
	}
	const missing = "arn:aws:iam::" + accountID12 + ":role/missing"
	w.role(t, "target", trustOf(accountID12), "")
	if err := put(missing); codeOf(err) != "MalformedPolicy" || !strings.Contains(err.Error(), "Invalid principal in policy") {
		t.Errorf("a bucket policy that names a role that does not exist: %v", err)
	}
	if err := trust(missing); codeOf(err) != "MalformedPolicyDocument" || !strings.Contains(err.Error(), `Invalid principal in policy: "AWS":"`+missing+`"`) {
		t.Errorf("a trust policy that names a role that does not exist: %v", err)
	}

	const open = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + accountID12 + `"},"Action":"sts:AssumeRole"}}`
	reader := w.role(t, "reader", open, "")
	made, err := admin.iam.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("reader")})
	must(err)
	id := *made.Role.RoleId
	must(put(reader))
	must(trust(reader))
	if !reads(w.assume(t, admin, reader, nil)) {
		t.Error("the role that the bucket policy names cannot read")
	}
	if bucketPolicy, trustPolicy := shown(); !strings.Contains(bucketPolicy, `"`+reader+`"`) || !strings.Contains(trustPolicy, `"`+reader+`"`) {
		t.Errorf("while the role exists: %s %s", bucketPolicy, trustPolicy)
	}

	_, err = admin.iam.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("reader")})
	must(err)
	again := w.role(t, "reader", open, "")
	if reads(w.assume(t, admin, again, nil)) {
		t.Error("another role of the same name can read")
	}
	for _, text := range func() []string { b, r := shown(); return []string{b, r} }() {
		if !strings.Contains(text, `"`+id+`"`) || strings.Contains(text, reader) {
			t.Errorf("after the role is gone: %s", text)
		}
	}
	if err := put(id); codeOf(err) != "MalformedPolicy" {
		t.Errorf("a bucket policy with the ID of a role that is gone: %v", err)
	}
	if err := trust(id); codeOf(err) != "MalformedPolicyDocument" {
		t.Errorf("a trust policy with the ID of a role that is gone: %v", err)
	}

	must(put(again))
	if !reads(w.assume(t, admin, again, nil)) {
		t.Error("the role that the new bucket policy names cannot read")
	}
}
