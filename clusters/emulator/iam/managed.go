package iam

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// The AWS managed policies that the emulator knows
// (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/).
const (
	// WorkerNodePolicyARN is the policy of EKS nodes; it allows eks-auth:AssumeRoleForPodIdentity.
	WorkerNodePolicyARN    = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
	administratorAccessARN = "arn:aws:iam::aws:policy/AdministratorAccess"
)

type awsStatement struct {
	Effect, Resource string
	Action           []string
}

func allow(actions ...string) []awsStatement {
	return []awsStatement{{Effect: "Allow", Resource: "*", Action: actions}}
}

var awsPolicies = []struct {
	arn         string
	description string
	statements  []awsStatement
}{
	{administratorAccessARN, "Provides full access to AWS services and resources.", allow("*")},
	{WorkerNodePolicyARN, "Allows nodes to connect to EKS clusters.", allow(
		"ec2:DescribeInstances", "ec2:DescribeInstanceTypes", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups",
		"ec2:DescribeSubnets", "ec2:DescribeVolumes", "ec2:DescribeVolumesModifications", "ec2:DescribeVpcs",
		"eks:DescribeCluster", "eks-auth:AssumeRoleForPodIdentity",
	)},
	{"arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy", "Lets the VPC CNI change the network interfaces of nodes.", append(allow(
		"ec2:AssignPrivateIpAddresses", "ec2:AttachNetworkInterface", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeInstances", "ec2:DescribeTags", "ec2:DescribeNetworkInterfaces", "ec2:DescribeInstanceTypes", "ec2:DescribeSubnets",
		"ec2:DetachNetworkInterface", "ec2:ModifyNetworkInterfaceAttribute", "ec2:UnassignPrivateIpAddresses",
	), awsStatement{Effect: "Allow", Resource: "arn:aws:ec2:*:*:network-interface/*", Action: []string{"ec2:CreateTags"}})},
	{"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly", "Provides read-only access to Amazon EC2 Container Registry repositories.", allow(
		"ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy",
		"ecr:DescribeRepositories", "ecr:ListImages", "ecr:DescribeImages", "ecr:BatchGetImage", "ecr:GetLifecyclePolicy",
		"ecr:GetLifecyclePolicyPreview", "ecr:ListTagsForResource", "ecr:DescribeImageScanFindings",
	)},
	{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "Provides read only access to all buckets.", allow(
		"s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*",
	)},
	{"arn:aws:iam::aws:policy/AmazonS3FullAccess", "Provides full access to all buckets.", allow("s3:*", "s3-object-lambda:*")},
}

func (a *Account) addAWSPolicies() error {
	for _, known := range awsPolicies {
		text, err := json.Marshal(struct {
			Version   string
			Statement []awsStatement
		}{policy.Version2012, known.statements})
		if err != nil {
			return fmt.Errorf("write policy %s: %w", known.arn, err)
		}
		parsed, err := policy.Parse(text)
		if err != nil {
			return fmt.Errorf("read policy %s: %w", known.arn, err)
		}
		id, err := a.uniqueID("ANPA")
		if err != nil {
			return fmt.Errorf("add policy %s: %w", known.arn, err)
		}
		now := a.timestamp()
		a.policies[known.arn] = &managedPolicy{
			name: known.arn[strings.LastIndexByte(known.arn, '/')+1:], path: "/", arn: known.arn, id: id, description: known.description,
			created: now, updated: now, aws: true, defaultVersion: 1, lastVersion: 1,
			versions: []policyVersion{{number: 1, created: now, document: document{string(text), parsed}}},
		}
	}
	return nil
}
