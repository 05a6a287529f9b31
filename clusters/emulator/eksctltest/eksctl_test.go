package eksctltest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/podidentity/epi/clusters/eksctl"
	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

const cluster = "epi-test"

// region is the emulator with one Kubernetes API server for all its clusters, and eksctl.
type region struct {
	*emulatortest.Fixture
	kubernetes *apiServer
	program    string
	variables  []string
}

func newRegion(t *testing.T) *region {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("no cache folder:", err)
	}
	program, err := eksctl.Find(filepath.Join(cache, "epi"))
	if err != nil {
		if os.Getenv("EPI_REQUIRE_EKSCTL") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if testing.Short() {
		t.Skip("eksctl sleeps for minutes: -short")
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

// review asks the emulator's webhook who a token stands for.
func review(handler http.Handler, token string) []string {
	body, _ := json.Marshal(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]string{"token": token}}) // texts always encode
	request := httptest.NewRequest(http.MethodPost, "/v1/clusters/"+cluster+"/tokenreviews", bytes.NewReader(body))
	request.Header.Set("Authorization", "Bearer token-to-sync")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request)
	var out struct {
		Status struct {
			User struct{ Groups []string }
		}
	}
	_ = json.Unmarshal(w.Body.Bytes(), &out) // no groups then
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

// stacks are the names of those that are not deleted.
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

// TestSeed is the walkthrough that the project began with, and what eksctl does besides: each command
// against what the one before it left, as creating a cluster takes eksctl minutes.
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
	r.run(t, "delete", "cluster", "--name", cluster, "--wait")
	if got := r.stacks(t); len(got) != 0 {
		t.Errorf("left: stacks %q", got)
	}
	vpcs, err := admin.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if err != nil || len(vpcs.Vpcs) != 0 {
		t.Errorf("left: VPCs %v, %v", vpcs, err)
	}
}
