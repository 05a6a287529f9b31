package eks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/eks"
	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/ownership"
	"github.com/podidentity/epi/clusters/sweep"
)

// statement is one statement of a policy in the folder policies.
type statement struct {
	Sid    string
	Action any // a text, or several
}

func (s statement) actions() []string {
	if one, ok := s.Action.(string); ok {
		return []string{one}
	}
	var list []string
	for _, action := range s.Action.([]any) {
		list = append(list, action.(string))
	}
	return list
}

// readPolicy returns a policy of the folder policies, for the emulated account.
func readPolicy(t *testing.T, name string) (text string, statements []statement) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("policies", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	text = strings.NewReplacer("ACCOUNT", emulatortest.Account, "REGION", emulatortest.Region).Replace(string(data))
	var document struct{ Statement []statement }
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	return text, document.Statement
}

// without returns a policy without one action.
func without(t *testing.T, text, action string) string {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, each := range document["Statement"].([]any) {
		s := each.(map[string]any)
		list, _ := s["Action"].([]any)
		left := slices.DeleteFunc(slices.Clone(list), func(a any) bool { return a == action })
		if len(left) < len(list) {
			s["Action"], found = left, true
		}
	}
	if !found {
		t.Fatalf("the policy has no %s", action)
	}
	out, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// become creates a user with a policy, and makes it the caller of all that follows. It returns the user. The policy is a
// managed one, because a managed policy may have 6144 characters.
func (r *region) become(t *testing.T, name, text string) (arn string) {
	t.Helper()
	admin, ctx := r.Admin().IAM, t.Context()
	made, err := admin.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &text})
	if err != nil {
		t.Fatal(err)
	}
	user, err := admin.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: made.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	key, err := admin.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", *key.AccessKey.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *key.AccessKey.SecretAccessKey)
	return *user.User.Arn
}

// uses are the decisions of the policies' statements, by caller, statement and action.
type uses struct {
	mu   sync.Mutex
	seen map[[3]string]bool
}

func (u *uses) decided(caller string, decision policy.Decision) {
	if !decision.Allowed || decision.Statement == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen[[3]string{caller, decision.Statement.Sid, decision.Action}] = true
}

// unused are the permissions of a policy that were not used, as "Sid action".
func (u *uses) unused(caller string, statements []statement) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []string
	for _, s := range statements {
		for _, action := range s.actions() {
			used := slices.ContainsFunc(slices.Collect(maps.Keys(u.seen)), func(use [3]string) bool {
				matches, _ := path.Match(strings.ToLower(action), strings.ToLower(use[2])) // the patterns are valid
				return use[0] == caller && use[1] == s.Sid && matches
			})
			if !used {
				list = append(list, s.Sid+" "+action)
			}
		}
	}
	slices.Sort(list)
	return list
}

// newPolicyRegion returns a region with the boundary of policies/boundary.json, and a provider for it.
func newPolicyRegion(t *testing.T) (*region, *uses, func() *eks.Provider) {
	u := &uses{seen: map[[3]string]bool{}}
	r := newRegionWith(t, func(o *emulator.Options) { o.Decided = u.decided })
	text, _ := readPolicy(t, "boundary")
	made, err := r.Admin().IAM.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("epi-boundary"), PolicyDocument: &text})
	if err != nil {
		t.Fatal(err)
	}
	return r, u, func() *eks.Provider {
		return provider(r.dir, eks.Options{PermissionsBoundary: *made.Policy.Arn, ProbeImage: none})
	}
}

// withProbe returns the environment with a program for the probe's image.
func withProbe() clusters.Spec {
	wanted := spec
	wanted.Binaries = os.Getenv("EPI_EKS_TEST_DIR")
	return wanted
}

// useAsSuites calls AWS as package framework/cloud does for the suites, and leaves what a killed run leaves.
func useAsSuites(t *testing.T, env *clusters.Environment, boundary string) error {
	t.Helper()
	ctx := t.Context()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	stamp := ownership.Stamp{
		Owner: ownership.Owner{Environment: env.Name, Run: "run", Expires: time.Now().Add(time.Hour)}, Account: env.AccountID, Region: env.Region, PermissionsBoundary: boundary,
	}
	stamp.On(&cfg)
	c := emulatortest.NewClients(cfg)
	described, err := c.EKS.DescribeCluster(ctx, &awseks.DescribeClusterInput{Name: &env.ClusterName})
	if err != nil {
		return err
	}
	var (
		name    = aws.String("epi-suite")
		account = "arn:aws:iam::" + env.AccountID
		role    = account + ":role/epi/" + env.Name + "/epi-suite"
		issuer  = described.Cluster.Identity.Oidc.Issuer
		objects = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::epi-suite/*"}}`)
		key     = aws.String("key")
	)
	var policyARN, association *string
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"who", func() error { return done(c.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})) }},
		{"role", func() error {
			return done(c.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(emulatortest.TrustPods)}))
		}},
		{"policy", func() error {
			out, err := c.IAM.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: objects})
			if err == nil {
				policyARN = out.Policy.Arn
			}
			return err
		}},
		{"attach", func() error {
			return done(c.IAM.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policyARN}))
		}},
		{"policy version", func() error {
			return done(c.IAM.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policyARN, PolicyDocument: objects}))
		}},
		{"inline policy", func() error {
			return done(c.IAM.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: objects}))
		}},
		{"trust", func() error {
			return done(c.IAM.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(emulatortest.TrustAccount)}))
		}},
		{"assume", func() error {
			return done(c.STS.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: name, Tags: []ststypes.Tag{{Key: key, Value: key}}}))
		}},
		{"trust again", func() error {
			return done(c.IAM.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(emulatortest.TrustPods)}))
		}},
		{"bucket", func() error {
			return done(c.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: emulatortest.Region}}))
		}},
		{"versions", func() error {
			return done(c.S3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))
		}},
		{"object", func() error {
			return done(c.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: key, Body: strings.NewReader("x")}))
		}},
		{"upload", func() error {
			return done(c.S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: name, Key: key}))
		}},
		{"provider", func() error {
			return done(c.IAM.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: issuer, ClientIDList: []string{"sts.amazonaws.com"}}))
		}},
		{"client of provider", func() error {
			arn := account + ":oidc-provider/" + strings.TrimPrefix(*issuer, "https://")
			return done(c.IAM.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("x")}))
		}},
		{"association", func() error {
			out, err := c.EKS.CreatePodIdentityAssociation(ctx, &awseks.CreatePodIdentityAssociationInput{
				ClusterName: &env.ClusterName, Namespace: aws.String("default"), ServiceAccount: aws.String("app"), RoleArn: &role,
			})
			if err == nil {
				association = out.Association.AssociationId
			}
			return err
		}},
		{"change of association", func() error {
			return done(c.EKS.UpdatePodIdentityAssociation(ctx, &awseks.UpdatePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: association, DisableSessionTags: aws.Bool(true)}))
		}},
		{"associations", func() error {
			return done(c.EKS.ListPodIdentityAssociations(ctx, &awseks.ListPodIdentityAssociationsInput{ClusterName: &env.ClusterName}))
		}},
		{"credentials of a pod", func() error {
			_, err := c.EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{ClusterName: &env.ClusterName, Token: aws.String("none")})
			if refusal, ok := errors.AsType[smithy.APIError](err); ok && strings.HasPrefix(refusal.ErrorCode(), "AccessDenied") {
				return err
			}
			return nil // the request is not about a token
		}},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func done[T any](_ T, err error) error { return err }

// notAsked are permissions that the test does not use, with the reason why they are in the policies.
var notAsked = map[string]string{
	"run Clusters eks:DeleteAddon":                                    leftAlone,
	"run NetworkAndNodes ec2:DeleteNetworkInterface":                  noInterfaces,
	"run NetworkAndNodes ec2:RunInstances":                            "EC2 asks it of who makes a node group with a launch template; the emulator does not",
	"run RolesOfServices iam:CreateServiceLinkedRole":                 "EKS and EC2 ask it in an account that has never had a cluster; the emulator does not",
	"run StacksOfEksctl cloudformation:TagResource":                   "CloudFormation asks it of who makes a stack with tags; the emulator does not",
	"run StacksOfEksctl cloudformation:UpdateTerminationProtection":   protected,
	"sweep Clusters eks:DeleteAddon":                                  leftAlone,
	"sweep NetworkAndNodes ec2:DeleteNetworkInterface":                noInterfaces,
	"sweep RolesOfTheRun iam:RemoveRoleFromInstanceProfile":           "a node group of AWS's has an instance profile, which the emulator does not make",
	"sweep StacksOfEksctl cloudformation:UpdateTerminationProtection": protected,
	"sweep BucketsOfTheRun s3:DeleteObject":                           "the bucket here has versions; of one without, objects are deleted",
	"sweep BucketsOfTheRun s3:ListBucket":                             "the bucket here has versions; of one without, objects are listed",
}

const (
	leftAlone    = "add-ons are deleted of a cluster that was there before; of one that is the run's own they go with it"
	noInterfaces = "the VPC CNI leaves network interfaces; the emulator has none"
	protected    = "of a stack that somebody protected, the protection is taken off first"
)

// TestPolicies: a run with policies/run.json, and a sweeper with policies/sweep.json, have all permissions that they need,
// and no others.
func TestPolicies(t *testing.T) {
	r, u, provider := newPolicyRegion(t)
	text, run := readPolicy(t, "run")
	ci := r.become(t, "ci", text)
	boundary := "arn:aws:iam::" + emulatortest.Account + ":policy/epi-boundary"
	wanted := withProbe()
	once := func() {
		t.Helper()
		env, err := provider().Up(t.Context(), wanted, quiet{})
		if err != nil {
			t.Fatal(err)
		}
		if err := useAsSuites(t, env, boundary); err != nil {
			t.Fatal(err)
		}
	}
	once()
	if err := provider().Down(t.Context(), wanted.Name, quiet{}); err != nil {
		t.Fatal(err)
	}
	if left := r.left(t); len(left) != 0 {
		t.Fatalf("the run leaves %q", left)
	}
	once()
	text, sweeping := readPolicy(t, "sweep")
	janitor := r.become(t, "janitor", text)
	cfg, err := sweep.LoadConfig(t.Context(), emulatortest.Region, os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	sweeper, err := sweep.New(t.Context(), cfg, sweep.Options{Poll: 50 * time.Millisecond, Patience: 2 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	removeAll(t, sweeper)
	if left := r.left(t); len(left) != 0 {
		t.Fatalf("the sweeper leaves %q", left)
	}
	listed := map[string]bool{}
	for name, list := range map[string][]string{"run": u.unused(ci, run), "sweep": u.unused(janitor, sweeping)} {
		for _, permission := range list {
			listed[name+" "+permission] = true
			if notAsked[name+" "+permission] == "" {
				t.Errorf("policies/%s.json: nothing used %s", name, permission)
			} else {
				t.Logf("policies/%s.json: not used here: %s: %s", name, permission, notAsked[name+" "+permission])
			}
		}
	}
	for permission := range notAsked {
		if !listed[permission] {
			t.Errorf("%s is used: take it off the list", permission)
		}
	}
}

// TestPoliciesWithOneLess: without any one permission the run ends with AWS's refusal, and says what to do about it.
func TestPoliciesWithOneLess(t *testing.T) {
	for _, action := range []string{
		// Refusals of eksctl, of CloudFormation as the caller at two points, and of epi itself.
		"cloudformation:CreateStack", "iam:AttachRolePolicy", "eks:CreateNodegroup", "ecr:PutImage",
	} {
		t.Run(action, func(t *testing.T) {
			r, _, provider := newPolicyRegion(t)
			text, _ := readPolicy(t, "run")
			r.become(t, "ci", without(t, text, action))
			_, err := provider().Up(t.Context(), withProbe(), quiet{})
			if err == nil || !strings.Contains(err.Error(), action) || !strings.Contains(clusters.Remedy(err), "policies that it needs") {
				t.Errorf("error %v, remedy %q", err, clusters.Remedy(err))
			}
			t.Setenv("AWS_ACCESS_KEY_ID", emulatortest.AccessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", emulatortest.SecretAccessKey)
			if left := r.left(t); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestRolesWithoutTheBoundary: with the policy nobody can create a role with more permissions than the boundary.
func TestRolesWithoutTheBoundary(t *testing.T) {
	r, _, _ := newPolicyRegion(t)
	text, _ := readPolicy(t, "run")
	r.become(t, "ci", text)
	_, err := provider(r.dir, eks.Options{}).Up(t.Context(), spec, quiet{})
	if err == nil || !strings.Contains(err.Error(), "iam:CreateRole") {
		t.Error(err)
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, err = iam.NewFromConfig(cfg).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("epi-free"), Path: aws.String("/epi/mine/"), AssumeRolePolicyDocument: aws.String(emulatortest.TrustPods)})
	if refusal, ok := errors.AsType[smithy.APIError](err); !ok || refusal.ErrorCode() != "AccessDenied" {
		t.Errorf("a role without a boundary: %v", err)
	}
}
