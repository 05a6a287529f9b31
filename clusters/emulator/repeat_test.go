package emulator_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// A repeated request succeeds and changes nothing
// (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html): the counters distinguish it from one that
// changes something. Otherwise creations would not match deletions.
func TestCountsTellRepeats(t *testing.T) {
	server := emulatortest.Start(t)
	f, ctx := server.Fixture(t, "repeats"), t.Context()
	admin, token := f.Admin(), aws.String("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
	cluster := f.Cluster()
	role := f.Role("repeats", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`, "")
	vpc, err := admin.EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		service, operation string
		call               func() error
	}{
		{"eks", "CreatePodIdentityAssociation", func() error {
			_, err := admin.EKS.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
				ClusterName: &cluster, Namespace: aws.String("default"), ServiceAccount: aws.String("app"), RoleArn: &role, ClientRequestToken: token,
			})
			return err
		}},
		{"ec2", "CreateRouteTable", func() error {
			_, err := admin.EC2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: vpc.Vpc.VpcId, ClientToken: token})
			return err
		}},
		{"cloudformation", "CreateStack", func() error {
			_, err := admin.CloudFormation.CreateStack(ctx, &cloudformation.CreateStackInput{
				StackName: aws.String("repeats"), ClientRequestToken: token, TemplateBody: aws.String(`{"Resources":{"Gateway":{"Type":"AWS::EC2::InternetGateway"}}}`),
			})
			return err
		}},
		{"cloudformation", "DeleteStack", func() error {
			_, err := admin.CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("repeats")})
			return err
		}},
	} {
		t.Run(row.operation, func(t *testing.T) {
			for range 2 {
				if err := row.call(); err != nil {
					t.Fatal(err)
				}
			}
			counts, err := server.Control.Counts(ctx)
			if err != nil {
				t.Fatal(err)
			}
			want := control.Count{Service: row.service, Operation: row.operation, Calls: 2, Repeats: 1}
			for _, count := range counts {
				if count.Service == row.service && count.Operation == row.operation {
					if count != want {
						t.Errorf("got %+v, want %+v", count, want)
					}
					return
				}
			}
			t.Errorf("%s is not among %+v", row.operation, counts)
		})
	}
}

// CreateStack refuses a repeated tag (https://github.com/cilium/cilium/issues/44695); eksctl's change sets have such tags
// (https://github.com/eksctl-io/eksctl/blob/v0.215.0/pkg/cfn/manager/api.go).
func TestTagsThatComeTwice(t *testing.T) {
	f, ctx := emulatortest.Start(t).Fixture(t, "tags"), t.Context()
	stacks, name := f.Admin().CloudFormation, aws.String("tags")
	tags := func(values ...string) (list []cfntypes.Tag) {
		for _, value := range values {
			list = append(list, cfntypes.Tag{Key: aws.String("key"), Value: &value})
		}
		return list
	}
	template := aws.String(`{"Resources":{"Gateway":{"Type":"AWS::EC2::InternetGateway"}}}`)
	create := func(list []cfntypes.Tag) error {
		_, err := stacks.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: template, Tags: list})
		return err
	}
	if err := create(tags("a", "a")); err == nil || !strings.Contains(err.Error(), "Tags contain duplicate keys") {
		t.Errorf("a stack: %v", err)
	}
	if err := create(tags("a")); err != nil {
		t.Fatal(err)
	}
	soon := func(o *cloudformation.StackCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
	}
	if err := cloudformation.NewStackCreateCompleteWaiter(stacks, soon).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	for set, row := range map[string]struct {
		values  []string
		refused bool
	}{"same": {[]string{"b", "b"}, false}, "other": {[]string{"b", "c"}, true}} {
		_, err := stacks.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{StackName: name, ChangeSetName: &set, TemplateBody: template, Tags: tags(row.values...)})
		if (err != nil) != row.refused {
			t.Errorf("a change set with %q: %v", row.values, err)
		}
	}
}
