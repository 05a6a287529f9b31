package s3_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
)

// ofMember is a client of the second account, with every permission there.
func ofMember(t testing.TB, server *iamtest.Server) *sdk.Client {
	t.Helper()
	issued, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{
		RoleARN: "arn:aws:iam::" + member + ":role/" + iam.MemberAccessRole, SessionName: "other", Duration: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return clientOf(server.Config(issued.AccessKeyID, issued.SecretAccessKey, issued.SessionToken))
}

func anonymous(server *iamtest.Server) *sdk.Client {
	config := server.Config("", "", "")
	config.Credentials = aws.AnonymousCredentials{}
	return clientOf(config)
}

func setPolicy(ctx context.Context, c *sdk.Client, statements string) error {
	_, err := c.PutBucketPolicy(ctx, &sdk.PutBucketPolicyInput{Bucket: aws.String("bucket"), Policy: aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)})
	return err
}

// openUp turns off Block Public Access, so that public policies count.
func openUp(t testing.TB, c *sdk.Client) {
	t.Helper()
	if _, err := c.DeletePublicAccessBlock(t.Context(), &sdk.DeletePublicAccessBlockInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
}

const everyoneMayGet = `{"Sid":"open","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/epi/*"}`

func TestBucketPolicy(t *testing.T) {
	// GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus.
	c, server := setUp(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	_, err := c.GetBucketPolicy(ctx, &sdk.GetBucketPolicyInput{Bucket: bucket})
	wantError(t, err, "NoSuchBucketPolicy", 404)
	_, err = c.GetBucketPolicyStatus(ctx, &sdk.GetBucketPolicyStatusInput{Bucket: bucket})
	wantError(t, err, "NoSuchBucketPolicy", 404)
	wantError(t, setPolicy(ctx, c, `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"}`), "MalformedPolicy", 400)
	wantError(t, setPolicy(ctx, c, strings.Repeat(" ", 20<<10)), "PolicyTooLarge", 400)

	const denied = `{"Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/top.txt"}`
	wantError(t, setPolicy(ctx, c, denied), "", 0)
	out, err := c.GetBucketPolicy(ctx, &sdk.GetBucketPolicyInput{Bucket: bucket})
	if err != nil || *out.Policy != `{"Version":"2012-10-17","Statement":[`+denied+`]}` {
		t.Errorf("policy %+v, %v", out, err)
	}
	status, err := c.GetBucketPolicyStatus(ctx, &sdk.GetBucketPolicyStatusInput{Bucket: bucket})
	if err != nil || *status.PolicyStatus.IsPublic {
		t.Errorf("status %+v, %v", status, err)
	}
	// An explicit deny in the bucket's policy overrides an allow in the identity's policy.
	_, err = get(ctx, c, "top.txt")
	wantError(t, err, "AccessDenied", 403)
	if !strings.Contains(err.Error(), "with an explicit deny in a resource-based policy") {
		t.Errorf("message: %v", err)
	}
	// The bucket's policy is enough within the account (CATALOGUE part 2, 16).
	role := session(t, server, allowing(`"s3:ListAllMyBuckets"`, "*"), nil)
	_, err = get(ctx, role, "epi/default/test.txt")
	wantError(t, err, "AccessDenied", 403)
	caller := server.LastCall(t)
	if !strings.Contains(caller.Decision, "denied") {
		t.Errorf("decision %q", caller.Decision)
	}
	wantError(t, setPolicy(ctx, c, `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/epi/*","Condition":{"StringEquals":{"aws:PrincipalAccount":"123456789012"}}}`), "", 0)
	if text, err := get(ctx, role, "epi/default/test.txt"); err != nil || !strings.HasPrefix(text, "text of") {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := c.DeleteBucketPolicy(ctx, &sdk.DeleteBucketPolicyInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
	_, err = get(ctx, role, "epi/default/test.txt")
	wantError(t, err, "AccessDenied", 403)
	if text, err := get(ctx, c, "top.txt"); err != nil || text != "text of top.txt" {
		t.Errorf("%q, %v", text, err)
	}
}

// Every bucket blocks public access until its configuration is changed (access-control-block-public-access).
func TestPublicAccessBlock(t *testing.T) {
	c, server := setUp(t)
	ctx, bucket, unsigned := t.Context(), aws.String("bucket"), anonymous(server)
	read := func() error {
		_, err := get(ctx, unsigned, "epi/default/test.txt")
		return err
	}
	block := func(b types.PublicAccessBlockConfiguration) {
		t.Helper()
		if _, err := c.PutPublicAccessBlock(ctx, &sdk.PutPublicAccessBlockInput{Bucket: bucket, PublicAccessBlockConfiguration: &b}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := c.GetPublicAccessBlock(ctx, &sdk.GetPublicAccessBlockInput{Bucket: bucket})
	if b := out.PublicAccessBlockConfiguration; err != nil || !*b.BlockPublicAcls || !*b.BlockPublicPolicy || !*b.IgnorePublicAcls || !*b.RestrictPublicBuckets {
		t.Errorf("new bucket: %+v, %v", out, err)
	}
	err = setPolicy(ctx, c, everyoneMayGet)
	wantError(t, err, "AccessDenied", 403)
	if !strings.Contains(err.Error(), "BlockPublicPolicy") {
		t.Errorf("message: %v", err)
	}
	wantError(t, read(), "AccessDenied", 403)

	block(types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)})
	wantError(t, setPolicy(ctx, c, everyoneMayGet), "", 0)
	wantError(t, read(), "AccessDenied", 403)
	if call := server.LastCall(t); !strings.Contains(call.Decision, "RestrictPublicBuckets") || call.Operation != "GetObject" {
		t.Errorf("call %+v", call)
	}
	other := ofMember(t, server)
	_, err = get(ctx, other, "epi/default/test.txt")
	wantError(t, err, "AccessDenied", 403)
	// The owner's account is not refused.
	role := session(t, server, allowing(`"s3:ListAllMyBuckets"`, "*"), nil)
	if _, err := get(ctx, role, "epi/default/test.txt"); err != nil {
		t.Error(err)
	}

	openUp(t, c)
	_, err = c.GetPublicAccessBlock(ctx, &sdk.GetPublicAccessBlockInput{Bucket: bucket})
	wantError(t, err, "NoSuchPublicAccessBlockConfiguration", 404)
	wantError(t, read(), "", 0)
	status, err := c.GetBucketPolicyStatus(ctx, &sdk.GetBucketPolicyStatusInput{Bucket: bucket})
	if err != nil || !*status.PolicyStatus.IsPublic {
		t.Errorf("status %+v, %v", status, err)
	}
}

func TestAnonymous(t *testing.T) {
	c, server := setUp(t)
	openUp(t, c)
	ctx, bucket, unsigned := t.Context(), aws.String("bucket"), anonymous(server)
	wantError(t, setPolicy(ctx, c, everyoneMayGet+
		`,{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/drop/*"}`+
		`,{"Effect":"Allow","Principal":{"AWS":["123456789012","arn:aws:iam::123456789012:user/epi-admin"]},"Action":"s3:*","Resource":["arn:aws:s3:::bucket/top.txt","arn:aws:s3:::bucket"]}`+
		`,{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/epi/hoge/*"}`+
		`,{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/epi/secure/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`), "", 0)
	put(t, c, "epi/secure/x", "text of epi/secure/x")
	for key, test := range map[string]struct {
		code   string
		status int
	}{
		"epi/default/test.txt": {"", 0},
		"epi/hoge/test.txt":    {"AccessDenied", 403},
		"epi/secure/x":         {"AccessDenied", 403},
		"epi/default/missing":  {"AccessDenied", 403},
		"top.txt":              {"AccessDenied", 403},
	} {
		text, err := get(ctx, unsigned, key)
		wantError(t, err, test.code, test.status)
		if test.status == 0 && text != "text of "+key {
			t.Errorf("%s: %q", key, text)
		}
	}
	_, err := unsigned.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("drop/x"), Body: strings.NewReader("x")})
	wantError(t, err, "", 0)
	for name, do := range map[string]func() error{
		"ListBuckets": func() error {
			_, err := unsigned.ListBuckets(ctx, &sdk.ListBucketsInput{})
			return err
		},
		"CreateBucket": func() error {
			_, err := unsigned.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: aws.String("nobodys"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: iamtest.Region}})
			return err
		},
		"PutBucketPolicy": func() error { return setPolicy(ctx, unsigned, everyoneMayGet) },
		"DeleteBucket": func() error {
			_, err := unsigned.DeleteBucket(ctx, &sdk.DeleteBucketInput{Bucket: bucket})
			return err
		},
		"ListObjectsV2": func() error {
			_, err := unsigned.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: bucket})
			return err
		},
	} {
		err := do()
		wantError(t, err, "AccessDenied", 403)
		if call := server.LastCall(t); call.Operation != name || strings.Contains(err.Error(), "not authorized") {
			t.Errorf("%s is %s: %v", name, call.Operation, err)
		}
	}
	// "Request specific response headers cannot be used for anonymous GET requests" (GetObject).
	response, body := send(t, server, aws.Credentials{}, http.MethodGet, "/bucket/epi/default/test.txt?response-content-type=text/html", "", nil)
	if response.StatusCode != 400 || !strings.Contains(body, "<Code>InvalidRequest</Code>") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	response, body = send(t, server, aws.Credentials{}, http.MethodPut, "/bucket/drop/chunked", "1\r\nx\r\n0\r\n\r\n",
		map[string]string{"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding": "aws-chunked"})
	if response.StatusCode != 501 || !strings.Contains(body, "<Code>NotImplemented</Code>") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	// The sender of a body that is not read still gets the refusal.
	response, body = send(t, server, aws.Credentials{}, http.MethodPut, "/bucket/refused", strings.Repeat("x", 300<<10), nil)
	if response.StatusCode != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// A bucket has one owner, while names are global across accounts.
func TestAccounts(t *testing.T) {
	c, server := setUp(t)
	ctx, bucket, other := t.Context(), aws.String("bucket"), ofMember(t, server)
	config := &types.CreateBucketConfiguration{LocationConstraint: iamtest.Region}
	_, err := other.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: config})
	wantError(t, err, "BucketAlreadyExists", 409)
	_, err = c.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: config})
	wantError(t, err, "BucketAlreadyOwnedByYou", 409)
	makeBucket(t, other, "theirs")
	for client, want := range map[*sdk.Client]string{c: "bucket", other: "theirs"} {
		out, err := client.ListBuckets(ctx, &sdk.ListBucketsInput{})
		if err != nil || len(out.Buckets) != 1 || *out.Buckets[0].Name != want || *out.Buckets[0].BucketRegion != iamtest.Region {
			t.Errorf("%s: %+v, %v", want, out, err)
		}
	}
	for _, owner := range []struct {
		id     string
		status int
	}{{iamtest.AccountID, 0}, {member, 403}} {
		_, err := c.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: bucket, ExpectedBucketOwner: &owner.id})
		wantError(t, err, "", owner.status)
	}

	// Both sides must allow (CATALOGUE part 2, 16).
	_, err = get(ctx, other, "epi/default/test.txt")
	wantError(t, err, "AccessDenied", 403)
	if strings.Contains(err.Error(), "policy") {
		t.Errorf("another account gets the reason: %v", err)
	}
	wantError(t, setPolicy(ctx, c, `{"Effect":"Allow","Principal":{"AWS":"`+member+`"},"Action":["s3:GetObject","s3:PutObject","s3:GetBucketPolicy","s3:PutBucketPolicy"],"Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}`), "", 0)
	if text, err := get(ctx, other, "epi/default/test.txt"); err != nil || text != "text of epi/default/test.txt" {
		t.Errorf("%q, %v", text, err)
	}
	_, err = other.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: bucket, Key: aws.String("top.txt")})
	wantError(t, err, "AccessDenied", 403)
	// Only the owner manages policies (PutBucketPolicy, "Permissions").
	wantError(t, setPolicy(ctx, other, everyoneMayGet), "MethodNotAllowed", 405)
	_, err = other.GetBucketPolicy(ctx, &sdk.GetBucketPolicyInput{Bucket: bucket})
	wantError(t, err, "MethodNotAllowed", 405)
	// A copy from one account's bucket into another's.
	_, err = other.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: aws.String("theirs"), Key: aws.String("k"), CopySource: aws.String("bucket/top.txt"), ExpectedSourceBucketOwner: aws.String(member)})
	wantError(t, err, "AccessDenied", 403)
	_, err = other.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: aws.String("theirs"), Key: aws.String("k"), CopySource: aws.String("bucket/top.txt"), ExpectedSourceBucketOwner: aws.String(iamtest.AccountID)})
	wantError(t, err, "", 0)
	_, err = c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String("theirs"), Key: aws.String("k")})
	wantError(t, err, "", 403)
}
