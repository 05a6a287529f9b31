package iam

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

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

// awsPolicyTime is when AWS's policies are said to have been made: they are the same in all accounts.
var awsPolicyTime = time.Date(2015, 2, 6, 18, 40, 58, 0, time.UTC)

// awsPolicyID is the same in all accounts and at all times.
func awsPolicyID(arn string) string {
	digest := sha256.Sum256([]byte(arn))
	return "ANPA" + base32.StdEncoding.EncodeToString(digest[:])[:17]
}

func (a *account) addAWSPolicies() error {
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
		a.policies[known.arn] = &managedPolicy{
			name: known.arn[strings.LastIndexByte(known.arn, '/')+1:], path: "/", arn: known.arn, id: awsPolicyID(known.arn), description: known.description,
			created: awsPolicyTime, updated: awsPolicyTime, aws: true, defaultVersion: 1, lastVersion: 1,
			versions: []policyVersion{{number: 1, created: awsPolicyTime, document: document{text: string(text), parsed: parsed}}},
		}
	}
	return nil
}
