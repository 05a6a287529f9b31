package cloudformation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/store"
)

const (
	clusterStack = "eksctl-epi-test-cluster"
	groupStack   = "eksctl-epi-test-nodegroup-ng-de54bc09"
)

// template is one that eksctl 0.215 made, with the emulator's region.
func template(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("us-east-1d", "us-west-2a", "us-east-1a", "us-west-2b").Replace(string(text))
}

// until waits until a stack leaves the states that end with IN_PROGRESS.
func until(t *testing.T, c *cloudformation.Client, name string) types.Stack {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // between two reads
		out, err := c.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name})
		if err != nil {
			t.Fatal(err)
		}
		if st := out.Stacks[0]; !strings.HasSuffix(string(st.StackStatus), "_IN_PROGRESS") {
			return st
		} else if time.Now().After(deadline) {
			t.Fatalf("stack %s is still %s: %s", name, st.StackStatus, reasons(t, c, name))
		}
	}
}

// inProgress says whether an operation on the stack is in progress.
func inProgress(t *testing.T, c *cloudformation.Client, name string) bool {
	t.Helper()
	out, err := c.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasSuffix(string(out.Stacks[0].StackStatus), "_IN_PROGRESS")
}

// reasons are those of the stack's events, newest first.
func reasons(t *testing.T, c *cloudformation.Client, name string) string {
	t.Helper()
	out, err := c.DescribeStackEvents(t.Context(), &cloudformation.DescribeStackEventsInput{StackName: &name})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range out.StackEvents {
		if reason := aws.ToString(e.ResourceStatusReason); reason != "" {
			lines = append(lines, fmt.Sprintf("%s %s: %s", *e.LogicalResourceId, e.ResourceStatus, reason))
		}
	}
	return strings.Join(lines, "\n")
}

func create(t *testing.T, c *cloudformation.Client, name, body string) types.Stack {
	t.Helper()
	_, err := c.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: &name, TemplateBody: &body, Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		Tags: []types.Tag{{Key: aws.String("alpha.eksctl.io/cluster-name"), Value: aws.String("epi-test")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return until(t, c, name)
}

func remove(t *testing.T, c *cloudformation.Client, st types.Stack) types.Stack {
	t.Helper()
	if _, err := c.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: st.StackId}); err != nil {
		t.Fatal(err)
	}
	return until(t, c, *st.StackId)
}

func output(st types.Stack, key string) string {
	for _, o := range st.Outputs {
		if *o.OutputKey == key {
			return *o.OutputValue
		}
	}
	return ""
}

// nothing checks that no stack left anything behind.
func nothing(t *testing.T, c *emulatortest.Clients) {
	t.Helper()
	ctx := t.Context()
	vpcs, err := c.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	tags, err2 := c.EC2.DescribeTags(ctx, &ec2.DescribeTagsInput{})
	clusters, err3 := c.EKS.ListClusters(ctx, &eks.ListClustersInput{})
	roles, err4 := c.IAM.ListRoles(ctx, &iam.ListRolesInput{})
	nats, err5 := c.EC2.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{})
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	if len(vpcs.Vpcs) > 0 || len(clusters.Clusters) > 0 {
		t.Errorf("left: %d VPCs, clusters %v", len(vpcs.Vpcs), clusters.Clusters)
	}
	for _, tag := range tags.Tags {
		gone := slices.ContainsFunc(nats.NatGateways, func(g ec2types.NatGateway) bool { return *g.NatGatewayId == *tag.ResourceId })
		if *tag.Key == "aws:cloudformation:logical-id" && !gone {
			t.Errorf("left: %s %s", tag.ResourceType, *tag.Value)
		}
	}
	for _, role := range roles.Roles {
		if strings.HasPrefix(*role.RoleName, "eksctl-") {
			t.Errorf("left: role %s", *role.RoleName)
		}
	}
}

func TestEksctlsStacks(t *testing.T) {
	f := emulatortest.Start(t).Fixture(t, "stacks")
	admin := f.Admin()
	c := admin.CloudFormation
	cluster := create(t, c, clusterStack, template(t, clusterStack))
	if cluster.StackStatus != types.StackStatusCreateComplete || len(cluster.Outputs) != 12 {
		t.Fatalf("%s with %d outputs: %s", cluster.StackStatus, len(cluster.Outputs), reasons(t, c, clusterStack))
	}
	resources, err := c.ListStackResources(t.Context(), &cloudformation.ListStackResourcesInput{StackName: aws.String(clusterStack)})
	if err != nil || len(resources.StackResourceSummaries) != 26 {
		t.Errorf("%d resources, %v", len(resources.StackResourceSummaries), err)
	}
	described, err := admin.EKS.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("epi-test")})
	if err != nil {
		t.Fatal(err)
	}
	found := described.Cluster
	if output(cluster, "Endpoint") != *found.Endpoint || output(cluster, "ClusterSecurityGroupId") != *found.ResourcesVpcConfig.ClusterSecurityGroupId {
		t.Errorf("outputs %v of cluster %v", cluster.Outputs, found)
	}
	if found.Tags["alpha.eksctl.io/cluster-name"] != "epi-test" || found.Tags["aws:cloudformation:stack-name"] != clusterStack {
		t.Errorf("tags of the cluster: %v", found.Tags)
	}
	vpcs, err := admin.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{output(cluster, "VPC")}})
	if err != nil || len(vpcs.Vpcs[0].Tags) != 5 {
		t.Errorf("VPC %+v, %v", vpcs, err)
	}

	body := template(t, groupStack)
	subnets := strings.Split(output(cluster, "SubnetsPublic"), ",")
	body = strings.NewReplacer("subnet-63d7ee53de413fa2b", subnets[0], "subnet-1c7aa65ff9eeb4759", subnets[1]).Replace(body)
	group := create(t, c, groupStack, body)
	if group.StackStatus != types.StackStatusCreateComplete {
		t.Fatalf("%s: %s", group.StackStatus, reasons(t, c, groupStack))
	}
	instances, err := admin.EC2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	if err != nil || len(instances.Reservations) != 1 {
		t.Fatalf("instances %+v, %v", instances, err)
	}
	// --disable-pod-imds.
	if options := instances.Reservations[0].Instances[0].MetadataOptions; *options.HttpPutResponseHopLimit != 1 || options.HttpTokens != "required" {
		t.Errorf("metadata options %+v", options)
	}

	// The cluster's stack exports the values that the node group's stack imports.
	if st := remove(t, c, cluster); st.StackStatus != types.StackStatusDeleteFailed || !strings.Contains(*st.StackStatusReason, "in use by "+groupStack) {
		t.Errorf("%s: %s", st.StackStatus, aws.ToString(st.StackStatusReason))
	}
	if st := remove(t, c, group); st.StackStatus != types.StackStatusDeleteComplete {
		t.Fatalf("%s: %s", st.StackStatus, reasons(t, c, *group.StackId))
	}
	if st := remove(t, c, cluster); st.StackStatus != types.StackStatusDeleteComplete {
		t.Fatalf("%s: %s", st.StackStatus, reasons(t, c, *cluster.StackId))
	}
	nothing(t, admin)
}

// TestActsAsTheCaller: an action that the caller may not do fails the resource with the service's reason, and the stack is
// rolled back.
func TestActsAsTheCaller(t *testing.T) {
	for _, action := range []string{"ec2:CreateVpc", "ec2:CreateTags", "ec2:ModifyVpcAttribute", "ec2:AssociateRouteTable", "iam:CreateRole", "iam:AttachRolePolicy", "iam:PassRole", "eks:CreateCluster", "ec2:AuthorizeSecurityGroupIngress"} {
		t.Run(action, func(t *testing.T) {
			f := emulatortest.Start(t).Fixture(t, "caller")
			who := f.User(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`)
			st := create(t, who.CloudFormation, clusterStack, template(t, clusterStack))
			said := reasons(t, who.CloudFormation, clusterStack)
			if st.StackStatus != types.StackStatusRollbackComplete || !strings.Contains(said, "not authorized to perform: "+action) || !strings.Contains(said, "user/caller-user") {
				t.Errorf("%s: %s", st.StackStatus, said)
			}
			nothing(t, f.Admin())
		})
	}
}

// TestOnlyThroughCloudFormation: requests have the keys that name the service.
func TestOnlyThroughCloudFormation(t *testing.T) {
	f := emulatortest.Start(t).Fixture(t, "via")
	who := f.User(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudformation:*","Resource":"*"},
		{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:CalledVia":"cloudformation.amazonaws.com"}}}]}`)
	body := `{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway"}}}`
	if st := create(t, who.CloudFormation, "via", body); st.StackStatus != types.StackStatusCreateComplete {
		t.Errorf("%s: %s", st.StackStatus, reasons(t, who.CloudFormation, "via"))
	}
	if _, err := who.EC2.CreateInternetGateway(t.Context(), &ec2.CreateInternetGatewayInput{}); err == nil {
		t.Error("the caller may do it without CloudFormation")
	}
	calls, err := f.Control.Calls(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range calls.Calls {
		if call.Operation == "CreateInternetGateway" && call.Status == 200 {
			if call.SourceIP != "cloudformation.amazonaws.com" || !strings.HasSuffix(call.Principal, "user/via-user") {
				t.Errorf("the journal has %+v", call)
			}
			return
		}
	}
	t.Error("the journal has no CreateInternetGateway")
}

// TestRestart ends the emulator after each of its calls in turn. Another emulator continues with the content of the store,
// and creates nothing twice.
func TestRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: -short")
	}
	// The engine makes more than 30 calls for this stack. The number grows with the time that the cluster takes.
	for after := 1; after <= 43; after += 6 {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "aws.db")
			state, err := store.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			first := emulatortest.StartWith(t, func(o *emulator.Options) { o.State = state }).Fixture(t, "restart")
			c := first.Admin().CloudFormation
			body, name := template(t, clusterStack), clusterStack
			_, err = c.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &body, Capabilities: []types.Capability{types.CapabilityCapabilityIam}})
			if err != nil {
				t.Fatal(err)
			}
			waitCalls(t, first, after, func() bool { return inProgress(t, c, name) })
			// Later writes are dropped, as if the process had ended.
			if err := state.Close(); err != nil {
				t.Fatal(err)
			}
			if state, err = store.Open(path); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = state.Close() }) // the emulator's clean-up runs first
			second := emulatortest.StartWith(t, func(o *emulator.Options) { o.State = state }).Fixture(t, "restart")
			admin := second.Admin()
			st := until(t, admin.CloudFormation, clusterStack)
			if st.StackStatus != types.StackStatusCreateComplete || len(st.Outputs) != 12 {
				t.Fatalf("%s: %s", st.StackStatus, reasons(t, admin.CloudFormation, clusterStack))
			}
			if st := remove(t, admin.CloudFormation, st); st.StackStatus != types.StackStatusDeleteComplete {
				t.Fatalf("%s: %s", st.StackStatus, reasons(t, admin.CloudFormation, *st.StackId))
			}
			nothing(t, admin)
		})
	}
}

// waitCalls waits until the engine has made that many calls, or is done. How often it asks about the cluster depends on the
// machine.
func waitCalls(t *testing.T, f *emulatortest.Fixture, count int, more func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	// Asking without a pause would take the processor from the engine on a busy machine.
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for ; ; <-ticker.C {
		calls, err := f.Control.Calls(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		made := 0
		for _, call := range calls.Calls {
			if call.SourceIP == "cloudformation.amazonaws.com" {
				made++
			}
		}
		if made >= count || !more() {
			return
		}
	}
}
