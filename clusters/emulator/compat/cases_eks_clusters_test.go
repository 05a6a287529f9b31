package compat

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

const (
	trustEKS  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	trustNode = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	viewer    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
)

// clusterInput has a VPC with subnets in two zones, and a role.
func (f *fixture) clusterInput() *eks.CreateClusterInput {
	f.t.Helper()
	c, vpc := f.Admin().EC2, f.vpc()
	var subnets []string
	for cidr, zone := range map[string]string{"10.0.0.0/24": "a", "10.0.1.0/24": "b"} {
		out, err := c.CreateSubnet(f.t.Context(), &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: aws.String(cidr), AvailabilityZone: aws.String(emulatortest.Region + zone)})
		f.must(err)
		f.cleanly(func(ctx context.Context) error {
			return last(c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: out.Subnet.SubnetId}))
		})
		subnets = append(subnets, *out.Subnet.SubnetId)
	}
	return &eks.CreateClusterInput{
		Name: &f.Name, RoleArn: aws.String(f.Role(f.Name+"-cluster", trustEKS, "")), ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: subnets},
		AccessConfig: &types.CreateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi},
	}
}

// made returns a cluster that CreateCluster made and that is ACTIVE.
func (f *fixture) made() *eks.CreateClusterInput {
	f.t.Helper()
	c, input := f.Admin().EKS, f.clusterInput()
	f.must(last(c.CreateCluster(f.t.Context(), input)))
	f.undoCluster()
	f.must(eks.NewClusterActiveWaiter(c, func(o *eks.ClusterActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
	}).
		Wait(f.t.Context(), &eks.DescribeClusterInput{Name: &f.Name}, time.Minute))
	return input
}

// undoCluster deletes a cluster at the end of the case. Its network can be deleted only after that.
func (f *fixture) undoCluster() {
	c := f.Admin().EKS
	f.cleanly(func(ctx context.Context) error {
		if _, err := c.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: &f.Name}); err != nil {
			return err
		}
		return eks.NewClusterDeletedWaiter(c, func(o *eks.ClusterDeletedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
		}).
			Wait(ctx, &eks.DescribeClusterInput{Name: &f.Name}, time.Minute)
	})
}

func (f *fixture) nodegroupInput() *eks.CreateNodegroupInput {
	f.t.Helper()
	cluster := f.made()
	return &eks.CreateNodegroupInput{
		ClusterName: &f.Name, NodegroupName: aws.String("ng"), NodeRole: aws.String(f.Role(f.Name+"-node", trustNode, "")), Subnets: cluster.ResourcesVpcConfig.SubnetIds,
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), MaxSize: aws.Int32(1), DesiredSize: aws.Int32(1)},
	}
}

// nodegroup returns a node group that is ACTIVE.
func (f *fixture) nodegroup() {
	f.t.Helper()
	c := f.Admin().EKS
	f.must(last(c.CreateNodegroup(f.t.Context(), f.nodegroupInput())))
	f.undoNodegroup()
	f.must(eks.NewNodegroupActiveWaiter(c, func(o *eks.NodegroupActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
	}).
		Wait(f.t.Context(), &eks.DescribeNodegroupInput{ClusterName: &f.Name, NodegroupName: aws.String("ng")}, time.Minute))
}

func (f *fixture) undoNodegroup() {
	c := f.Admin().EKS
	f.cleanly(func(ctx context.Context) error {
		_, _ = c.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: &f.Name, NodegroupName: aws.String("ng")}) // the case may have deleted it
		return eks.NewNodegroupDeletedWaiter(c, func(o *eks.NodegroupDeletedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
		}).
			Wait(ctx, &eks.DescribeNodegroupInput{ClusterName: &f.Name, NodegroupName: aws.String("ng")}, time.Minute)
	})
}

// instance returns the instance of a node group.
func (f *fixture) instance() *string {
	f.t.Helper()
	f.nodegroup()
	out, err := f.Admin().EC2.DescribeInstances(f.t.Context(), &ec2.DescribeInstancesInput{})
	f.must(err)
	return out.Reservations[0].Instances[0].InstanceId
}

// entry creates an access entry of a registered cluster, for a user.
func (f *fixture) entry() *string {
	f.t.Helper()
	principal := aws.String("arn:aws:iam::" + emulatortest.Account + ":user/" + f.Name)
	f.must(last(f.Admin().EKS.CreateAccessEntry(f.t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String(f.Cluster()), PrincipalArn: principal})))
	return principal
}

func eksClusterCases() []testCase {
	denied, missing := refused(403, "AccessDeniedException"), refused(404, "ResourceNotFoundException")
	wrong := refused(400, "InvalidParameterException")
	with := func(change func(*eks.CreateClusterInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			input := f.clusterInput()
			change(input)
			return last(f.Admin().EKS.CreateCluster(ctx, input))
		}
	}
	return []testCase{
		{"eks", "DescribeClusterVersions", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeClusterVersions(ctx, &eks.DescribeClusterVersionsInput{}))
		}},
		{"eks", "DescribeClusterVersions", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EKS.DescribeClusterVersions(ctx, &eks.DescribeClusterVersionsInput{}))
		}},
		{"eks", "CreateCluster", "subnets in two zones", accepted, func(ctx context.Context, f *fixture) error {
			input := f.clusterInput()
			f.undoCluster()
			return last(f.Admin().EKS.CreateCluster(ctx, input))
		}},
		{"eks", "CreateCluster", "a subnet of one zone", wrong, with(func(in *eks.CreateClusterInput) {
			in.ResourcesVpcConfig.SubnetIds = in.ResourcesVpcConfig.SubnetIds[:1]
		})},
		{"eks", "CreateCluster", "a subnet that does not exist", wrong, with(func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = []string{noSubnet} })},
		{"eks", "CreateCluster", "a role that does not exist", wrong, with(func(in *eks.CreateClusterInput) { in.RoleArn = aws.String(roleARN("gone")) })},
		{"eks", "CreateCluster", "a version that EKS does not have", wrong, with(func(in *eks.CreateClusterInput) { in.Version = aws.String("1.28") })},
		{"eks", "CreateCluster", "Auto Mode", wrong, with(func(in *eks.CreateClusterInput) {
			in.ComputeConfig = &types.ComputeConfigRequest{Enabled: aws.Bool(true)}
		})},
		{"eks", "CreateCluster", "a caller who may not pass the role", denied, func(ctx context.Context, f *fixture) error {
			c := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"*"}}`).EKS
			return last(c.CreateCluster(ctx, f.clusterInput()))
		}},
		{"eks", "CreateCluster", "the name of another cluster", refused(409, "ResourceInUseException"), func(ctx context.Context, f *fixture) error {
			input := f.clusterInput()
			f.Cluster()
			return last(f.Admin().EKS.CreateCluster(ctx, input))
		}},
		{"eks", "DeleteCluster", "a cluster without node groups", accepted, func(ctx context.Context, f *fixture) error {
			f.made()
			return last(f.Admin().EKS.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: &f.Name}))
		}},
		{"eks", "DeleteCluster", "a cluster with a node group", refused(409, "ResourceInUseException"), func(ctx context.Context, f *fixture) error {
			f.nodegroup()
			return last(f.Admin().EKS.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: &f.Name}))
		}},
		{"eks", "DeleteCluster", "a cluster that was registered", refused(400, "InvalidRequestException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: aws.String(f.Cluster())}))
		}},
		{"eks", "DeleteCluster", "a cluster that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: &f.Name}))
		}},
		{"eks", "CreateNodegroup", "an active cluster", accepted, func(ctx context.Context, f *fixture) error {
			input := f.nodegroupInput()
			f.undoNodegroup()
			return last(f.Admin().EKS.CreateNodegroup(ctx, input))
		}},
		{"eks", "CreateNodegroup", "more nodes than the largest size", wrong, func(ctx context.Context, f *fixture) error {
			input := f.nodegroupInput()
			input.ScalingConfig.DesiredSize = aws.Int32(2)
			return last(f.Admin().EKS.CreateNodegroup(ctx, input))
		}},
		{"eks", "CreateNodegroup", "an instance type that does not exist", wrong, func(ctx context.Context, f *fixture) error {
			input := f.nodegroupInput()
			input.InstanceTypes = []string{"t3.huge"}
			return last(f.Admin().EKS.CreateNodegroup(ctx, input))
		}},
		{"eks", "CreateNodegroup", "a role that does not trust EC2", wrong, func(ctx context.Context, f *fixture) error {
			input := f.nodegroupInput()
			input.NodeRole = aws.String(roleARN(f.Name + "-cluster"))
			return last(f.Admin().EKS.CreateNodegroup(ctx, input))
		}},
		{"eks", "DescribeNodegroup", "a node group", accepted, func(ctx context.Context, f *fixture) error {
			f.nodegroup()
			return last(f.Admin().EKS.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &f.Name, NodegroupName: aws.String("ng")}))
		}},
		{"eks", "DescribeNodegroup", "one that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: aws.String(f.Cluster()), NodegroupName: aws.String("ng")}))
		}},
		{"eks", "ListNodegroups", "a registered cluster", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: aws.String(f.Cluster())}))
		}},
		{"eks", "ListNodegroups", "a cluster that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: &f.Name}))
		}},
		{"eks", "DeleteNodegroup", "a node group", accepted, func(ctx context.Context, f *fixture) error {
			f.nodegroup()
			return last(f.Admin().EKS.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: &f.Name, NodegroupName: aws.String("ng")}))
		}},
		{"eks", "DeleteNodegroup", "one that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: aws.String(f.Cluster()), NodegroupName: aws.String("ng")}))
		}},
		{"eks", "ListFargateProfiles", "a registered cluster", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListFargateProfiles(ctx, &eks.ListFargateProfilesInput{ClusterName: aws.String(f.Cluster())}))
		}},
		{"eks", "ListFargateProfiles", "a cluster that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListFargateProfiles(ctx, &eks.ListFargateProfilesInput{ClusterName: &f.Name}))
		}},
		{"eks", "CreateAccessEntry", "a user", accepted, func(ctx context.Context, f *fixture) error { f.entry(); return nil }},
		{"eks", "CreateAccessEntry", "a user who has one", refused(409, "ResourceInUseException"), func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: &f.Name, PrincipalArn: principal}))
		}},
		{"eks", "CreateAccessEntry", "a session of a role", wrong, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: aws.String(f.Cluster()), PrincipalArn: aws.String("arn:aws:sts::123456789012:assumed-role/r/s")}))
		}},
		{"eks", "CreateAccessEntry", "a group that begins with system:", wrong, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: aws.String(f.Cluster()), PrincipalArn: aws.String(roleARN("r")), KubernetesGroups: []string{"system:masters"}}))
		}},
		{"eks", "DescribeAccessEntry", "an entry", accepted, func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: &f.Name, PrincipalArn: principal}))
		}},
		{"eks", "DescribeAccessEntry", "one that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: aws.String(f.Cluster()), PrincipalArn: aws.String(roleARN("r"))}))
		}},
		{"eks", "ListAccessEntries", "a registered cluster", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListAccessEntries(ctx, &eks.ListAccessEntriesInput{ClusterName: aws.String(f.Cluster())}))
		}},
		{"eks", "ListAccessEntries", "a cluster that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListAccessEntries(ctx, &eks.ListAccessEntriesInput{ClusterName: &f.Name}))
		}},
		{"eks", "UpdateAccessEntry", "groups", accepted, func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{ClusterName: &f.Name, PrincipalArn: principal, KubernetesGroups: []string{"readers"}}))
		}},
		{"eks", "UpdateAccessEntry", "one that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{ClusterName: aws.String(f.Cluster()), PrincipalArn: aws.String(roleARN("r"))}))
		}},
		{"eks", "DeleteAccessEntry", "an entry", accepted, func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: &f.Name, PrincipalArn: principal}))
		}},
		{"eks", "DeleteAccessEntry", "one that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: aws.String(f.Cluster()), PrincipalArn: aws.String(roleARN("r"))}))
		}},
		{"eks", "AssociateAccessPolicy", "the whole cluster", accepted, func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: &f.Name, PrincipalArn: principal, PolicyArn: aws.String(viewer), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster}}))
		}},
		{"eks", "AssociateAccessPolicy", "a policy of IAM", wrong, func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: &f.Name, PrincipalArn: principal, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess"), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster}}))
		}},
		{"eks", "AssociateAccessPolicy", "no namespace where one is needed", wrong, func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: &f.Name, PrincipalArn: principal, PolicyArn: aws.String(viewer), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeNamespace}}))
		}},
		{"eks", "ListAssociatedAccessPolicies", "an entry", accepted, func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.ListAssociatedAccessPolicies(ctx, &eks.ListAssociatedAccessPoliciesInput{ClusterName: &f.Name, PrincipalArn: principal}))
		}},
		{"eks", "ListAssociatedAccessPolicies", "one that does not exist", missing, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListAssociatedAccessPolicies(ctx, &eks.ListAssociatedAccessPoliciesInput{ClusterName: aws.String(f.Cluster()), PrincipalArn: aws.String(roleARN("r"))}))
		}},
		{"eks", "DisassociateAccessPolicy", "a policy", accepted, func(ctx context.Context, f *fixture) error {
			c, principal := f.Admin().EKS, f.entry()
			f.must(last(c.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: &f.Name, PrincipalArn: principal, PolicyArn: aws.String(viewer), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster}})))
			return last(c.DisassociateAccessPolicy(ctx, &eks.DisassociateAccessPolicyInput{ClusterName: &f.Name, PrincipalArn: principal, PolicyArn: aws.String(viewer)}))
		}},
		{"eks", "DisassociateAccessPolicy", "one that is not associated", missing, func(ctx context.Context, f *fixture) error {
			principal := f.entry()
			return last(f.Admin().EKS.DisassociateAccessPolicy(ctx, &eks.DisassociateAccessPolicyInput{ClusterName: &f.Name, PrincipalArn: principal, PolicyArn: aws.String(viewer)}))
		}},
		{"eks", "ListAccessPolicies", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListAccessPolicies(ctx, &eks.ListAccessPoliciesInput{}))
		}},
		{"eks", "ListAccessPolicies", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EKS.ListAccessPolicies(ctx, &eks.ListAccessPoliciesInput{}))
		}},
	}
}
