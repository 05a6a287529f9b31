package cloud_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
)

// fixture is a framework.T that records the calls.
type fixture struct {
	*testing.T
	cleanups []func(context.Context) error
}

func (f *fixture) Report(string, any) {}

func (f *fixture) Fatalf(format string, args ...any) {
	f.Helper()
	panic(fmt.Sprintf(format, args...))
}

func (f *fixture) Blamef(format string, args ...any) { f.Fatalf("blamed: "+format, args...) }

func (f *fixture) Cleanup(_ string, remove func(context.Context) error) {
	f.cleanups = append(f.cleanups, remove)
}

// removeAll runs the clean-ups twice, newest first, because removal is idempotent.
func (f *fixture) removeAll() {
	f.Helper()
	for _, remove := range slices.Backward(slices.Concat(f.cleanups, f.cleanups)) {
		if err := remove(f.Context()); err != nil {
			f.Errorf("remove: %v", err)
		}
	}
}

// hopLimit is a hop limit without a network.
type hopLimit struct {
	mu    sync.Mutex
	limit int
}

func (h *hopLimit) HopLimit() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.limit
}

func (h *hopLimit) SetHopLimit(limit int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limit = limit
	return nil
}

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// keySet is a set of one key, as a cluster publishes it.
func keySet(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// awsEnvironment returns the AWS side of an environment, without a cluster.
func awsEnvironment(t *testing.T, mutation framework.Mutation) (*framework.Env, *fixture) {
	t.Helper()
	aws, err := emulator.New(emulator.Options{
		Region: "us-west-2", Account: "123456789012", NodeRole: "epi-node",
		AccessKeyID: accessKey, SecretAccessKey: secretKey, ControlToken: "control", SyncToken: "sync", Members: []string{"210987654321"},
	})
	if err != nil {
		t.Fatal(err)
	}
	controlled, err := aws.ControlHandler(&hopLimit{limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, api := httptest.NewServer(aws.Handler()), httptest.NewServer(controlled)
	t.Cleanup(endpoint.Close)
	t.Cleanup(api.Close)
	if err := control.New(api.URL, "control").RegisterCluster(t.Context(), "epi", control.Cluster{
		Issuer: "https://kubernetes.default.svc", JWKS: keySet(t),
	}); err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(`{"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	// A user's own settings must not change what the harness uses.
	t.Setenv("AWS_PROFILE", "nobody")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	f := &fixture{T: t}
	env, err := framework.New(t.Context(), &clusters.Environment{
		Name: "epi", ClusterName: "epi", Region: "us-west-2", AccountID: "123456789012", Kubeconfig: kubeconfig,
		Capabilities:  []clusters.Capability{clusters.EmulatorControl, clusters.SecondAccount},
		AWS:           clusters.AWS{EndpointURL: endpoint.URL, AccessKeyID: accessKey, SecretAccessKey: secretKey},
		Control:       &clusters.Control{URL: api.URL, Token: "control"},
		SecondAccount: &clusters.Account{ID: "210987654321", AdministratorRole: "OrganizationAccountAccessRole"},
	}, framework.Options{Run: "20261123-1415", T: f, Mutation: mutation})
	if err != nil {
		t.Fatal(err)
	}
	return env, f
}

func TestFixturesAreTaggedAndRemoved(t *testing.T) {
	g := NewWithT(t)
	env, f := awsEnvironment(t, "")
	ctx := t.Context()
	bucket := cloud.NewBucket(ctx, env)
	bucket.Put(ctx, "epi/ns/test.txt", []byte("contents"))
	role := cloud.NewRole(ctx, env, cloud.OwnPrefix(bucket))
	role.Put(ctx, env, cloud.Allow([]string{bucket.ARN()}, "s3:ListBucket"))
	association := cloud.Associate(ctx, env, "ns", "reader", role)

	attached, err := env.IAM.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &role.Name})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(attached.AttachedPolicies).To(HaveLen(1))
	known, err := env.EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &association.ID})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(known.Association.Tags).To(Equal(env.Tags()))
	g.Expect(env.Tags()).To(And(HaveKeyWithValue(framework.LabelEnvironment, "epi"), HaveKeyWithValue(framework.LabelRun, "20261123-1415"), HaveLen(3)))
	made, err := env.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &role.Name})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(made.Role.Path).To(HaveValue(Equal("/epi/epi/")))
	g.Expect(made.Role.Tags).To(HaveLen(3))
	tagging, err := env.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &bucket.Name})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tagging.TagSet).To(HaveLen(3))
	g.Expect([]string{bucket.Name, role.Name}).To(HaveEach(HavePrefix("epi-epi-")))

	f.removeAll()
	_, err = env.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &role.Name})
	g.Expect(err).To(BeRefusedWith("NoSuchEntity", 404))
	_, err = env.EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &association.ID})
	g.Expect(err).To(BeRefusedWith("ResourceNotFoundException", 404))
	_, err = env.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket.Name})
	g.Expect(err).To(BeRefusedWith("NoSuchBucket", 404))
}

func TestASecondAssociationIsRefused(t *testing.T) {
	env, f := awsEnvironment(t, "")
	association := cloud.Associate(t.Context(), env, "ns", "reader", cloud.NewRole(t.Context(), env))
	NewWithT(t).Expect(cloud.AssociateAgain(t.Context(), env, association)).To(BeRefusedWith("ResourceInUseException", 409))
	f.removeAll()
}

func TestMutationLeavesThePolicyOut(t *testing.T) {
	env, f := awsEnvironment(t, framework.RoleWithoutPolicy)
	role := cloud.NewRole(t.Context(), env, cloud.Allow([]string{"*"}, "s3:*"))
	attached, err := env.IAM.ListAttachedRolePolicies(t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: &role.Name})
	if err != nil || len(attached.AttachedPolicies) != 0 {
		t.Errorf("error %v, policies %v", err, attached)
	}
	f.removeAll()
}

func TestHopLimitIsSetBack(t *testing.T) {
	env, f := awsEnvironment(t, "")
	before, err := env.Control.HopLimit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cloud.SetHopLimit(t.Context(), env, before+1)
	if now, err := env.Control.HopLimit(t.Context()); err != nil || now != before+1 {
		t.Errorf("hop limit %d (error %v), want %d", now, err, before+1)
	}
	f.removeAll()
	if now, err := env.Control.HopLimit(t.Context()); err != nil || now != before {
		t.Errorf("hop limit %d (error %v), want %d as before", now, err, before)
	}
}

func TestWhatBreaksNamesWhatWasBeingDone(t *testing.T) {
	env, _ := awsEnvironment(t, "")
	env.ClusterName = "nowhere"
	role := cloud.NewRole(t.Context(), env)
	defer func() {
		message, ok := recover().(string)
		if !ok || !strings.Contains(message, "create association of ns/reader with role "+role.Name) || !strings.Contains(message, "ResourceNotFoundException") {
			t.Errorf("message %q", message)
		}
	}()
	cloud.Associate(t.Context(), env, "ns", "reader", role)
	t.Error("an association with a cluster that does not exist")
}
