package iam

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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
	Effect    string
	Resource  any
	Action    []string
	Condition map[string]map[string]string `json:",omitempty"`
}

func allow(actions ...string) []awsStatement {
	return []awsStatement{{Effect: "Allow", Resource: "*", Action: actions}}
}

// on is a statement that allows actions of a service, which are given without its prefix, on resources.
func on(resource any, service string, actions ...string) awsStatement {
	s := awsStatement{Effect: "Allow", Resource: resource}
	for _, action := range actions {
		s.Action = append(s.Action, service+":"+action)
	}
	return s
}

// when adds a condition.
func (s awsStatement) when(operator, key, value string) awsStatement {
	conditions := map[string]map[string]string{}
	for operator, keys := range s.Condition {
		conditions[operator] = maps.Clone(keys)
	}
	if conditions[operator] == nil {
		conditions[operator] = map[string]string{}
	}
	conditions[operator][key] = value
	s.Condition = conditions
	return s
}

const (
	anyVolume   = "arn:aws:ec2:*:*:volume/*"
	anySnapshot = "arn:aws:ec2:*:*:snapshot/*"

	// clusterTag is the tag of everything that EKS Auto Mode creates for a cluster, and of the sessions that it uses for
	// that.
	clusterTag = "eks:eks-cluster-name"
	ownCluster = "${aws:PrincipalTag/" + clusterTag + "}"
)

// ebsCSIDriver lets the driver create volumes, and change volumes that it or a user tagged for it.
func ebsCSIDriver() []awsStatement {
	statements := []awsStatement{
		on("*", "ec2", "DescribeAvailabilityZones", "DescribeInstances", "DescribeSnapshots", "DescribeTags", "DescribeVolumes",
			"DescribeVolumesModifications", "DescribeVolumeStatus", "DescribeInstanceTypes", "EnableFastSnapshotRestores"),
		on([]string{anyVolume, "arn:aws:ec2:*:*:instance/*"}, "ec2", "AttachVolume", "DetachVolume"),
		on(anyVolume, "ec2", "ModifyVolume", "CreateSnapshot"),
		on([]string{anyVolume, anySnapshot}, "ec2", "CreateTags").when("StringEquals", "ec2:CreateAction", "CreateVolume"),
		on([]string{anyVolume, anySnapshot}, "ec2", "CreateTags").when("StringEquals", "ec2:CreateAction", "CreateSnapshot"),
		on([]string{anyVolume, anySnapshot}, "ec2", "DeleteTags"),
		on(anySnapshot, "ec2", "CreateVolume"),
	}
	for _, tag := range []struct{ key, value string }{
		{"ebs.csi.aws.com/cluster", "true"}, {"CSIVolumeName", "*"}, {"kubernetes.io/cluster/*", "owned"}, {"kubernetes.io/created-for/pvc/name", "*"},
	} {
		if !strings.HasPrefix(tag.key, "kubernetes.io/created-for") {
			statements = append(statements, on(anyVolume, "ec2", "CreateVolume").when("StringLike", "aws:RequestTag/"+tag.key, tag.value))
		}
		if tag.key != "kubernetes.io/cluster/*" {
			statements = append(statements, on(anyVolume, "ec2", "DeleteVolume").when("StringLike", "ec2:ResourceTag/"+tag.key, tag.value))
		}
	}
	for _, tag := range []struct{ key, value string }{{"CSIVolumeSnapshotName", "*"}, {"ebs.csi.aws.com/cluster", "true"}} {
		statements = append(statements,
			on(anySnapshot, "ec2", "CreateSnapshot").when("StringLike", "aws:RequestTag/"+tag.key, tag.value),
			on(anySnapshot, "ec2", "DeleteSnapshot").when("StringLike", "ec2:ResourceTag/"+tag.key, tag.value))
	}
	return statements
}

var pullImages = []string{
	"ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy",
	"ecr:DescribeRepositories", "ecr:ListImages", "ecr:DescribeImages", "ecr:BatchGetImage", "ecr:GetLifecyclePolicy",
	"ecr:GetLifecyclePolicyPreview", "ecr:ListTagsForResource", "ecr:DescribeImageScanFindings",
}

// awsPolicies are short forms of AWS's documents of these names, without the IDs of statements.
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
	{"arn:aws:iam::aws:policy/AmazonEKSWorkerNodeMinimalPolicy", "Lets nodes ask for the credentials of pods.", allow("eks-auth:AssumeRoleForPodIdentity")},
	{"arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy", "Lets the VPC CNI change the network interfaces of nodes.", append(allow(
		"ec2:AssignPrivateIpAddresses", "ec2:AttachNetworkInterface", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeInstances", "ec2:DescribeTags", "ec2:DescribeNetworkInterfaces", "ec2:DescribeInstanceTypes", "ec2:DescribeSubnets",
		"ec2:DetachNetworkInterface", "ec2:ModifyNetworkInterfaceAttribute", "ec2:UnassignPrivateIpAddresses",
	), on("arn:aws:ec2:*:*:network-interface/*", "ec2", "CreateTags"))},
	{"arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", "Lets EKS manage what a cluster needs in an account.", []awsStatement{
		on("*", "autoscaling", "DescribeAutoScalingGroups", "UpdateAutoScalingGroup"),
		on("*", "ec2", "AttachVolume", "AuthorizeSecurityGroupIngress", "CreateRoute", "CreateSecurityGroup", "CreateTags", "CreateVolume", "DeleteRoute",
			"DeleteSecurityGroup", "DeleteVolume", "DescribeInstances", "DescribeRouteTables", "DescribeSecurityGroups", "DescribeSubnets", "DescribeVolumes",
			"DescribeVolumesModifications", "DescribeVpcs", "DescribeDhcpOptions", "DescribeNetworkInterfaces", "DescribeAvailabilityZones",
			"DescribeInstanceTopology", "DetachVolume", "ModifyInstanceAttribute", "ModifyVolume", "RevokeSecurityGroupIngress",
			"DescribeAccountAttributes", "DescribeAddresses", "DescribeInternetGateways"),
		on("*", "elasticloadbalancing", "AddTags", "ApplySecurityGroupsToLoadBalancer", "AttachLoadBalancerToSubnets", "ConfigureHealthCheck",
			"CreateListener", "CreateLoadBalancer", "CreateLoadBalancerListeners", "CreateLoadBalancerPolicy", "CreateTargetGroup", "DeleteListener",
			"DeleteLoadBalancer", "DeleteLoadBalancerListeners", "DeleteTargetGroup", "DeregisterInstancesFromLoadBalancer", "DeregisterTargets",
			"DescribeListeners", "DescribeLoadBalancerAttributes", "DescribeLoadBalancerPolicies", "DescribeLoadBalancers",
			"DescribeTargetGroupAttributes", "DescribeTargetGroups", "DescribeTargetHealth", "DetachLoadBalancerFromSubnets", "ModifyListener",
			"ModifyLoadBalancerAttributes", "ModifyTargetGroup", "ModifyTargetGroupAttributes", "RegisterInstancesWithLoadBalancer", "RegisterTargets",
			"SetLoadBalancerPoliciesForBackendServer", "SetLoadBalancerPoliciesOfListener"),
		on("*", "kms", "DescribeKey"),
		on("*", "iam", "CreateServiceLinkedRole").when("StringEquals", "iam:AWSServiceName", "elasticloadbalancing.amazonaws.com"),
	}},
	{"arn:aws:iam::aws:policy/AmazonEKSServicePolicy", "Lets EKS make and run clusters.", []awsStatement{
		on("*", "ec2", "CreateNetworkInterface", "CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DescribeInstances",
			"DescribeNetworkInterfaces", "DetachNetworkInterface", "DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs", "ModifyNetworkInterfaceAttribute"),
		on("*", "iam", "ListAttachedRolePolicies"),
		on("*", "eks", "UpdateClusterVersion"),
		on([]string{"arn:aws:ec2:*:*:vpc/*", "arn:aws:ec2:*:*:subnet/*"}, "ec2", "CreateTags", "DeleteTags"),
		on("*", "route53", "AssociateVPCWithHostedZone"),
		on("*", "logs", "CreateLogGroup", "DescribeLogGroups"),
		on("arn:aws:logs:*:*:log-group:/aws/eks/*:*", "logs", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"),
		on("*", "iam", "CreateServiceLinkedRole").when("StringLike", "iam:AWSServiceName", "eks.amazonaws.com"),
	}},
	{"arn:aws:iam::aws:policy/AmazonEKSVPCResourceController", "Lets EKS manage the network interfaces and addresses of nodes.", []awsStatement{
		on("*", "ec2", "CreateNetworkInterfacePermission").when("ForAnyValue:StringEquals", "ec2:ResourceTag/eks:eni:owner", "eks-vpc-resource-controller"),
		on("*", "ec2", "CreateNetworkInterface", "DetachNetworkInterface", "ModifyNetworkInterfaceAttribute", "DeleteNetworkInterface",
			"AttachNetworkInterface", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"),
	}},
	{"arn:aws:iam::aws:policy/AmazonEKSLocalOutpostClusterPolicy", "Lets the control plane instances of a local cluster on an Outpost do their work.", []awsStatement{
		on("*", "ec2", "DescribeInstances", "DescribeRouteTables", "DescribeTags", "DescribeNetworkInterfaces", "DescribeInstanceTypes", "DescribeSubnets", "DescribeVpcs"),
		on("*", "ec2messages", "AcknowledgeMessage", "DeleteMessage", "FailMessage", "GetEndpoint", "GetMessages", "SendReply"),
		on("*", "ssmmessages", "CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"),
		on("*", "ssm", "DescribeInstanceProperties", "DescribeDocumentParameters", "ListInstanceAssociations", "RegisterManagedInstance",
			"UpdateInstanceInformation", "UpdateInstanceAssociationStatus", "PutComplianceItems", "PutInventory"),
		on("*", "ecr", "GetAuthorizationToken", "BatchGetImage", "GetDownloadUrlForLayer"),
		on("arn:aws:secretsmanager:*:*:secret:eks-local.cluster.x-k8s.io/*", "secretsmanager", "GetSecretValue", "DeleteSecret"),
		on("arn:aws:logs:*:*:log-group:/aws/eks/*", "logs", "CreateLogGroup"),
		on("arn:aws:logs:*:*:log-group:/aws/eks/*:*", "logs", "PutLogEvents", "CreateLogStream", "DescribeLogStreams"),
	}},
	{"arn:aws:iam::aws:policy/AmazonEKSFargatePodExecutionRolePolicy", "Lets Fargate pull the images of pods.", allow(
		"ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage",
	)},
	// The four policies of EKS Auto Mode's cluster roles allow changes of what the cluster has tagged. The short form
	// allows what has the cluster's own tag.
	{"arn:aws:iam::aws:policy/AmazonEKSComputePolicy", "Lets EKS Auto Mode run the nodes of a cluster.", []awsStatement{
		on([]string{"arn:aws:ec2:*:*:capacity-reservation/*", "arn:aws:ec2:*::image/*", "arn:aws:ec2:*:*:security-group/*", "arn:aws:ec2:*:*:subnet/*"}, "ec2", "CreateFleet", "RunInstances"),
		on("arn:aws:ec2:*:*:launch-template/*", "ec2", "CreateFleet", "RunInstances").when("StringEquals", "aws:ResourceTag/"+clusterTag, ownCluster),
		on("*", "ec2", "CreateFleet", "RunInstances", "CreateLaunchTemplate").when("StringEquals", "aws:RequestTag/"+clusterTag, ownCluster),
	}},
	{"arn:aws:iam::aws:policy/AmazonEKSBlockStoragePolicy", "Lets EKS Auto Mode manage the volumes of a cluster.", []awsStatement{
		on([]string{anyVolume, "arn:aws:ec2:*:*:instance/*"}, "ec2", "AttachVolume", "DetachVolume", "ModifyVolume").when("StringEquals", "aws:ResourceTag/"+clusterTag, ownCluster),
		on(anyVolume, "ec2", "CreateVolume").when("StringEquals", "aws:RequestTag/"+clusterTag, ownCluster),
		on([]string{anyVolume, anySnapshot}, "ec2", "DeleteVolume", "DeleteSnapshot").when("StringEquals", "aws:ResourceTag/"+clusterTag, ownCluster),
	}},
	{"arn:aws:iam::aws:policy/AmazonEKSLoadBalancingPolicy", "Lets EKS Auto Mode manage the load balancers of a cluster.", []awsStatement{
		on("*", "elasticloadbalancing", "CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateRule").when("StringEquals", "aws:RequestTag/"+clusterTag, ownCluster),
		on("*", "ec2", "CreateSecurityGroup").when("StringEquals", "aws:RequestTag/"+clusterTag, ownCluster),
		on("arn:aws:ec2:*:*:vpc/*", "ec2", "CreateSecurityGroup"),
		on("arn:aws:elasticloadbalancing:*:*:targetgroup/*/*", "elasticloadbalancing", "RegisterTargets").when("StringEquals", "aws:ResourceTag/"+clusterTag, ownCluster),
	}},
	{"arn:aws:iam::aws:policy/AmazonEKSNetworkingPolicy", "Lets EKS Auto Mode manage the network interfaces of a cluster.", []awsStatement{
		on([]string{"arn:aws:ec2:*:*:security-group/*", "arn:aws:ec2:*:*:subnet/*"}, "ec2", "CreateNetworkInterface"),
		on("arn:aws:ec2:*:*:network-interface/*", "ec2", "CreateNetworkInterface").when("StringEquals", "aws:RequestTag/"+clusterTag, ownCluster),
		on("*", "ec2", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses", "ModifyNetworkInterfaceAttribute", "AttachNetworkInterface", "DetachNetworkInterface", "DeleteNetworkInterface").
			when("StringEquals", "aws:ResourceTag/"+clusterTag, ownCluster),
	}},
	{"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly", "Provides read-only access to Amazon EC2 Container Registry repositories.", allow(pullImages...)},
	{"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly", "Provides the permissions to pull images.", allow(
		"ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchImportUpstreamImage",
	)},
	{"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser", "Provides full access to repositories, but not to their permissions.", allow(
		append(slices.Clone(pullImages), "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage")...,
	)},
	{"arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore", "Lets instances use the core of Systems Manager.", []awsStatement{
		on("*", "ssm", "DescribeAssociation", "GetDeployablePatchSnapshotForInstance", "GetDocument", "DescribeDocument", "GetManifest", "GetParameter",
			"GetParameters", "ListAssociations", "ListInstanceAssociations", "PutInventory", "PutComplianceItems", "PutConfigurePackageResult",
			"UpdateAssociationStatus", "UpdateInstanceAssociationStatus", "UpdateInstanceInformation"),
		on("*", "ssmmessages", "CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"),
		on("*", "ec2messages", "AcknowledgeMessage", "DeleteMessage", "FailMessage", "GetEndpoint", "GetMessages", "SendReply"),
	}},
	{"arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy", "Lets the CSI driver of EBS manage volumes and snapshots.", ebsCSIDriver()},
	{"arn:aws:iam::aws:policy/service-role/AmazonEFSCSIDriverPolicy", "Lets the CSI driver of EFS manage access points.", []awsStatement{
		on("*", "elasticfilesystem", "DescribeAccessPoints", "DescribeFileSystems", "DescribeMountTargets"),
		on("*", "ec2", "DescribeAvailabilityZones"),
		on("*", "elasticfilesystem", "CreateAccessPoint").when("Null", "aws:RequestTag/efs.csi.aws.com/cluster", "false").
			when("ForAllValues:StringEquals", "aws:TagKeys", "efs.csi.aws.com/cluster"),
		on("*", "elasticfilesystem", "TagResource").when("StringLike", "aws:ResourceTag/efs.csi.aws.com/cluster", "true"),
		on("*", "elasticfilesystem", "DeleteAccessPoint").when("Null", "aws:ResourceTag/efs.csi.aws.com/cluster", "false"),
	}},
	{"arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy", "Lets the CloudWatch agent write metrics, logs and traces.", []awsStatement{
		on("*", "cloudwatch", "PutMetricData"),
		on("*", "ec2", "DescribeVolumes", "DescribeTags"),
		on("*", "logs", "PutLogEvents", "PutRetentionPolicy", "DescribeLogStreams", "DescribeLogGroups", "CreateLogStream", "CreateLogGroup"),
		on("*", "xray", "PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets", "GetSamplingStatisticSummaries"),
		on("arn:aws:ssm:*:*:parameter/AmazonCloudWatch-*", "ssm", "GetParameter"),
	}},
	{"arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess", "Provides write only access to X-Ray.", []awsStatement{
		on("*", "xray", "PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets", "GetSamplingStatisticSummaries"),
	}},
	{"arn:aws:iam::aws:policy/AmazonPrometheusRemoteWriteAccess", "Grants write only access to Prometheus workspaces.", allow("aps:RemoteWrite")},
	{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "Provides read only access to all buckets.", allow(
		"s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*",
	)},
	{"arn:aws:iam::aws:policy/AmazonS3FullAccess", "Provides full access to all buckets.", allow("s3:*", "s3-object-lambda:*")},
}

// awsPolicyPrefix begins the ARNs of AWS's policies.
const awsPolicyPrefix = "arn:aws:iam::aws:policy/"

// notAttachable refuses a managed policy that does not exist. AWS has many policies of its own that the emulator lacks.
func notAttachable(arn, format string) error {
	if !strings.HasPrefix(arn, awsPolicyPrefix) {
		return notFound(format, arn)
	}
	names := make([]string, len(awsPolicies))
	for i := range awsPolicies {
		names[i] = strings.TrimPrefix(awsPolicies[i].arn, awsPolicyPrefix)
	}
	slices.Sort(names)
	return notFound(format+" Of the AWS managed policies, the emulator has %s. CreatePolicy can make another with the same statements.", arn, strings.Join(names, ", "))
}

// awsPolicyTime is the creation time of AWS's policies. It is the same in all accounts.
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
			name: known.arn[strings.LastIndexByte(known.arn, '/')+1:], path: known.arn[len(awsPolicyPrefix)-1 : strings.LastIndexByte(known.arn, '/')+1], arn: known.arn, id: awsPolicyID(known.arn), description: known.description,
			created: awsPolicyTime, updated: awsPolicyTime, aws: true, defaultVersion: 1, lastVersion: 1,
			versions: []policyVersion{{number: 1, created: awsPolicyTime, document: document{text: string(text), parsed: parsed}}},
		}
	}
	return nil
}
