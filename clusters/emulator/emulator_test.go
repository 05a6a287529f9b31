package emulator

import (
	"bytes"
	"crypto/elliptic"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awseksauth "github.com/aws/aws-sdk-go-v2/service/eksauth"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/imds"
	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

const (
	region       = "us-west-2"
	accountID12  = "123456789012"
	memberID12   = "210987654321"
	adminKey     = "AKIAEPIEXAMPLE000000"
	adminSecret  = "administrators-secret-access-key-000000"
	controlToken = "token-of-the-harness"
	syncToken    = "token-to-sync"
	issuer       = "https://kubernetes.default.svc.cluster.local"
	clusterName  = "epi-test"
	clusterARN   = "arn:aws:eks:us-west-2:123456789012:cluster/epi-test"
)

// world is an emulator in this process with a registered cluster. The test has the cluster's keys.
type world struct {
	emulator *Emulator
	url      string
	control  *control.Client
	tokens   oidctest.Issuer
	clock    *clock
	log      *logBuffer
}

// clock is the emulator's. SDKs sign with the real clock, so it must stay near that while they call.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

type logBuffer struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (l *logBuffer) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes.Write(data)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes.String()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: &clock{}, log: &logBuffer{}}
	var err error
	w.emulator, err = New(Options{
		Region: region, Account: accountID12, NodeRole: "epi-node", AccessKeyID: adminKey, SecretAccessKey: adminSecret,
		ControlToken: controlToken, SyncToken: syncToken, Members: []string{memberID12}, Now: w.clock.now,
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.emulator.Handler())
	t.Cleanup(server.Close)
	w.url = server.URL
	handler, err := w.emulator.ControlHandler(nil)
	if err != nil {
		t.Fatal(err)
	}
	controlServer := httptest.NewServer(handler)
	t.Cleanup(controlServer.Close)
	w.control = control.New(controlServer.URL, controlToken)

	w.tokens = oidctest.Issuer{Key: oidctest.EC(elliptic.P256())}
	w.register(t)
	return w
}

// register registers the cluster and its key with the emulator.
func (w *world) register(t testing.TB) {
	t.Helper()
	if err := w.control.RegisterCluster(t.Context(), clusterName, control.Cluster{Issuer: issuer, JWKS: w.tokens.KeySet(), Version: "v1.36.3"}); err != nil {
		t.Fatal(err)
	}
}

// token returns the token that the API server projects into a pod in namespace default.
func (w *world) token(serviceAccount, pod string, changes map[string]any) string {
	from := oidctest.Pod{Issuer: issuer, Audience: "pods.eks.amazonaws.com", Namespace: "default", ServiceAccount: serviceAccount, Name: pod}
	return w.tokens.Token(from.Claims(time.Now(), changes))
}

// clients are a caller's clients, as an SDK makes them, with an endpoint and no other option.
type clients struct {
	config  aws.Config
	iam     *awsiam.Client
	sts     *awssts.Client
	eks     *awseks.Client
	eksauth *awseksauth.Client
	s3      *awss3.Client
}

func (w *world) clients(key, secret, session string) clients {
	config := aws.Config{
		Region: region, BaseEndpoint: &w.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, session),
	}
	return clients{
		config: config, iam: awsiam.NewFromConfig(config), sts: awssts.NewFromConfig(config), eks: awseks.NewFromConfig(config),
		eksauth: awseksauth.NewFromConfig(config), s3: awss3.NewFromConfig(config, func(o *awss3.Options) { o.UsePathStyle = true }),
	}
}

func (w *world) admin() clients { return w.clients(adminKey, adminSecret, "") }

// node returns clients with the credentials that a node gets from the instance metadata service.
func (w *world) node(t testing.TB) clients {
	t.Helper()
	ask := func(method, path, header, value string) string {
		t.Helper()
		r := httptest.NewRequest(method, path, nil)
		r.RemoteAddr = "10.0.0.2:40000"
		r.Header.Set(header, value)
		recorder := httptest.NewRecorder()
		w.emulator.MetadataHandler().ServeHTTP(recorder, r)
		if recorder.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
		}
		return recorder.Body.String()
	}
	token := ask(http.MethodPut, "/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	var given struct{ AccessKeyId, SecretAccessKey, Token string }
	if err := json.Unmarshal([]byte(ask(http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", "X-Aws-Ec2-Metadata-Token", token)), &given); err != nil {
		t.Fatal(err)
	}
	return w.clients(given.AccessKeyId, given.SecretAccessKey, given.Token)
}

const seedPolicy = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "s3:*",
      "Resource": "arn:aws:s3:::kaitoy-epi-test/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*"
    }
  ]
}`

const seedTrust = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "AllowEksAuthToAssumeRoleForPodIdentity",
      "Effect": "Allow",
      "Principal": {"Service": "pods.eks.amazonaws.com"},
      "Action": ["sts:AssumeRole", "sts:TagSession"]
    }
  ]
}`

// role makes a role with a trust policy and, if it is not "", one policy.
func (w *world) role(t testing.TB, name, trust, policy string) (arn string) {
	t.Helper()
	admin, ctx := w.admin(), t.Context()
	role, err := admin.iam.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	if policy == "" {
		return *role.Role.Arn
	}
	created, err := admin.iam.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String(name + "-policy"), PolicyDocument: &policy})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.iam.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: &name, PolicyArn: created.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	return *role.Role.Arn
}

// associate makes an association in namespace default.
func (w *world) associate(t testing.TB, serviceAccount, roleARN string, change func(*awseks.CreatePodIdentityAssociationInput)) string {
	t.Helper()
	input := &awseks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String(clusterName), Namespace: aws.String("default"), ServiceAccount: &serviceAccount, RoleArn: &roleARN,
	}
	if change != nil {
		change(input)
	}
	out, err := w.admin().eks.CreatePodIdentityAssociation(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	return *out.Association.AssociationId
}

// pod exchanges a pod's token for credentials with the node role, as the agent does.
func (w *world) pod(t testing.TB, serviceAccount, name string) (clients, *awseksauth.AssumeRoleForPodIdentityOutput) {
	t.Helper()
	out, err := w.node(t).eksauth.AssumeRoleForPodIdentity(t.Context(), &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token(serviceAccount, name, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	return w.clients(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken), out
}

func TestNewRefuses(t *testing.T) {
	good := Options{Region: region, Account: accountID12, NodeRole: "epi-node", AccessKeyID: adminKey, SecretAccessKey: adminSecret, ControlToken: "a", SyncToken: "b"}
	tests := []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Region = "" }, "region"},
		{func(o *Options) { o.Region = "us-west-2/x" }, "region"},
		{func(o *Options) { o.Account = "12345678901" }, "12 digits"},
		{func(o *Options) { o.NodeRole = "" }, "node role"},
		{func(o *Options) { o.AccessKeyID = "" }, "access key"},
		{func(o *Options) { o.SecretAccessKey = "" }, "access key"},
	}
	for _, test := range tests {
		options := good
		test.change(&options)
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

var _ control.HopLimiter = (*imds.Listener)(nil)
