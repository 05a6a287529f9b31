package s3_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/s3"
)

// TestEveryRoute sends a request of each operation. A caller with exactly the operation's action on its resource is allowed, and a
// caller with every other permission is not. Actions are those of the service authorization reference's table "Actions defined by
// Amazon S3", and of the "Permissions" of each operation's page.
func TestEveryRoute(t *testing.T) {
	const onBucket, onKey = "arn:aws:s3:::bucket", "arn:aws:s3:::bucket/top.txt"
	upload := "?uploadId=UPLOAD"
	rows := []struct{ operation, method, target, action, resource string }{
		{"ListBuckets", "GET", "/", "s3:ListAllMyBuckets", "*"},
		{"CreateBucket", "PUT", "/fresh", "s3:CreateBucket", "arn:aws:s3:::fresh"},
		{"DeleteBucket", "DELETE", "/bucket", "s3:DeleteBucket", onBucket},
		{"HeadBucket", "HEAD", "/bucket", "s3:ListBucket", onBucket},
		{"GetBucketLocation", "GET", "/bucket?location", "s3:GetBucketLocation", onBucket},
		{"ListObjects", "GET", "/bucket", "s3:ListBucket", onBucket},
		{"ListObjectsV2", "GET", "/bucket?list-type=2", "s3:ListBucket", onBucket},
		{"ListObjectVersions", "GET", "/bucket?versions", "s3:ListBucketVersions", onBucket},
		{"ListMultipartUploads", "GET", "/bucket?uploads", "s3:ListBucketMultipartUploads", onBucket},
		{"GetBucketPolicy", "GET", "/bucket?policy", "s3:GetBucketPolicy", onBucket},
		{"PutBucketPolicy", "PUT", "/bucket?policy", "s3:PutBucketPolicy", onBucket},
		{"DeleteBucketPolicy", "DELETE", "/bucket?policy", "s3:DeleteBucketPolicy", onBucket},
		{"GetBucketPolicyStatus", "GET", "/bucket?policyStatus", "s3:GetBucketPolicyStatus", onBucket},
		{"GetBucketVersioning", "GET", "/bucket?versioning", "s3:GetBucketVersioning", onBucket},
		{"PutBucketVersioning", "PUT", "/bucket?versioning", "s3:PutBucketVersioning", onBucket},
		{"GetBucketTagging", "GET", "/bucket?tagging", "s3:GetBucketTagging", onBucket},
		{"PutBucketTagging", "PUT", "/bucket?tagging", "s3:PutBucketTagging", onBucket},
		{"DeleteBucketTagging", "DELETE", "/bucket?tagging", "s3:PutBucketTagging", onBucket},
		{"GetPublicAccessBlock", "GET", "/bucket?publicAccessBlock", "s3:GetBucketPublicAccessBlock", onBucket},
		{"PutPublicAccessBlock", "PUT", "/bucket?publicAccessBlock", "s3:PutBucketPublicAccessBlock", onBucket},
		{"DeletePublicAccessBlock", "DELETE", "/bucket?publicAccessBlock", "s3:PutBucketPublicAccessBlock", onBucket},
		{"GetBucketOwnershipControls", "GET", "/bucket?ownershipControls", "s3:GetBucketOwnershipControls", onBucket},
		{"PutBucketOwnershipControls", "PUT", "/bucket?ownershipControls", "s3:PutBucketOwnershipControls", onBucket},
		{"DeleteBucketOwnershipControls", "DELETE", "/bucket?ownershipControls", "s3:PutBucketOwnershipControls", onBucket},
		{"GetBucketAcl", "GET", "/bucket?acl", "s3:GetBucketAcl", onBucket},
		{"GetBucketEncryption", "GET", "/bucket?encryption", "s3:GetEncryptionConfiguration", onBucket},
		{"GetBucketLifecycleConfiguration", "GET", "/bucket?lifecycle", "s3:GetLifecycleConfiguration", onBucket},
		{"GetBucketCors", "GET", "/bucket?cors", "s3:GetBucketCORS", onBucket},
		{"GetBucketWebsite", "GET", "/bucket?website", "s3:GetBucketWebsite", onBucket},
		{"GetBucketReplication", "GET", "/bucket?replication", "s3:GetReplicationConfiguration", onBucket},
		{"GetObjectLockConfiguration", "GET", "/bucket?object-lock", "s3:GetBucketObjectLockConfiguration", onBucket},
		{"GetBucketLogging", "GET", "/bucket?logging", "s3:GetBucketLogging", onBucket},
		{"GetBucketNotificationConfiguration", "GET", "/bucket?notification", "s3:GetBucketNotification", onBucket},
		{"GetBucketAccelerateConfiguration", "GET", "/bucket?accelerate", "s3:GetAccelerateConfiguration", onBucket},
		{"GetBucketRequestPayment", "GET", "/bucket?requestPayment", "s3:GetBucketRequestPayment", onBucket},

		{"GetObject", "GET", "/bucket/top.txt", "s3:GetObject", onKey},
		{"GetObject", "GET", "/bucket/top.txt?versionId=null", "s3:GetObjectVersion", onKey},
		{"HeadObject", "HEAD", "/bucket/top.txt", "s3:GetObject", onKey},
		{"HeadObject", "HEAD", "/bucket/top.txt?versionId=null", "s3:GetObjectVersion", onKey},
		{"PutObject", "PUT", "/bucket/top.txt", "s3:PutObject", onKey},
		{"DeleteObject", "DELETE", "/bucket/top.txt", "s3:DeleteObject", onKey},
		{"DeleteObject", "DELETE", "/bucket/top.txt?versionId=null", "s3:DeleteObjectVersion", onKey},
		{"GetObjectAcl", "GET", "/bucket/top.txt?acl", "s3:GetObjectAcl", onKey},
		{"GetObjectAcl", "GET", "/bucket/top.txt?acl&versionId=null", "s3:GetObjectVersionAcl", onKey},
		{"GetObjectTagging", "GET", "/bucket/top.txt?tagging", "s3:GetObjectTagging", onKey},
		{"GetObjectTagging", "GET", "/bucket/top.txt?tagging&versionId=null", "s3:GetObjectVersionTagging", onKey},
		{"PutObjectTagging", "PUT", "/bucket/top.txt?tagging", "s3:PutObjectTagging", onKey},
		{"PutObjectTagging", "PUT", "/bucket/top.txt?tagging&versionId=null", "s3:PutObjectVersionTagging", onKey},
		{"DeleteObjectTagging", "DELETE", "/bucket/top.txt?tagging", "s3:DeleteObjectTagging", onKey},
		{"DeleteObjectTagging", "DELETE", "/bucket/top.txt?tagging&versionId=null", "s3:DeleteObjectVersionTagging", onKey},
		{"CreateMultipartUpload", "POST", "/bucket/top.txt?uploads", "s3:PutObject", onKey},
		{"UploadPart", "PUT", "/bucket/top.txt" + upload + "&partNumber=1", "s3:PutObject", onKey},
		{"CompleteMultipartUpload", "POST", "/bucket/top.txt" + upload, "s3:PutObject", onKey},
		{"AbortMultipartUpload", "DELETE", "/bucket/top.txt" + upload, "s3:AbortMultipartUpload", onKey},
		{"ListParts", "GET", "/bucket/top.txt" + upload, "s3:ListMultipartUploadParts", onKey},
	}
	bodies := map[string]string{"PutObjectTagging": "<Tagging><TagSet></TagSet></Tagging>"}
	seen := map[string]bool{
		// These need more than one permission. They have tests of their own.
		"CopyObject": true, "UploadPartCopy": true, "GetObjectAttributes": true, "DeleteObjects": true,
	}
	server := serve(t)
	c := clientOf(server.Admin())
	role, err := server.Accounts.CreateServiceRole("one", "ec2.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	issued, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{RoleARN: role.ARN, SessionName: "one", Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	who := aws.Credentials{AccessKeyID: issued.AccessKeyID, SecretAccessKey: issued.SecretAccessKey, SessionToken: issued.SessionToken}
	// ask sends the request under the policy, to a world with a new object, and returns the status.
	ask := func(operation, method, target, policy string) int {
		t.Helper()
		_, err := iamsdk.NewFromConfig(server.Admin()).PutRolePolicy(t.Context(), &iamsdk.PutRolePolicyInput{RoleName: aws.String("one"), PolicyName: aws.String("p"), PolicyDocument: &policy})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: aws.String("bucket"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: iamtest.Region}})
		if err != nil && !strings.Contains(err.Error(), "BucketAlreadyOwnedByYou") {
			t.Fatal(err)
		}
		put(t, c, "top.txt", "x")
		if strings.Contains(target, "UPLOAD") {
			out, err := c.CreateMultipartUpload(t.Context(), &sdk.CreateMultipartUploadInput{Bucket: aws.String("bucket"), Key: aws.String("top.txt")})
			if err != nil {
				t.Fatal(err)
			}
			target = strings.ReplaceAll(target, "UPLOAD", *out.UploadId)
		}
		response, _ := send(t, server, who, method, target, bodies[operation], nil)
		if call := server.LastCall(t); call.Operation != operation {
			t.Errorf("%s %s is %s", method, target, call.Operation)
		}
		return response.StatusCode
	}
	for _, row := range rows {
		seen[row.operation] = true
		if status := ask(row.operation, row.method, row.target, allowing(`"`+row.action+`"`, row.resource)); status == http.StatusForbidden || status == http.StatusNotImplemented {
			t.Errorf("%s %s with %s: %d", row.method, row.target, row.action, status)
		}
		for name, policy := range map[string]string{
			"all but the action":   `{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"` + row.action + `","Resource":"*"}}`,
			"all but the resource": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","NotResource":"` + row.resource + `"}}`,
		} {
			if status := ask(row.operation, row.method, row.target, policy); status != http.StatusForbidden {
				t.Errorf("%s %s with %s: %d", row.method, row.target, name, status)
			}
		}
	}
	seen["PostObject"] = true // its signature is not in a header: package emulator has TestFormsAreTheirSigners for it
	for _, operation := range s3.Operations() {
		if !seen[operation] {
			t.Errorf("%s has no row", operation)
		}
	}
}
