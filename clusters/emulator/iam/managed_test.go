package iam_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/epi/clusters/emulator/iam"
)

// TestManagedPolicies: what EKS's guides, its add-ons and eksctl attach
// (https://docs.aws.amazon.com/eks/latest/userguide/security-iam-awsmanpol.html,
// https://docs.aws.amazon.com/eks/latest/userguide/workloads-add-ons-available-eks.html) can be attached, and allows what
// it has to allow.
func TestManagedPolicies(t *testing.T) {
	c, server := client(t)
	for _, test := range []struct{ name, action, resource, denied string }{
		{"AmazonEKSClusterPolicy", "ec2:DescribeSubnets", "*", "s3:GetObject"},
		{"AmazonEKSServicePolicy", "ec2:CreateNetworkInterface", "*", "s3:GetObject"},
		{"AmazonEKSWorkerNodePolicy", "eks-auth:AssumeRoleForPodIdentity", "*", "s3:GetObject"},
		{"AmazonEKSWorkerNodeMinimalPolicy", "eks-auth:AssumeRoleForPodIdentity", "*", "ec2:DescribeVpcs"},
		{"AmazonEKS_CNI_Policy", "ec2:AssignPrivateIpAddresses", "*", "ec2:RunInstances"},
		{"AmazonEKSVPCResourceController", "ec2:AssignPrivateIpAddresses", "*", "ec2:CreateNetworkInterfacePermission"},
		{"AmazonEKSLocalOutpostClusterPolicy", "ecr:BatchGetImage", "*", "s3:GetObject"},
		{"AmazonEKSFargatePodExecutionRolePolicy", "ecr:BatchGetImage", "*", "ecr:PutImage"},
		// The policies that eksctl attaches to the cluster role of EKS Auto Mode
		// (https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html).
		{"AmazonEKSComputePolicy", "ec2:RunInstances", "arn:aws:ec2:us-west-2:123456789012:subnet/subnet-1", "s3:GetObject"},
		{"AmazonEKSBlockStoragePolicy", "", "", "ec2:CreateVolume"},
		{"AmazonEKSLoadBalancingPolicy", "ec2:CreateSecurityGroup", "arn:aws:ec2:us-west-2:123456789012:vpc/vpc-1", "elasticloadbalancing:CreateLoadBalancer"},
		{"AmazonEKSNetworkingPolicy", "ec2:CreateNetworkInterface", "arn:aws:ec2:us-west-2:123456789012:subnet/subnet-1", "ec2:DeleteNetworkInterface"},
		{"AmazonEC2ContainerRegistryPullOnly", "ecr:BatchGetImage", "*", "ecr:DescribeImages"},
		{"AmazonEC2ContainerRegistryReadOnly", "ecr:DescribeImages", "*", "ecr:PutImage"},
		{"AmazonEC2ContainerRegistryPowerUser", "ecr:PutImage", "*", "ecr:SetRepositoryPolicy"},
		{"AmazonSSMManagedInstanceCore", "ssm:UpdateInstanceInformation", "*", "ssm:SendCommand"},
		{"service-role/AmazonEBSCSIDriverPolicy", "ec2:AttachVolume", "arn:aws:ec2:us-west-2:123456789012:volume/vol-1", "ec2:CreateVolume"},
		{"service-role/AmazonEFSCSIDriverPolicy", "elasticfilesystem:DescribeAccessPoints", "*", "elasticfilesystem:DeleteFileSystem"},
		{"CloudWatchAgentServerPolicy", "logs:PutLogEvents", "*", "ssm:GetParameter"},
		{"AWSXrayWriteOnlyAccess", "xray:PutTraceSegments", "*", "xray:GetTraceSummaries"},
		{"AmazonPrometheusRemoteWriteAccess", "aps:RemoteWrite", "*", "aps:QueryMetrics"},
	} {
		name := strings.ReplaceAll(test.name, "/", "-")
		role, err := server.Accounts.CreateServiceRole(name, "ec2.amazonaws.com")
		if err != nil {
			t.Fatal(err)
		}
		arn := "arn:aws:iam::aws:policy/" + test.name
		if _, err := c.AttachRolePolicy(t.Context(), &sdk.AttachRolePolicyInput{RoleName: &name, PolicyArn: &arn}); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got, err := c.GetPolicy(t.Context(), &sdk.GetPolicyInput{PolicyArn: &arn})
		if err != nil || "arn:aws:iam::aws:policy"+*got.Policy.Path+*got.Policy.PolicyName != arn {
			t.Errorf("%s: %v %v", test.name, got, err)
		}
		_, caller := issue(t, server.Accounts, iam.SessionInput{RoleARN: role.ARN})
		for action, want := range map[string]bool{test.action: true, test.denied: false} {
			if action == "" {
				continue // they allow nothing without tags
			}
			if decision := server.Accounts.Authorize(t.Context(), caller, iam.Access{Action: action, Resource: test.resource}); decision.Allowed != want {
				t.Errorf("%s: %s", test.name, decision.Explain())
			}
		}
	}

	_, err := c.AttachRolePolicy(t.Context(), &sdk.AttachRolePolicyInput{RoleName: aws.String("AmazonEKSClusterPolicy"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess")})
	wantError(t, err, "NoSuchEntity", 404)
	if !strings.Contains(err.Error(), "the emulator has") || !strings.Contains(err.Error(), "AmazonEKSClusterPolicy") || !strings.Contains(err.Error(), "CreatePolicy") {
		t.Errorf("an AWS policy that the emulator lacks: %v", err)
	}
	_, err = c.AttachRolePolicy(t.Context(), &sdk.AttachRolePolicyInput{RoleName: aws.String("AmazonEKSClusterPolicy"), PolicyArn: aws.String("arn:aws:iam::123456789012:policy/none")})
	wantError(t, err, "NoSuchEntity", 404)
	if strings.Contains(err.Error(), "the emulator has") {
		t.Errorf("a policy of the account: %v", err)
	}
}

// TestOperationsOfAWS: the list of IAM's operations is equal to the SDK's.
func TestOperationsOfAWS(t *testing.T) {
	have := iam.Operations()
	kind := reflect.TypeFor[*sdk.Client]()
	for i := range kind.NumMethod() {
		name := kind.Method(i).Name
		if name == "Options" || slices.Contains(have, name) {
			continue
		}
		if !iam.Lacks(name) {
			t.Errorf("%s is not in the list", name)
		}
	}
	if iam.Lacks("GetRole") || iam.Lacks("GetNothing") {
		t.Error("an operation that is there, or that nobody has, is lacking")
	}
}
