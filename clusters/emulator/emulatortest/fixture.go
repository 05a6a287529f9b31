package emulatortest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

// Policies for fixtures.
const (
	// TrustPods lets EKS assume a role for pods. TrustAccount lets everybody in the account assume it.
	TrustPods    = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}}`
	TrustAccount = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + Account + `"},"Action":["sts:AssumeRole","sts:TagSession"]}}`
	// AllowAll allows everything, DenyAll nothing.
	AllowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	DenyAll  = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
)

// Fixture makes the resources that one test or case starts from. A failure ends the test.
type Fixture struct {
	*Server
	// Name belongs to the test alone. It is a prefix for the names of its resources, which S3 accepts too.
	Name string
	t    testing.TB
}

// Fixture returns a fixture for a test whose names begin with name.
func (s *Server) Fixture(t testing.TB, name string) *Fixture { return &Fixture{s, name, t} }

func (f *Fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("prepare %s: %v", f.Name, err)
	}
}

// As returns the caller with an access key; token is "" for a user's key.
func (f *Fixture) As(accessKeyID, secretAccessKey, token string) *Clients {
	return NewClients(f.Config(credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, token)))
}

// Admin may do everything.
func (f *Fixture) Admin() *Clients { return f.As(AccessKeyID, SecretAccessKey, "") }

// Anonymous does not sign.
func (f *Fixture) Anonymous() *Clients { return NewClients(f.Config(aws.AnonymousCredentials{})) }

// Forged signs with the administrator's key ID and another secret.
func (f *Fixture) Forged() *Clients { return f.As(AccessKeyID, "another-secret", "") }

// Node has the credentials of the instance metadata service.
func (f *Fixture) Node() *Clients {
	f.t.Helper()
	ask := func(method, path, header, value string) []byte {
		f.t.Helper()
		request, err := http.NewRequestWithContext(f.t.Context(), method, f.MetadataURL+path, nil)
		f.must(err)
		request.Header.Set(header, value)
		response, err := f.HTTP.Do(request)
		f.must(err)
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		f.must(err)
		if response.StatusCode != http.StatusOK {
			f.t.Fatalf("%s %s: %s", method, path, response.Status)
		}
		return body
	}
	token := ask(http.MethodPut, "/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	var given struct{ AccessKeyId, SecretAccessKey, Token string }
	f.must(json.Unmarshal(ask(http.MethodGet, "/latest/meta-data/iam/security-credentials/"+NodeRole, "X-Aws-Ec2-Metadata-Token", string(token)), &given))
	return f.As(given.AccessKeyId, given.SecretAccessKey, given.Token)
}

// User returns the caller of a new user NAME-user with a policy; "" for none.
func (f *Fixture) User(policy string) *Clients {
	f.t.Helper()
	admin, name := f.Admin().IAM, f.Name+"-user"
	_, err := admin.CreateUser(f.t.Context(), &iam.CreateUserInput{UserName: &name})
	f.must(err)
	if policy != "" {
		_, err = admin.PutUserPolicy(f.t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("own"), PolicyDocument: &policy})
		f.must(err)
	}
	key, err := admin.CreateAccessKey(f.t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	f.must(err)
	return f.As(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
}

// Unprivileged is a user without permissions.
func (f *Fixture) Unprivileged() *Clients { return f.User("") }

// Role creates a role with a trust policy and an inline policy, "" for none, and returns its ARN.
func (f *Fixture) Role(name, trust, policy string) string {
	f.t.Helper()
	admin := f.Admin().IAM
	role, err := admin.CreateRole(f.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	f.must(err)
	if policy != "" {
		_, err = admin.PutRolePolicy(f.t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: &policy})
		f.must(err)
	}
	return *role.Role.Arn
}

// Session returns the caller of a session "session" of a role that trusts the account. change may be nil.
func (f *Fixture) Session(roleARN string, change func(*sts.AssumeRoleInput)) *Clients {
	f.t.Helper()
	input := &sts.AssumeRoleInput{RoleArn: &roleARN, RoleSessionName: aws.String("session")}
	if change != nil {
		change(input)
	}
	out, err := f.Admin().STS.AssumeRole(f.t.Context(), input)
	f.must(err)
	return f.As(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
}

// Bucket creates the bucket NAME and returns its name.
func (f *Fixture) Bucket() string {
	f.t.Helper()
	_, err := f.Admin().S3.CreateBucket(f.t.Context(), &s3.CreateBucketInput{
		Bucket: &f.Name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: Region},
	})
	f.must(err)
	return f.Name
}

// Object puts an object.
func (f *Fixture) Object(bucket, key, body string) {
	f.t.Helper()
	_, err := f.Admin().S3.PutObject(f.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	f.must(err)
}

// Cluster registers the cluster NAME, for which Token signs tokens, and returns its name.
func (f *Fixture) Cluster() string {
	f.t.Helper()
	f.must(f.Control.RegisterCluster(f.t.Context(), f.Name, control.Cluster{Issuer: Issuer, JWKS: f.tokens.KeySet(), Version: "v1.36.3"}))
	return f.Name
}

// Token returns the token that the API server projects into the pod "web-0" of a service account. changes replace claims.
func (f *Fixture) Token(namespace, serviceAccount string, changes map[string]any) string {
	f.t.Helper()
	pod := oidctest.Pod{Issuer: Issuer, Audience: "pods.eks.amazonaws.com", Namespace: namespace, ServiceAccount: serviceAccount, Name: "web-0"}
	return f.tokens.Token(pod.Claims(f.Now(), changes))
}

// Associate creates an association in a cluster's namespace "default" and returns its ID. change may be nil.
func (f *Fixture) Associate(cluster, serviceAccount, roleARN string, change func(*eks.CreatePodIdentityAssociationInput)) string {
	f.t.Helper()
	input := &eks.CreatePodIdentityAssociationInput{
		ClusterName: &cluster, Namespace: aws.String("default"), ServiceAccount: &serviceAccount, RoleArn: &roleARN,
	}
	if change != nil {
		change(input)
	}
	out, err := f.Admin().EKS.CreatePodIdentityAssociation(f.t.Context(), input)
	f.must(err)
	return *out.Association.AssociationId
}

// Pod returns the caller of the pod "web-0" of a service account in namespace "default". It gets its credentials through
// the node.
func (f *Fixture) Pod(cluster, serviceAccount string) *Clients {
	f.t.Helper()
	out, err := f.Node().EKSAuth.AssumeRoleForPodIdentity(f.t.Context(), &eksauth.AssumeRoleForPodIdentityInput{
		ClusterName: &cluster, Token: aws.String(f.Token("default", serviceAccount, nil)),
	})
	f.must(err)
	return f.As(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
}
