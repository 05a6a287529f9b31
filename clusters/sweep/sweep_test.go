package sweep_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/ownership"
	"github.com/podidentity/epi/clusters/sweep"
)

// quiet accepts the steps of long work and shows nothing.
type quiet struct{}

func (quiet) Start(string) clusters.Task { return quiet{} }
func (quiet) Detail(string, ...any)      {}
func (quiet) End(error)                  {}

// account is an emulated account.
type account struct{ *emulatortest.Fixture }

func newAccount(t *testing.T) *account {
	t.Helper()
	return &account{emulatortest.Start(t).Fixture(t, "sweep")}
}

// config is the administrator's.
func (a *account) config() aws.Config {
	return a.Config(credentials.NewStaticCredentialsProvider(emulatortest.AccessKeyID, emulatortest.SecretAccessKey, ""))
}

// stamped are clients of an owner.
func (a *account) stamped(owner ownership.Owner, file journal.File) *emulatortest.Clients {
	config := a.config()
	ownership.Stamp{Owner: owner, Account: emulatortest.Account, Region: emulatortest.Region, Journal: file}.On(&config)
	return emulatortest.NewClients(config)
}

func (a *account) sweeper(t *testing.T) *sweep.Sweeper {
	t.Helper()
	config := a.config()
	config.RetryMaxAttempts = 3 // the users' default, because a connection may be reset
	sweeper, err := sweep.New(t.Context(), config, sweep.Options{Account: emulatortest.Account, Poll: 20 * time.Millisecond, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return sweeper
}

// eksctl creates eksctl's stacks of a cluster in eksctl's way, and waits for them.
func eksctl(t *testing.T, clients *emulatortest.Clients) {
	t.Helper()
	for _, name := range []string{"eksctl-epi-cc-cluster", "eksctl-epi-cc-nodegroup-ng"} {
		template, err := os.ReadFile("../emulator/cloudformation/testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		// The template's zones are another region's.
		text := strings.NewReplacer("us-east-1d", "us-west-2a", "us-east-1f", "us-west-2b").Replace(string(template))
		text = withoutBoundary(text)
		if strings.Contains(name, "nodegroup") {
			text = inSubnets(t, clients, text)
		}
		if _, err := clients.CloudFormation.CreateStack(t.Context(), &cloudformation.CreateStackInput{
			StackName: &name, TemplateBody: &text, Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityIam},
		}); err != nil {
			t.Fatal(err)
		}
		waiter := cloudformation.NewStackCreateCompleteWaiter(clients.CloudFormation, func(o *cloudformation.StackCreateCompleteWaiterOptions) {
			o.MinDelay, o.MaxDelay = 20*time.Millisecond, 20*time.Millisecond
		})
		if err := waiter.Wait(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name}, time.Minute); err != nil {
			events, _ := clients.CloudFormation.DescribeStackEvents(t.Context(), &cloudformation.DescribeStackEventsInput{StackName: &name})
			for _, event := range events.StackEvents {
				t.Log(aws.ToString(event.LogicalResourceId), event.ResourceStatus, aws.ToString(event.ResourceStatusReason))
			}
			t.Fatal(err)
		}
	}
}

func withoutBoundary(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, `"PermissionsBoundary"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// inSubnets replaces the subnets in the node group's template by existing ones.
func inSubnets(t *testing.T, clients *emulatortest.Clients, text string) string {
	t.Helper()
	out, err := clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	if err != nil || len(out.Subnets) < 2 {
		t.Fatal(out, err)
	}
	return strings.NewReplacer("subnet-8aa2a8d103aefc35d", *out.Subnets[0].SubnetId, "subnet-7b4653c9ef2261cae", *out.Subnets[1].SubnetId).Replace(text)
}

// makeAll creates one of each kind, in ways that make the removal hard.
func makeAll(t *testing.T, clients *emulatortest.Clients, config aws.Config, prefix, cluster string) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	role, err := clients.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(prefix + "-role"), AssumeRolePolicyDocument: aws.String(emulatortest.TrustPods)})
	must(err)
	policy, err := clients.IAM.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String(prefix + "-policy"), PolicyDocument: aws.String(emulatortest.DenyAll)})
	must(err)
	_, err = clients.IAM.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy.Policy.Arn, PolicyDocument: aws.String(emulatortest.AllowAll), SetAsDefault: true})
	must(err)
	_, err = clients.IAM.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role.Role.RoleName, PolicyArn: policy.Policy.Arn})
	must(err)
	_, err = clients.IAM.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role.Role.RoleName, PolicyName: aws.String("inline"), PolicyDocument: aws.String(emulatortest.DenyAll)})
	must(err)
	_, err = clients.IAM.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://" + prefix + ".example.com"), ClientIDList: []string{"sts.amazonaws.com"}})
	must(err)
	_, err = clients.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(prefix + "-bucket"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: emulatortest.Region}})
	must(err)
	_, err = clients.S3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: aws.String(prefix + "-bucket"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	must(err)
	for _, body := range []string{"one", "two"} {
		_, err = clients.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(prefix + "-bucket"), Key: aws.String("a/b c"), Body: strings.NewReader(body)})
		must(err)
	}
	_, err = clients.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(prefix + "-bucket"), Key: aws.String("a/b c")})
	must(err)
	_, err = clients.S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(prefix + "-bucket"), Key: aws.String("upload")})
	must(err)
	_, err = clients.EKS.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
		ClusterName: &cluster, Namespace: aws.String(prefix), ServiceAccount: aws.String("app"), RoleArn: role.Role.Arn,
	})
	must(err)
	_, err = ecr.NewFromConfig(config).CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String(prefix + "/probe")})
	must(err)
}

var soon = time.Now().Add(time.Hour).UTC().Truncate(time.Second)

func TestAllThatIsEpisGoesAndNothingElse(t *testing.T) {
	a, ctx := newAccount(t), t.Context()
	users := a.Cluster() // another user's cluster, in which the suites create associations
	file := journal.File(t.TempDir() + "/journal")
	owner := ownership.Owner{Environment: "mine", Run: "r1", Expires: soon}
	config := a.config()
	ownership.Stamp{Owner: owner, Account: emulatortest.Account, Region: emulatortest.Region, Journal: file}.On(&config)
	mine := emulatortest.NewClients(config)
	makeAll(t, mine, config, "epi-mine", users)
	eksctl(t, mine)
	makeAll(t, emulatortest.NewClients(a.config()), a.config(), "epi-users", users) // names like epi's, without its tags
	other := a.config()
	ownership.Stamp{Owner: ownership.Owner{Environment: "other", Run: "r2", Expires: soon}}.On(&other)
	makeAll(t, emulatortest.NewClients(other), other, "epi-other", users)

	entries, damaged, err := file.Read()
	if err != nil || damaged != 0 || len(entries) != 8 {
		t.Errorf("the journal has %d entries, %d damaged (%v), want one of each creation: %+v", len(entries), damaged, err, entries)
	}
	sweeper := a.sweeper(t)
	scope := sweep.Scope{Environment: "mine"}
	found, err := sweeper.Find(ctx, scope)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, f := range found {
		kinds = append(kinds, string(f.Kind))
		if f.Owner != owner || f.Created.IsZero() {
			t.Errorf("%s: owner %+v, created %s", f, f.Owner, f.Created)
		}
	}
	want := []string{"association", "CloudFormation stack", "CloudFormation stack", "OIDC provider", "IAM role", "IAM policy", "S3 bucket", "ECR repository"}
	if !slices.Equal(kinds, want) {
		t.Errorf("found %q, want %q", kinds, want)
	}
	if err := sweeper.Remove(ctx, scope, found, quiet{}); err != nil {
		t.Fatal(err)
	}
	if again, err := sweeper.Find(ctx, scope); len(again) != 0 || err != nil {
		t.Errorf("left: %v, %v", again, err)
	}
	if vpcs, err := a.Admin().EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}); err != nil || len(vpcs.Vpcs) != 0 {
		t.Errorf("left: %v, %v", vpcs, err)
	}
	if others, err := sweeper.Find(ctx, sweep.Scope{}); err != nil || len(others) != 6 {
		t.Errorf("of the other environment there is %v, %v", others, err)
	}
	admin := a.Admin()
	if _, err := admin.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("epi-users-role")}); err != nil {
		t.Error(err)
	}
	if _, err := admin.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("epi-users-bucket")}); err != nil {
		t.Error(err)
	}
	repositories, err := a.Admin().ECR.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, repository := range repositories.Repositories {
		names = append(names, *repository.RepositoryName)
	}
	if !slices.Equal(names, []string{"epi-other/probe", "epi-users/probe"}) {
		t.Errorf("repositories %q", names)
	}
	if _, err := admin.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &users}); err != nil {
		t.Error(err)
	}
}

// TestNoTagsOfOthersAreProof: tags that are similar to epi's, each on a role in epi's path.
func TestNoTagsOfOthersAreProof(t *testing.T) {
	a := newAccount(t)
	for name, tags := range map[string]map[string]string{
		"none":                    {},
		"another-key":             {"epi.podidentity.dev/environments": "mine", ownership.TagRun: "r"},
		"no-run":                  {ownership.TagEnvironment: "mine"},
		"empty-run":               {ownership.TagEnvironment: "mine", ownership.TagRun: ""},
		"no-environment":          {ownership.TagRun: "r", ownership.TagExpires: "2026-11-28T00:00:00Z"},
		"no-name-of-one":          {ownership.TagEnvironment: "Mine", ownership.TagRun: "r"},
		"expires-is-another-word": {ownership.TagEnvironment: "mine", ownership.TagRun: "r", ownership.TagExpires: "never"},
		"other-environment":       {ownership.TagEnvironment: "mine2", ownership.TagRun: "r"},
	} {
		var list []iamtypes.Tag
		for key, value := range tags {
			list = append(list, iamtypes.Tag{Key: &key, Value: &value})
		}
		if _, err := a.Admin().IAM.CreateRole(t.Context(), &iam.CreateRoleInput{
			RoleName: aws.String("epi-mine-" + name), Path: aws.String("/epi/mine/"), AssumeRolePolicyDocument: aws.String(emulatortest.TrustPods), Tags: list,
		}); err != nil {
			t.Fatal(name, err)
		}
	}
	var entries []journal.Entry
	for _, name := range []string{"epi-mine-none", "epi-mine-other-environment", "epi-node", "not there"} {
		entries = append(entries, journal.Entry{Account: emulatortest.Account, Kind: journal.Role, Name: name, Environment: "mine", Region: emulatortest.Region})
	}
	found, err := a.sweeper(t).Find(t.Context(), sweep.Scope{Environment: "mine", Journal: entries})
	if err != nil || len(found) != 0 {
		t.Errorf("found %v, %v", found, err)
	}
}

// TestAnotherAccountIsNotLookedAt: credentials of another account than that of the creation.
func TestAnotherAccountIsNotLookedAt(t *testing.T) {
	a := newAccount(t)
	_, err := sweep.New(t.Context(), a.config(), sweep.Options{Account: emulatortest.Member})
	wrong, ok := errors.AsType[*sweep.AccountError](err)
	if !ok || wrong.Got != emulatortest.Account || wrong.Expected != emulatortest.Member {
		t.Fatal(err)
	}
}

// TestAStackThatOthersUseStays: the error names the stack that uses it.
func TestAStackThatOthersUseStays(t *testing.T) {
	a, ctx := newAccount(t), t.Context()
	mine := a.stamped(ownership.Owner{Environment: "mine", Run: "r1", Expires: soon}, "")
	eksctl(t, mine)
	users := `{"Resources":{"Role":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":` + emulatortest.TrustPods + `,"Description":{"Fn::ImportValue":"eksctl-epi-cc-cluster::VPC"}}}}}`
	if _, err := a.Admin().CloudFormation.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String("users"), TemplateBody: &users, Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityIam},
	}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		out, err := a.Admin().CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("users")})
		return err == nil && out.Stacks[0].StackStatus == cfntypes.StackStatusCreateComplete
	})
	sweeper, scope := a.sweeper(t), sweep.Scope{Environment: "mine"}
	found, err := sweeper.Find(ctx, scope)
	if err != nil {
		t.Fatal(err)
	}
	left, ok := errors.AsType[*sweep.LeftError](sweeper.Remove(ctx, scope, found, quiet{}))
	if !ok || len(left.Left) != 1 || !strings.Contains(left.Error(), "users") {
		t.Errorf("got %v", left)
	}
	if _, err := a.Admin().CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("users")}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		_, err := a.Admin().CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("users")})
		return err != nil
	})
	if err := sweeper.Remove(ctx, scope, left.Left, quiet{}); err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not happen within a minute")
		case <-ticker.C:
		}
	}
}

// TestAStackThatCouldNotBeDeletedIsDeletedAgain: a foreign resource in its network makes the first deletion fail.
func TestAStackThatCouldNotBeDeletedIsDeletedAgain(t *testing.T) {
	a, ctx := newAccount(t), t.Context()
	mine := a.stamped(ownership.Owner{Environment: "mine", Run: "r1", Expires: soon}, "")
	eksctl(t, mine)
	vpcs, err := a.Admin().EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil || len(vpcs.Vpcs) != 1 {
		t.Fatal(vpcs, err)
	}
	group, err := a.Admin().EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: vpcs.Vpcs[0].VpcId, GroupName: aws.String("left"), Description: aws.String("left by a load balancer")})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"eksctl-epi-cc-nodegroup-ng", "eksctl-epi-cc-cluster"} {
		if _, err := mine.CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &name}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			out, err := mine.CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
			return err != nil || out.Stacks[0].StackStatus == cfntypes.StackStatusDeleteFailed
		})
	}
	sweeper, scope := a.sweeper(t), sweep.Scope{Environment: "mine"}
	found, err := sweeper.Find(ctx, scope)
	if err != nil || len(found) != 1 || found[0].State != "DELETE_FAILED" {
		t.Fatal(found, err)
	}
	left, ok := errors.AsType[*sweep.LeftError](sweeper.Remove(ctx, scope, found, quiet{}))
	if !ok || !strings.Contains(left.Error(), "DELETE_FAILED after 4 attempts") {
		t.Errorf("a group that is nobody's of epi's: %v", left)
	}
	// EKS's own controllers tag it, so it is known to belong to the cluster.
	if _, err := a.Admin().EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*group.GroupId}, Tags: tagOf("kubernetes.io/cluster/epi-cc", "owned")}); err != nil {
		t.Fatal(err)
	}
	if err := sweeper.Remove(ctx, scope, found, quiet{}); err != nil {
		t.Error(err)
	}
}

func tagOf(key, value string) []ec2types.Tag { return []ec2types.Tag{{Key: &key, Value: &value}} }
