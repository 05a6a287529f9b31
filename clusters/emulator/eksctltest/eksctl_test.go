package eksctltest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/clusters/eksctl"
	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

const cluster = "epi-test"

// region is the emulator, with one Kubernetes API server for all its clusters, and eksctl.
type region struct {
	*emulatortest.Fixture
	kubernetes *apiServer
	program    string
	variables  []string
}

func newRegion(t *testing.T) *region {
	t.Helper()
	if os.Getenv("EPI_TEST_EKSCTL") == "" {
		t.Skip("eksctl sleeps for minutes: make eksctl runs this")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program, err := eksctl.Find(filepath.Join(cache, "epi"))
	if err != nil {
		t.Fatal(err)
	}
	r := &region{kubernetes: newAPIServer(t), program: program}
	r.Fixture = emulatortest.StartWith(t, func(o *emulator.Options) {
		o.Unbacked.Endpoint, o.Unbacked.CertificateAuthority = r.kubernetes.URL, r.kubernetes.certificate()
	}).Fixture(t, "eksctl")
	handler, err := r.Emulator.ControlHandler(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.kubernetes.authenticate = func(token string) []string { return review(handler, token) }
	home := t.TempDir()
	r.variables = []string{
		"HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "kubeconfig"), "PATH=" + os.Getenv("PATH"), "NO_PROXY=*", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL=" + r.URL, "AWS_REGION=" + emulatortest.Region, "AWS_ACCESS_KEY_ID=" + emulatortest.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + emulatortest.SecretAccessKey,
	}
	return r
}

// review asks the emulator's webhook for the user of a token.
func review(handler http.Handler, token string) []string {
	body, _ := json.Marshal(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]string{"token": token}}) // texts can always be encoded
	request := httptest.NewRequest(http.MethodPost, "/v1/clusters/"+cluster+"/tokenreviews", bytes.NewReader(body))
	request.Header.Set("Authorization", "Bearer token-to-sync")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request)
	var out struct {
		Status struct {
			User struct{ Groups []string }
		}
	}
	_ = json.Unmarshal(w.Body.Bytes(), &out) // then there are no groups
	return out.Status.User.Groups
}

// run runs eksctl, and ends the test if it fails.
func (r *region) run(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), r.program, args...)
	command.Env = r.variables
	output, err := command.CombinedOutput()
	t.Logf("eksctl %s\n%s", strings.Join(args, " "), output)
	if err != nil {
		t.Fatalf("eksctl %s: %v; Kubernetes was asked %q and refused %q", strings.Join(args, " "), err, r.kubernetes.asked, r.kubernetes.refused)
	}
	return string(output)
}

// stacks are the names of the stacks that are not deleted.
func (r *region) stacks(t *testing.T) []string {
	t.Helper()
	out, err := r.Admin().CloudFormation.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, st := range out.Stacks {
		names = append(names, *st.StackName+" "+string(st.StackStatus))
	}
	return names
}

// TestSeed runs the walkthrough that the project began with, and other uses of eksctl. Each command works on what the one
// before it left, because creating a cluster takes eksctl minutes.
func TestSeed(t *testing.T) {
	r := newRegion(t)
	admin := r.Admin()
	r.run(t, "create", "cluster", "--name", cluster, "--region", emulatortest.Region, "--version", "1.36", "--managed", "-t", "t3.medium", "-N", "1", "-m", "1", "-M", "1",
		"--node-volume-size", "20", "--spot", "--disable-pod-imds")
	if got := r.stacks(t); len(got) != 2 {
		t.Fatalf("stacks %q", got)
	}
	instances, err := admin.EC2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	if err != nil || len(instances.Reservations) != 1 || *instances.Reservations[0].Instances[0].MetadataOptions.HttpPutResponseHopLimit != 1 {
		t.Fatalf("instances %+v, %v", instances, err)
	}

	t.Run("create addon", func(t *testing.T) {
		r.run(t, "create", "addon", "--cluster", cluster, "--name", "eks-pod-identity-agent")
		if _, err := admin.EKS.DescribeAddon(t.Context(), &eks.DescribeAddonInput{ClusterName: aws.String(cluster), AddonName: aws.String("eks-pod-identity-agent")}); err != nil {
			t.Error(err)
		}
	})
	t.Run("create podidentityassociation with a role", func(t *testing.T) {
		arn := r.Role("by-hand", emulatortest.TrustPods, "")
		r.run(t, "create", "podidentityassociation", "--cluster", cluster, "--namespace", "default", "--service-account-name", "by-hand", "--role-arn", arn)
	})
	t.Run("create podidentityassociation with policies", func(t *testing.T) {
		r.run(t, "create", "podidentityassociation", "--cluster", cluster, "--namespace", "default", "--service-account-name", "by-arn",
			"--permission-policy-arns", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
		r.run(t, "create", "podidentityassociation", "--cluster", cluster, "--namespace", "default", "--service-account-name", "well-known", "--well-known-policies", "externalDNS")
	})
	t.Run("get", func(t *testing.T) {
		text := r.run(t, "get", "podidentityassociation", "--cluster", cluster, "-o", "json")
		for _, name := range []string{"by-hand", "by-arn", "well-known"} {
			if !strings.Contains(text, name) {
				t.Errorf("no association of %s", name)
			}
		}
	})
	t.Run("utils migrate-to-pod-identity", r.migrate)
	r.run(t, "delete", "cluster", "--name", cluster, "--wait")
	if got := r.stacks(t); len(got) != 0 {
		t.Errorf("left: stacks %q", got)
	}
	vpcs, err := admin.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if err != nil || len(vpcs.Vpcs) != 0 {
		t.Errorf("left: VPCs %v, %v", vpcs, err)
	}
}

// migrate lets eksctl migrate service accounts from IRSA to Pod Identity: one with a role in a stack of eksctl's, and one
// with a role that eksctl did not create (https://docs.aws.amazon.com/eks/latest/eksctl/pod-identity-associations.html,
// "Migrating existing iamserviceaccounts").
func (r *region) migrate(t *testing.T) {
	admin, ctx := r.Admin(), t.Context()
	described, err := admin.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(cluster)})
	if err != nil {
		t.Fatal(err)
	}
	issuer := *described.Cluster.Identity.Oidc.Issuer
	// eksctl's own command asks the issuer for its certificate, and no server answers for the issuer here.
	provider, err := admin.IAM.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: &issuer, ClientIDList: []string{"sts.amazonaws.com"}})
	if err != nil {
		t.Fatal(err)
	}
	const annotation = "eks.amazonaws.com/role-arn"
	r.run(t, "create", "iamserviceaccount", "--cluster", cluster, "--namespace", "default", "--name", "owned", "--attach-policy-arn",
		"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "--approve")
	owned, ok := r.kubernetes.account("default", "owned")
	if !ok || owned.Annotations[annotation] == "" {
		t.Fatalf("eksctl made the service account %+v", owned)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + *provider.OpenIDConnectProviderArn + `"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`
	unowned := r.Role("unowned", trust, "")
	r.kubernetes.put(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "unowned", Annotations: map[string]string{annotation: unowned, "kept": "yes"}}})

	roles := map[string]string{"default/owned": owned.Annotations[annotation], "apps/unowned": unowned}
	trusts := func(roleARN string) (pods, federated bool) {
		out, err := admin.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(roleARN[strings.LastIndexByte(roleARN, '/')+1:])})
		if err != nil {
			t.Fatal(err)
		}
		document, err := url.PathUnescape(*out.Role.AssumeRolePolicyDocument)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(document, "pods.eks.amazonaws.com"), strings.Contains(document, "Federated")
	}
	associated := func(account string) (roles []string) {
		namespace, name, _ := strings.Cut(account, "/")
		listed, err := admin.EKS.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: aws.String(cluster), Namespace: &namespace, ServiceAccount: &name})
		if err != nil {
			t.Fatal(err)
		}
		for _, association := range listed.Associations {
			out, err := admin.EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: aws.String(cluster), AssociationId: association.AssociationId})
			if err != nil {
				t.Fatal(err)
			}
			roles = append(roles, *out.Association.RoleArn)
		}
		return roles
	}
	for _, step := range []struct {
		flags               []string
		pods, federated     bool
		associated, removed bool
	}{
		{nil, false, true, false, false}, // it says what it would do
		{[]string{"--approve"}, true, true, true, false},
		{[]string{"--approve", "--remove-oidc-provider-trust-relationship"}, true, false, true, true},
	} {
		r.run(t, append([]string{"utils", "migrate-to-pod-identity", "--cluster", cluster}, step.flags...)...)
		for account, role := range roles {
			if pods, federated := trusts(role); pods != step.pods || federated != step.federated {
				t.Errorf("%q: the role of %s trusts Pod Identity: %t, the provider: %t", step.flags, account, pods, federated)
			}
			want := []string{role}
			if !step.associated {
				want = nil
			}
			if got := associated(account); !slices.Equal(got, want) {
				t.Errorf("%q: %s is associated with %q, want %q", step.flags, account, got, want)
			}
			namespace, name, _ := strings.Cut(account, "/")
			found, ok := r.kubernetes.account(namespace, name)
			if !ok {
				t.Fatalf("%q: service account %s is gone", step.flags, account)
			}
			if _, annotated := found.Annotations[annotation]; annotated == step.removed {
				t.Errorf("%q: service account %s has the annotations %v", step.flags, account, found.Annotations)
			}
		}
	}
	if found, ok := r.kubernetes.account("apps", "unowned"); !ok || found.Annotations["kept"] != "yes" {
		t.Errorf("of the annotations that are none of eksctl's one is lost: %+v", found)
	}
}
