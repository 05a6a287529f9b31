package compat

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// The rows share one account. A case deletes what it made in EC2 at its end, because EC2's quotas are small.

// cleanly undoes what a case made.
func (f *fixture) cleanly(undo func(context.Context) error) {
	f.t.Cleanup(func() { _ = undo(context.Background()) }) // the case may have undone it
}

func (f *fixture) vpc() *string {
	f.t.Helper()
	c := f.Admin().EC2
	f.t.Cleanup(func() { f.SetClock(0) })
	out, err := c.CreateVpc(f.t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	f.must(err)
	f.cleanly(func(ctx context.Context) error {
		return last(c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: out.Vpc.VpcId}))
	})
	return out.Vpc.VpcId
}

func (f *fixture) subnet(vpc *string) *string {
	f.t.Helper()
	c := f.Admin().EC2
	out, err := c.CreateSubnet(f.t.Context(), &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: aws.String("10.0.0.0/24")})
	f.must(err)
	f.cleanly(func(ctx context.Context) error {
		return last(c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: out.Subnet.SubnetId}))
	})
	return out.Subnet.SubnetId
}

func (f *fixture) routeTable(vpc *string) *string {
	f.t.Helper()
	c := f.Admin().EC2
	out, err := c.CreateRouteTable(f.t.Context(), &ec2.CreateRouteTableInput{VpcId: vpc})
	f.must(err)
	f.cleanly(func(ctx context.Context) error {
		return last(c.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: out.RouteTable.RouteTableId}))
	})
	return out.RouteTable.RouteTableId
}

// gateway creates an internet gateway, attached to a VPC if that is not nil.
func (f *fixture) gateway(vpc *string) *string {
	f.t.Helper()
	c := f.Admin().EC2
	out, err := c.CreateInternetGateway(f.t.Context(), &ec2.CreateInternetGatewayInput{})
	f.must(err)
	id := out.InternetGateway.InternetGatewayId
	f.cleanly(func(ctx context.Context) error {
		return last(c.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: id}))
	})
	if vpc != nil {
		f.must(last(c.AttachInternetGateway(f.t.Context(), &ec2.AttachInternetGatewayInput{InternetGatewayId: id, VpcId: vpc})))
		f.cleanly(func(ctx context.Context) error {
			return last(c.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: id, VpcId: vpc}))
		})
	}
	return id
}

func (f *fixture) address() *string {
	f.t.Helper()
	c := f.Admin().EC2
	out, err := c.AllocateAddress(f.t.Context(), &ec2.AllocateAddressInput{})
	f.must(err)
	f.cleanly(func(ctx context.Context) error {
		return last(c.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: out.AllocationId}))
	})
	return out.AllocationId
}

func (f *fixture) group(vpc *string) *string {
	f.t.Helper()
	c := f.Admin().EC2
	out, err := c.CreateSecurityGroup(f.t.Context(), &ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: &f.Name, Description: aws.String("a test")})
	f.must(err)
	f.cleanly(func(ctx context.Context) error {
		return last(c.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: out.GroupId}))
	})
	return out.GroupId
}

func (f *fixture) template() *string {
	f.t.Helper()
	c := f.Admin().EC2
	out, err := c.CreateLaunchTemplate(f.t.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: &f.Name, LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: types.InstanceTypeT3Medium},
	})
	f.must(err)
	return out.LaunchTemplate.LaunchTemplateId
}

// IDs of a valid form that do not exist.
const (
	noVPC      = "vpc-00000000000000000"
	noSubnet   = "subnet-00000000000000000"
	noTable    = "rtb-00000000000000000"
	noGateway  = "igw-00000000000000000"
	noAddress  = "eipalloc-00000000000000000"
	noNAT      = "nat-00000000000000000"
	noGroup    = "sg-00000000000000000"
	noTemplate = "lt-00000000000000000"
	noInstance = "i-00000000000000000"
)

func everything() []types.IpPermission {
	return []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}
}

// ec2Cases: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ and, for codes,
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
func ec2Cases() []testCase {
	denied := refused(403, "UnauthorizedOperation")
	unknown := []types.Filter{{Name: aws.String("colour"), Values: []string{"red"}}}
	return []testCase{
		{"ec2", anyOperation, "an access key that does not exist", refused(401, "AuthFailure"), func(ctx context.Context, f *fixture) error {
			return last(f.As("AKIAUNKNOWN000000000", "secret", "").EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}))
		}},
		{"ec2", anyOperation, "a wrong secret", refused(401, "AuthFailure"), func(ctx context.Context, f *fixture) error {
			return last(f.Forged().EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}))
		}},
		{"ec2", anyOperation, "an operation that the emulator lacks", refused(400, "InvalidAction"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{}))
		}},
		{"ec2", "CreateVpc", "a parameter that the emulator lacks", refused(400, "UnknownParameter"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true)}))
		}},
		{"ec2", "CreateVpc", "a dry run by who may", refused(412, "DryRunOperation"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), DryRun: aws.Bool(true)}))
		}},
		{"ec2", "DescribeAvailabilityZones", "all of the region", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{}))
		}},
		{"ec2", "DescribeAvailabilityZones", "one of another region", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{ZoneNames: []string{"eu-west-1a"}}))
		}},
		{"ec2", "DescribeInstanceTypes", "t3.medium", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t3.medium"}}))
		}},
		{"ec2", "DescribeInstanceTypes", "a type that does not exist", refused(400, "InvalidInstanceType"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t3.huge"}}))
		}},
		{"ec2", "DescribeInstanceTypeOfferings", "by zone", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInstanceTypeOfferings(ctx, &ec2.DescribeInstanceTypeOfferingsInput{LocationType: types.LocationTypeAvailabilityZone}))
		}},
		{"ec2", "DescribeInstanceTypeOfferings", "by what is no location type", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInstanceTypeOfferings(ctx, &ec2.DescribeInstanceTypeOfferingsInput{LocationType: "continent"}))
		}},
		{"ec2", "DescribeKeyPairs", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{}))
		}},
		{"ec2", "DescribeKeyPairs", "one that does not exist", refused(400, "InvalidKeyPair.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{KeyNames: []string{"mine"}}))
		}},
		{"ec2", "DescribeInstances", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{}))
		}},
		{"ec2", "DescribeInstances", "one that does not exist", refused(400, "InvalidInstanceID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{noInstance}}))
		}},
		{"ec2", "DescribeInstances", "an unknown filter", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: unknown}))
		}},
		{"ec2", "DescribeNetworkInterfaces", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{}))
		}},
		{"ec2", "DescribeNetworkInterfaces", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{}))
		}},
		{"ec2", "ModifyInstanceMetadataOptions", "the hop limit of an instance", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: f.instance(), HttpPutResponseHopLimit: aws.Int32(2)}))
		}},
		{"ec2", "ModifyInstanceMetadataOptions", "a hop limit of 65", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: f.instance(), HttpPutResponseHopLimit: aws.Int32(65)}))
		}},
		{"ec2", "ModifyInstanceMetadataOptions", "an instance that does not exist", refused(400, "InvalidInstanceID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: aws.String(noInstance), HttpPutResponseHopLimit: aws.Int32(2)}))
		}},
		{"ec2", "CreateTags", "a VPC", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*f.vpc()}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}))
		}},
		{"ec2", "CreateTags", "the reserved prefix aws:", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*f.vpc()}, Tags: []types.Tag{{Key: aws.String("aws:a"), Value: aws.String("b")}}}))
		}},
		{"ec2", "CreateTags", "what does not exist", refused(400, "InvalidID"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{noVPC}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}))
		}},
		{"ec2", "DeleteTags", "a VPC", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{*f.vpc()}, Tags: []types.Tag{{Key: aws.String("a")}}}))
		}},
		{"ec2", "DeleteTags", "what does not exist", refused(400, "InvalidID"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{noVPC}, Tags: []types.Tag{{Key: aws.String("a")}}}))
		}},
		{"ec2", "DescribeTags", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeTags(ctx, &ec2.DescribeTagsInput{}))
		}},
		{"ec2", "DescribeTags", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EC2.DescribeTags(ctx, &ec2.DescribeTagsInput{}))
		}},
	}
}

func ec2NetworkCases() []testCase {
	denied := refused(403, "UnauthorizedOperation")
	return []testCase{
		{"ec2", "CreateVpc", "10.0.0.0/16", accepted, func(ctx context.Context, f *fixture) error { f.vpc(); return nil }},
		{"ec2", "CreateVpc", "a range of more than /16", refused(400, "InvalidVpc.Range"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/8")}))
		}},
		{"ec2", "CreateVpc", "what is no range", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0")}))
		}},
		{"ec2", "CreateVpc", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")}))
		}},
		{"ec2", "CreateVpc", "tags by a caller who may not tag", denied, func(ctx context.Context, f *fixture) error {
			c := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:CreateVpc","Resource":"*"}}`).EC2
			return last(c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), TagSpecifications: []types.TagSpecification{
				{ResourceType: types.ResourceTypeVpc, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}},
			}}))
		}},
		{"ec2", "CreateVpc", "tags for another type", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), TagSpecifications: []types.TagSpecification{
				{ResourceType: types.ResourceTypeSubnet, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}},
			}}))
		}},
		{"ec2", "DeleteVpc", "an empty VPC", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: f.vpc()}))
		}},
		{"ec2", "DeleteVpc", "a VPC with a subnet", refused(400, "DependencyViolation"), func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			f.subnet(vpc)
			return last(f.Admin().EC2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: vpc}))
		}},
		{"ec2", "DeleteVpc", "a VPC with a gateway", refused(400, "DependencyViolation"), func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			f.gateway(vpc)
			return last(f.Admin().EC2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: vpc}))
		}},
		{"ec2", "DeleteVpc", "a VPC with a security group", refused(400, "DependencyViolation"), func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			f.group(vpc)
			return last(f.Admin().EC2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: vpc}))
		}},
		{"ec2", "DeleteVpc", "one that does not exist", refused(400, "InvalidVpcID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: aws.String(noVPC)}))
		}},
		{"ec2", "DeleteVpc", "what is no ID of a VPC", refused(400, "InvalidVpcID.Malformed"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: aws.String("mine")}))
		}},
		{"ec2", "DescribeVpcs", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}))
		}},
		{"ec2", "DescribeVpcs", "one that does not exist", refused(400, "InvalidVpcID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{noVPC}}))
		}},
		{"ec2", "DescribeVpcs", "pages of less than 5", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{MaxResults: aws.Int32(4)}))
		}},
		{"ec2", "ModifyVpcAttribute", "DNS host names on", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: f.vpc(), EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))
		}},
		{"ec2", "ModifyVpcAttribute", "no attribute", refused(400, "InvalidParameterCombination"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: f.vpc()}))
		}},
		{"ec2", "DescribeVpcAttribute", "DNS support", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: f.vpc(), Attribute: types.VpcAttributeNameEnableDnsSupport}))
		}},
		{"ec2", "DescribeVpcAttribute", "one that does not exist", refused(400, "InvalidVpcID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: aws.String(noVPC), Attribute: types.VpcAttributeNameEnableDnsSupport}))
		}},
		{"ec2", "CreateSubnet", "inside its VPC", accepted, func(ctx context.Context, f *fixture) error { f.subnet(f.vpc()); return nil }},
		{"ec2", "CreateSubnet", "outside its VPC", refused(400, "InvalidSubnet.Range"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: f.vpc(), CidrBlock: aws.String("10.1.0.0/24")}))
		}},
		{"ec2", "CreateSubnet", "over another subnet", refused(400, "InvalidSubnet.Conflict"), func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			f.subnet(vpc)
			return last(f.Admin().EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: aws.String("10.0.0.128/25")}))
		}},
		{"ec2", "CreateSubnet", "a zone of another region", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: f.vpc(), CidrBlock: aws.String("10.0.0.0/24"), AvailabilityZone: aws.String("eu-west-1a")}))
		}},
		{"ec2", "DeleteSubnet", "a subnet", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: f.subnet(f.vpc())}))
		}},
		{"ec2", "DeleteSubnet", "one that does not exist", refused(400, "InvalidSubnetID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: aws.String(noSubnet)}))
		}},
		{"ec2", "DescribeSubnets", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{}))
		}},
		{"ec2", "DescribeSubnets", "one that does not exist", refused(400, "InvalidSubnetID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{noSubnet}}))
		}},
		{"ec2", "ModifySubnetAttribute", "public addresses on", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifySubnetAttribute(ctx, &ec2.ModifySubnetAttributeInput{SubnetId: f.subnet(f.vpc()), MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))
		}},
		{"ec2", "ModifySubnetAttribute", "no attribute", refused(400, "MissingParameter"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifySubnetAttribute(ctx, &ec2.ModifySubnetAttributeInput{SubnetId: f.subnet(f.vpc())}))
		}},
		{"ec2", "CreateRouteTable", "a VPC", accepted, func(ctx context.Context, f *fixture) error { f.routeTable(f.vpc()); return nil }},
		{"ec2", "CreateRouteTable", "a VPC that does not exist", refused(400, "InvalidVpcID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: aws.String(noVPC)}))
		}},
		{"ec2", "DeleteRouteTable", "a table without associations", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: f.routeTable(f.vpc())}))
		}},
		{"ec2", "DeleteRouteTable", "a table of a subnet", refused(400, "DependencyViolation"), func(ctx context.Context, f *fixture) error {
			c, vpc := f.Admin().EC2, f.vpc()
			table := f.routeTable(vpc)
			f.must(last(c.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: f.subnet(vpc)})))
			return last(c.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: table}))
		}},
		{"ec2", "DescribeRouteTables", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{}))
		}},
		{"ec2", "DescribeRouteTables", "one that does not exist", refused(400, "InvalidRouteTableID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{noTable}}))
		}},
		{"ec2", "CreateRoute", "to a gateway of the VPC", accepted, func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			return last(f.Admin().EC2.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: f.routeTable(vpc), DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: f.gateway(vpc)}))
		}},
		{"ec2", "CreateRoute", "to a gateway that is not attached", refused(400, "InvalidParameterValue"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: f.routeTable(f.vpc()), DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: f.gateway(nil)}))
		}},
		{"ec2", "CreateRoute", "a second one for a range", refused(400, "RouteAlreadyExists"), func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			return last(f.Admin().EC2.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: f.routeTable(vpc), DestinationCidrBlock: aws.String("10.0.0.0/16"), GatewayId: f.gateway(vpc)}))
		}},
		{"ec2", "DeleteRoute", "a route", accepted, func(ctx context.Context, f *fixture) error {
			c, vpc := f.Admin().EC2, f.vpc()
			table := f.routeTable(vpc)
			f.must(last(c.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: f.gateway(vpc)})))
			return last(c.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0")}))
		}},
		{"ec2", "DeleteRoute", "one that does not exist", refused(400, "InvalidRoute.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: f.routeTable(f.vpc()), DestinationCidrBlock: aws.String("0.0.0.0/0")}))
		}},
		{"ec2", "AssociateRouteTable", "a subnet", accepted, func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			table := f.routeTable(vpc) // created first, because it can be deleted only after the subnet
			return last(f.Admin().EC2.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: f.subnet(vpc)}))
		}},
		{"ec2", "AssociateRouteTable", "a subnet that has another table", refused(400, "Resource.AlreadyAssociated"), func(ctx context.Context, f *fixture) error {
			c, vpc := f.Admin().EC2, f.vpc()
			table, other := f.routeTable(vpc), f.routeTable(vpc)
			subnet := f.subnet(vpc)
			f.must(last(c.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: subnet})))
			return last(c.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: other, SubnetId: subnet}))
		}},
		{"ec2", "DisassociateRouteTable", "an association", accepted, func(ctx context.Context, f *fixture) error {
			c, vpc := f.Admin().EC2, f.vpc()
			out, err := c.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: f.routeTable(vpc), SubnetId: f.subnet(vpc)})
			f.must(err)
			return last(c.DisassociateRouteTable(ctx, &ec2.DisassociateRouteTableInput{AssociationId: out.AssociationId}))
		}},
		{"ec2", "DisassociateRouteTable", "one that does not exist", refused(400, "InvalidAssociationID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DisassociateRouteTable(ctx, &ec2.DisassociateRouteTableInput{AssociationId: aws.String("rtbassoc-00000000000000000")}))
		}},
		{"ec2", "CreateInternetGateway", "no tags", accepted, func(ctx context.Context, f *fixture) error { f.gateway(nil); return nil }},
		{"ec2", "CreateInternetGateway", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EC2.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{}))
		}},
		{"ec2", "DeleteInternetGateway", "a detached one", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: f.gateway(nil)}))
		}},
		{"ec2", "DeleteInternetGateway", "an attached one", refused(400, "DependencyViolation"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: f.gateway(f.vpc())}))
		}},
		{"ec2", "DescribeInternetGateways", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{}))
		}},
		{"ec2", "DescribeInternetGateways", "one that does not exist", refused(400, "InvalidInternetGatewayID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{InternetGatewayIds: []string{noGateway}}))
		}},
		{"ec2", "AttachInternetGateway", "a VPC", accepted, func(ctx context.Context, f *fixture) error { f.gateway(f.vpc()); return nil }},
		{"ec2", "AttachInternetGateway", "a second time", refused(400, "Resource.AlreadyAssociated"), func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			return last(f.Admin().EC2.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: f.gateway(vpc), VpcId: vpc}))
		}},
		{"ec2", "DetachInternetGateway", "its VPC", accepted, func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			return last(f.Admin().EC2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: f.gateway(vpc), VpcId: vpc}))
		}},
		{"ec2", "DetachInternetGateway", "one that is not attached", refused(400, "Gateway.NotAttached"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: f.gateway(nil), VpcId: f.vpc()}))
		}},
		{"ec2", "AllocateAddress", "an address", accepted, func(ctx context.Context, f *fixture) error { f.address(); return nil }},
		{"ec2", "AllocateAddress", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EC2.AllocateAddress(ctx, &ec2.AllocateAddressInput{}))
		}},
		{"ec2", "ReleaseAddress", "an address", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: f.address()}))
		}},
		{"ec2", "ReleaseAddress", "one that does not exist", refused(400, "InvalidAllocationID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: aws.String(noAddress)}))
		}},
		{"ec2", "DescribeAddresses", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{}))
		}},
		{"ec2", "DescribeAddresses", "one that does not exist", refused(400, "InvalidAllocationID.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{AllocationIds: []string{noAddress}}))
		}},
		{"ec2", "CreateNatGateway", "a subnet of a VPC with a gateway", accepted, func(ctx context.Context, f *fixture) error {
			c, vpc, address := f.Admin().EC2, f.vpc(), f.address()
			f.gateway(vpc)
			out, err := c.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: f.subnet(vpc), AllocationId: address})
			f.deleteNAT(out)
			return err
		}},
		{"ec2", "CreateNatGateway", "a subnet of a VPC without a gateway", refused(400, "Gateway.NotAttached"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: f.subnet(f.vpc()), AllocationId: f.address()}))
		}},
		{"ec2", "DeleteNatGateway", "one that is there", accepted, func(ctx context.Context, f *fixture) error {
			c, vpc, address := f.Admin().EC2, f.vpc(), f.address()
			f.gateway(vpc)
			out, err := c.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: f.subnet(vpc), AllocationId: address})
			f.must(err)
			f.deleteNAT(out)
			return last(c.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: out.NatGateway.NatGatewayId}))
		}},
		{"ec2", "DeleteNatGateway", "one that does not exist", refused(400, "NatGatewayNotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: aws.String(noNAT)}))
		}},
		{"ec2", "DescribeNatGateways", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{}))
		}},
		{"ec2", "DescribeNatGateways", "one that does not exist", refused(400, "NatGatewayNotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{noNAT}}))
		}},
	}
}

// deleteNAT deletes a gateway at the end of the case, and waits for its deletion.
func (f *fixture) deleteNAT(out *ec2.CreateNatGatewayOutput) {
	if out == nil {
		return
	}
	c := f.Admin().EC2
	f.cleanly(func(ctx context.Context) error {
		_, err := c.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: out.NatGateway.NatGatewayId})
		f.SetClock(time.Second)
		return err
	})
}

func ec2TemplateCases() []testCase {
	denied := refused(403, "UnauthorizedOperation")
	data := &types.RequestLaunchTemplateData{MetadataOptions: &types.LaunchTemplateInstanceMetadataOptionsRequest{HttpPutResponseHopLimit: aws.Int32(1), HttpTokens: "required"}}
	return []testCase{
		{"ec2", "CreateSecurityGroup", "a VPC", accepted, func(ctx context.Context, f *fixture) error { f.group(f.vpc()); return nil }},
		{"ec2", "CreateSecurityGroup", "a name twice", refused(400, "InvalidGroup.Duplicate"), func(ctx context.Context, f *fixture) error {
			vpc := f.vpc()
			f.group(vpc)
			return last(f.Admin().EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: &f.Name, Description: aws.String("a test")}))
		}},
		{"ec2", "DeleteSecurityGroup", "a group", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: f.group(f.vpc())}))
		}},
		{"ec2", "DeleteSecurityGroup", "one that does not exist", refused(400, "InvalidGroup.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: aws.String(noGroup)}))
		}},
		{"ec2", "DescribeSecurityGroups", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{}))
		}},
		{"ec2", "DescribeSecurityGroups", "one that does not exist", refused(400, "InvalidGroup.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{noGroup}}))
		}},
		{"ec2", "DescribeSecurityGroupRules", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{}))
		}},
		{"ec2", "DescribeSecurityGroupRules", "one that does not exist", refused(400, "InvalidSecurityGroupRuleId.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{"sgr-00000000000000000"}}))
		}},
		{"ec2", "AuthorizeSecurityGroupIngress", "a range", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: f.group(f.vpc()), IpPermissions: everything()}))
		}},
		{"ec2", "AuthorizeSecurityGroupIngress", "a rule twice", refused(400, "InvalidPermission.Duplicate"), func(ctx context.Context, f *fixture) error {
			c, group := f.Admin().EC2, f.group(f.vpc())
			f.must(last(c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: everything()})))
			return last(c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: everything()}))
		}},
		{"ec2", "AuthorizeSecurityGroupEgress", "a range", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: f.group(f.vpc()), IpPermissions: everything()}))
		}},
		{"ec2", "AuthorizeSecurityGroupEgress", "no rule", refused(400, "MissingParameter"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: f.group(f.vpc())}))
		}},
		{"ec2", "RevokeSecurityGroupIngress", "a rule", accepted, func(ctx context.Context, f *fixture) error {
			c, group := f.Admin().EC2, f.group(f.vpc())
			f.must(last(c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: everything()})))
			return last(c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group, IpPermissions: everything()}))
		}},
		{"ec2", "RevokeSecurityGroupIngress", "one that does not exist", refused(400, "InvalidPermission.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: f.group(f.vpc()), IpPermissions: everything()}))
		}},
		{"ec2", "RevokeSecurityGroupEgress", "the rule of a new group", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: f.group(f.vpc()), IpPermissions: []types.IpPermission{
				{IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}},
			}}))
		}},
		{"ec2", "RevokeSecurityGroupEgress", "one that does not exist", refused(400, "InvalidSecurityGroupRuleId.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: f.group(f.vpc()), SecurityGroupRuleIds: []string{"sgr-00000000000000000"}}))
		}},
		{"ec2", "CreateLaunchTemplate", "an instance type", accepted, func(ctx context.Context, f *fixture) error { f.template(); return nil }},
		{"ec2", "CreateLaunchTemplate", "a name twice", refused(400, "InvalidLaunchTemplateName.AlreadyExistsException"), func(ctx context.Context, f *fixture) error {
			f.template()
			return last(f.Admin().EC2.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &f.Name, LaunchTemplateData: data}))
		}},
		{"ec2", "CreateLaunchTemplateVersion", "a template", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateLaunchTemplateVersion(ctx, &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateId: f.template(), LaunchTemplateData: data}))
		}},
		{"ec2", "CreateLaunchTemplateVersion", "one that does not exist", refused(400, "InvalidLaunchTemplateId.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.CreateLaunchTemplateVersion(ctx, &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateId: aws.String(noTemplate), LaunchTemplateData: data}))
		}},
		{"ec2", "ModifyLaunchTemplate", "its default version", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifyLaunchTemplate(ctx, &ec2.ModifyLaunchTemplateInput{LaunchTemplateId: f.template(), DefaultVersion: aws.String("1")}))
		}},
		{"ec2", "ModifyLaunchTemplate", "a version that does not exist", refused(400, "InvalidLaunchTemplateId.VersionNotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.ModifyLaunchTemplate(ctx, &ec2.ModifyLaunchTemplateInput{LaunchTemplateId: f.template(), DefaultVersion: aws.String("2")}))
		}},
		{"ec2", "DeleteLaunchTemplate", "a template", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: f.template()}))
		}},
		{"ec2", "DeleteLaunchTemplate", "one that does not exist", refused(400, "InvalidLaunchTemplateId.NotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: aws.String(noTemplate)}))
		}},
		{"ec2", "DescribeLaunchTemplates", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{}))
		}},
		{"ec2", "DescribeLaunchTemplates", "a name that does not exist", refused(400, "InvalidLaunchTemplateName.NotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"none"}}))
		}},
		{"ec2", "DescribeLaunchTemplateVersions", "$Latest", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EC2.DescribeLaunchTemplateVersions(ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: f.template(), Versions: []string{"$Latest"}}))
		}},
		{"ec2", "DescribeLaunchTemplateVersions", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EC2.DescribeLaunchTemplateVersions(ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: f.template()}))
		}},
	}
}
