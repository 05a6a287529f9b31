package s3_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
)

// An operation that is not mapped to an action is refused, also for the administrator.
func TestUnmapped(t *testing.T) {
	_, server := setUp(t)
	for _, test := range []struct{ method, target string }{
		{"PUT", "/bucket?acl"}, {"PUT", "/bucket?encryption"}, {"PUT", "/bucket?lifecycle"}, {"DELETE", "/bucket?cors"}, {"POST", "/bucket?acl"},
		{"GET", "/bucket?inventory"}, {"GET", "/bucket?policy&versioning"}, {"GET", "/bucket?versionId=null"}, {"HEAD", "/bucket?location"},
		{"GET", "/bucket?location&acl"}, {"GET", "/bucket?list-type=2&acl"}, {"PUT", "/bucket?tagging=x&policy"},
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

// Attempts to have one request decided on and another one served.
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

// Of the writer's request only the metadata reaches a reader.
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
