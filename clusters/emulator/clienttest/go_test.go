package clienttest

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	authtypes "github.com/aws/aws-sdk-go-v2/service/eksauth/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// writerAt implements io.WriterAt in memory.
type writerAt struct {
	mu   sync.Mutex
	data []byte
}

func (w *writerAt) WriteAt(data []byte, offset int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if end := int(offset) + len(data); end > len(w.data) {
		w.data = append(w.data, make([]byte, end-len(w.data))...)
	}
	return copy(w.data[offset:], data), nil
}

func TestGoIAM(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	c := w.as(w.admin).IAM
	role, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("go"), AssumeRolePolicyDocument: aws.String(emulatortest.TrustPods)})
	if err != nil {
		t.Fatal(err)
	}
	if err := iam.NewRoleExistsWaiter(c).Wait(ctx, &iam.GetRoleInput{RoleName: aws.String("go")}, time.Minute); err != nil {
		t.Error(err)
	}
	_, err = c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("go"), AssumeRolePolicyDocument: aws.String(emulatortest.TrustPods)})
	if _, ok := errors.AsType[*iamtypes.EntityAlreadyExistsException](err); !ok || statusOf(err) != 409 {
		t.Errorf("second role: %v", err)
	}
	policy, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("go"), PolicyDocument: aws.String(getPolicy)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("go"), PolicyArn: policy.Policy.Arn}); err != nil {
		t.Error(err)
	}
	var names []string
	for pages := iam.NewListRolesPaginator(c, &iam.ListRolesInput{MaxItems: aws.Int32(1)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range page.Roles {
			names = append(names, *found.RoleName)
		}
	}
	if got := strings.Join(names, " "); got != "epi-bucket-user epi-node epi-tagged go" || *role.Role.Arn != "arn:aws:iam::123456789012:role/go" {
		t.Errorf("roles %s, ARN %s", got, *role.Role.Arn)
	}
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("go")})
	if _, ok := errors.AsType[*iamtypes.DeleteConflictException](err); !ok {
		t.Errorf("delete with a policy attached: %v", err)
	}
	_, err = c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("none")})
	if _, ok := errors.AsType[*iamtypes.NoSuchEntityException](err); !ok || statusOf(err) != 404 {
		t.Errorf("missing role: %v", err)
	}
	_, err = c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("bad"), PolicyDocument: aws.String(`{"Version":"2012-10-17"}`)})
	if _, ok := errors.AsType[*iamtypes.MalformedPolicyDocumentException](err); !ok {
		t.Errorf("bad document: %v", err)
	}
	for name, test := range map[string]struct {
		who  credentials
		code string
	}{"nobody": {w.nobody, "AccessDenied"}, "expired": {w.expired, "ExpiredToken"}, "invalid": {w.invalid, "InvalidClientTokenId"}} {
		t.Run(name, func(t *testing.T) {
			_, err := w.as(test.who).IAM.ListRoles(ctx, &iam.ListRolesInput{})
			wantCode(t, err, test.code, 403)
		})
	}
}

func TestGoSTS(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	who, err := w.as(w.admin).STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:iam::123456789012:user/epi-admin" {
		t.Errorf("caller %+v, %v", who, err)
	}
	_, err = w.as(w.expired).STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, err, "ExpiredToken", 403)
	_, err = w.as(w.invalid).STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, err, "InvalidClientTokenId", 403)
	_, err = w.as(w.nobody).STS.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &w.taggedRole, RoleSessionName: aws.String("session")})
	wantCode(t, err, "AccessDenied", 403)

	// ABAC: the session's tags name the only prefix that it may read.
	session := w.Session(w.taggedRole, func(in *sts.AssumeRoleInput) {
		in.Tags = []ststypes.Tag{{Key: aws.String("eks-cluster-name"), Value: &w.cluster}, {Key: aws.String("kubernetes-namespace"), Value: aws.String("hoge")}}
	})
	if content, err := get(t, session.S3, w.bucket, othersKey); err != nil || content != "for hoge" {
		t.Errorf("own prefix: %q, %v", content, err)
	}
	_, err = get(t, session.S3, w.bucket, ownKey)
	wantCode(t, err, "AccessDenied", 403)
}

func TestGoEKS(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	c := w.as(w.admin).EKS
	cluster, err := c.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &w.cluster})
	if err != nil || *cluster.Cluster.Arn != "arn:aws:eks:us-west-2:123456789012:cluster/"+w.cluster || cluster.Cluster.Status != ekstypes.ClusterStatusActive {
		t.Errorf("cluster %+v, %v", cluster, err)
	}
	for _, name := range []string{"b", "c"} {
		w.Associate(w.cluster, name, w.roleARN, nil)
	}
	var found []string
	for pages := eks.NewListPodIdentityAssociationsPaginator(c, &eks.ListPodIdentityAssociationsInput{ClusterName: &w.cluster, MaxResults: aws.Int32(1)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, association := range page.Associations {
			found = append(found, *association.ServiceAccount)
		}
	}
	if got := strings.Join(found, " "); got != "app b c" {
		t.Errorf("associations %s", got)
	}
	_, err = c.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{ClusterName: &w.cluster, Namespace: aws.String("default"), ServiceAccount: aws.String("app"), RoleArn: &w.roleARN})
	if _, ok := errors.AsType[*ekstypes.ResourceInUseException](err); !ok || statusOf(err) != 409 {
		t.Errorf("second association: %v", err)
	}
	_, err = c.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("none")})
	if _, ok := errors.AsType[*ekstypes.ResourceNotFoundException](err); !ok || statusOf(err) != 404 {
		t.Errorf("missing cluster: %v", err)
	}
	_, err = w.as(w.nobody).EKS.ListClusters(ctx, &eks.ListClustersInput{})
	wantCode(t, err, "AccessDeniedException", 403)
	_, err = w.as(w.expired).EKS.ListClusters(ctx, &eks.ListClustersInput{})
	wantCode(t, err, "ExpiredTokenException", 403)
	_, err = w.as(w.invalid).EKS.ListClusters(ctx, &eks.ListClustersInput{})
	wantCode(t, err, "UnrecognizedClientException", 403)
}

func TestGoEKSAuth(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	assume := func(c *emulatortest.Clients, token string) error {
		_, err := c.EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{ClusterName: &w.cluster, Token: &token})
		return err
	}
	wantCode(t, assume(w.node, w.token), "", 0)
	if _, ok := errors.AsType[*authtypes.ResourceNotFoundException](assume(w.node, w.Token("default", "other", nil))); !ok {
		t.Error("a service account without an association is not ResourceNotFoundException")
	}
	if _, ok := errors.AsType[*authtypes.InvalidTokenException](assume(w.node, w.token+"x")); !ok {
		t.Error("a token with a changed signature is not InvalidTokenException")
	}
	if _, ok := errors.AsType[*authtypes.AccessDeniedException](assume(w.as(w.nobody), w.token)); !ok {
		t.Error("a caller without the permission is not AccessDeniedException")
	}
}

// TestGoContainerCredentials: the default chain of the SDK, as in a pod with Pod Identity.
func TestGoContainerCredentials(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "",
		"AWS_REGION": emulatortest.Region, "AWS_ENDPOINT_URL": w.URL,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": w.containerURL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": w.tokenFile,
	} {
		t.Setenv(name, value)
	}
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	who, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || !strings.HasPrefix(*who.Arn, "arn:aws:sts::123456789012:assumed-role/epi-bucket-user/eks-"+w.cluster+"-web-0-") {
		t.Fatalf("caller %+v, %v", who, err)
	}
	c := s3.NewFromConfig(loaded, func(o *s3.Options) { o.UsePathStyle = true })
	if content, err := get(t, c, w.bucket, ownKey); err != nil || content != "for default" {
		t.Errorf("own prefix: %q, %v", content, err)
	}
	_, err = get(t, c, w.bucket, othersKey)
	wantCode(t, err, "AccessDenied", 403)
}
