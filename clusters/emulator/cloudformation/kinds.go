package cloudformation

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// kinds are the types of resources that the emulator supports.
var kinds = map[string]kind{}

func init() { //nolint:gochecknoinits // the table refers to functions that refer to it
	maps.Copy(kinds, networkKinds())
	maps.Copy(kinds, identityKinds())
	maps.Copy(kinds, clusterKinds())
}

func networkKinds() map[string]kind {
	vpcOf := func(n node) result {
		id := n.text("vpcId")
		return result{id, map[string]string{"VpcId": id, "CidrBlock": n.text("cidrBlock")}}
	}
	subnetOf := func(n node) result {
		id := n.text("subnetId")
		return result{id, map[string]string{"SubnetId": id, "VpcId": n.text("vpcId"), "AvailabilityZone": n.text("availabilityZone"), "CidrBlock": n.text("cidrBlock")}}
	}
	only := func(name, attribute string) func(node) result {
		return func(n node) result { return result{n.text(name), map[string]string{attribute: n.text(name)}} }
	}
	addressOf := func(n node) result {
		return result{n.text("publicIp"), map[string]string{"AllocationId": n.text("allocationId"), "PublicIp": n.text("publicIp")}}
	}
	groupOf := func(n node) result {
		return result{n.text("groupId"), map[string]string{"GroupId": n.text("groupId"), "VpcId": n.text("vpcId")}}
	}
	templateOf := func(n node) result {
		return result{n.text("launchTemplateId"), map[string]string{
			"LaunchTemplateId": n.text("launchTemplateId"), "LatestVersionNumber": n.text("latestVersionNumber"), "DefaultVersionNumber": n.text("defaultVersionNumber"),
		}}
	}
	byID := func(action, parameter string) func(*operationOn) (bool, error) {
		return func(o *operationOn) (bool, error) {
			_, err := o.query("ec2", action, url.Values{parameter: {o.resource.Physical}})
			return gone(err)
		}
	}
	return map[string]kind{
		"AWS::EC2::VPC": {
			properties: []string{"CidrBlock", "EnableDnsHostnames", "EnableDnsSupport", "InstanceTenancy", "Tags"},
			create: func(o *operationOn) (result, error) {
				answer, err := o.query("ec2", "CreateVpc", o.specification("vpc", values("CidrBlock", o.text("CidrBlock"), "InstanceTenancy", o.text("InstanceTenancy"))))
				return vpcOf(answer.at("vpc")), err
			},
			find: tagged("DescribeVpcs", "vpcSet", "vpcId", vpcOf),
			ready: func(o *operationOn) (map[string]string, bool, error) {
				for _, name := range []string{"EnableDnsSupport", "EnableDnsHostnames"} {
					if o.properties[name] == nil {
						continue
					}
					if _, err := o.query("ec2", "ModifyVpcAttribute", values("VpcId", o.resource.Physical, name+".Value", o.text(name))); err != nil {
						return nil, false, err
					}
				}
				groups, err := o.query("ec2", "DescribeSecurityGroups", values("Filter.1.Name", "vpc-id", "Filter.1.Value.1", o.resource.Physical, "Filter.2.Name", "group-name", "Filter.2.Value.1", "default"))
				return map[string]string{"DefaultSecurityGroup": groups.text("securityGroupInfo", "item", "groupId")}, err == nil, err
			},
			remove: byID("DeleteVpc", "VpcId"),
		},
		"AWS::EC2::Subnet": {
			properties: []string{"AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch", "VpcId", "Tags"},
			create: func(o *operationOn) (result, error) {
				answer, err := o.query("ec2", "CreateSubnet", o.specification("subnet", values(
					"AvailabilityZone", o.text("AvailabilityZone"), "CidrBlock", o.text("CidrBlock"), "VpcId", o.text("VpcId"))))
				return subnetOf(answer.at("subnet")), err
			},
			find: tagged("DescribeSubnets", "subnetSet", "subnetId", subnetOf),
			ready: func(o *operationOn) (map[string]string, bool, error) {
				if o.properties["MapPublicIpOnLaunch"] == nil {
					return nil, true, nil
				}
				_, err := o.query("ec2", "ModifySubnetAttribute", values("SubnetId", o.resource.Physical, "MapPublicIpOnLaunch.Value", o.text("MapPublicIpOnLaunch")))
				return nil, err == nil, err
			},
			remove: byID("DeleteSubnet", "SubnetId"),
		},
		"AWS::EC2::RouteTable": {
			properties: []string{"VpcId", "Tags"},
			create: func(o *operationOn) (result, error) {
				answer, err := o.query("ec2", "CreateRouteTable", o.specification("route-table", values("VpcId", o.text("VpcId"), "ClientToken", o.resource.Token)))
				return only("routeTableId", "RouteTableId")(answer.at("routeTable")), err
			},
			remove: byID("DeleteRouteTable", "RouteTableId"),
		},
		"AWS::EC2::Route": {
			properties: []string{"RouteTableId", "DestinationCidrBlock", "GatewayId", "NatGatewayId"},
			// A second request for the same route is no error.
			create: func(o *operationOn) (result, error) {
				_, err := o.query("ec2", "CreateRoute", values("RouteTableId", o.text("RouteTableId"), "DestinationCidrBlock", o.text("DestinationCidrBlock"),
					"GatewayId", o.text("GatewayId"), "NatGatewayId", o.text("NatGatewayId")))
				return result{physical: o.text("RouteTableId") + "|" + o.text("DestinationCidrBlock")}, err
			},
			remove: func(o *operationOn) (bool, error) {
				_, err := o.query("ec2", "DeleteRoute", values("RouteTableId", o.text("RouteTableId"), "DestinationCidrBlock", o.text("DestinationCidrBlock")))
				return gone(err)
			},
		},
		"AWS::EC2::SubnetRouteTableAssociation": {
			properties: []string{"RouteTableId", "SubnetId"},
			// A second request for the same association returns its ID.
			create: func(o *operationOn) (result, error) {
				answer, err := o.query("ec2", "AssociateRouteTable", values("RouteTableId", o.text("RouteTableId"), "SubnetId", o.text("SubnetId")))
				return only("associationId", "Id")(answer), err
			},
			remove: byID("DisassociateRouteTable", "AssociationId"),
		},
		"AWS::EC2::InternetGateway": {
			properties: []string{"Tags"},
			create: func(o *operationOn) (result, error) {
				answer, err := o.query("ec2", "CreateInternetGateway", o.specification("internet-gateway", url.Values{}))
				return only("internetGatewayId", "InternetGatewayId")(answer.at("internetGateway")), err
			},
			find:   tagged("DescribeInternetGateways", "internetGatewaySet", "internetGatewayId", only("internetGatewayId", "InternetGatewayId")),
			remove: byID("DeleteInternetGateway", "InternetGatewayId"),
		},
		"AWS::EC2::VPCGatewayAttachment": {
			properties: []string{"InternetGatewayId", "VpcId"},
			create: func(o *operationOn) (result, error) {
				_, err := o.query("ec2", "AttachInternetGateway", values("InternetGatewayId", o.text("InternetGatewayId"), "VpcId", o.text("VpcId")))
				if hasCode(err, "Resource.AlreadyAssociated") && o.resource.Tried {
					err = nil
				}
				return result{physical: "IGW|" + o.text("VpcId")}, err
			},
			remove: func(o *operationOn) (bool, error) {
				_, err := o.query("ec2", "DetachInternetGateway", values("InternetGatewayId", o.text("InternetGatewayId"), "VpcId", o.text("VpcId")))
				if hasCode(err, "Gateway.NotAttached") {
					err = nil
				}
				return gone(err)
			},
		},
		"AWS::EC2::EIP": {
			properties: []string{"Domain", "Tags"},
			create: func(o *operationOn) (result, error) {
				answer, err := o.query("ec2", "AllocateAddress", o.specification("elastic-ip", values("Domain", o.text("Domain"))))
				return addressOf(answer), err
			},
			find: tagged("DescribeAddresses", "addressesSet", "allocationId", addressOf),
			remove: func(o *operationOn) (bool, error) {
				_, err := o.query("ec2", "ReleaseAddress", values("AllocationId", o.resource.Attributes["AllocationId"]))
				return gone(err)
			},
		},
		"AWS::EC2::NatGateway": {
			properties: []string{"AllocationId", "SubnetId", "ConnectivityType", "Tags"},
			create: func(o *operationOn) (result, error) {
				answer, err := o.query("ec2", "CreateNatGateway", o.specification("natgateway", values(
					"AllocationId", o.text("AllocationId"), "SubnetId", o.text("SubnetId"), "ConnectivityType", o.text("ConnectivityType"), "ClientToken", o.resource.Token)))
				return only("natGatewayId", "NatGatewayId")(answer.at("natGateway")), err
			},
			ready: func(o *operationOn) (map[string]string, bool, error) {
				state, err := natState(o)
				if err == nil && (state == "failed" || state == "deleted") {
					err = fmt.Errorf("NatGateway %s is in state %s", o.resource.Physical, state) // AWS's text
				}
				return nil, state == "available", err
			},
			remove: func(o *operationOn) (bool, error) {
				state, err := natState(o)
				if err == nil && state != "deleting" && state != "deleted" {
					_, err = o.query("ec2", "DeleteNatGateway", values("NatGatewayId", o.resource.Physical))
				}
				if err != nil {
					return gone(err)
				}
				return state == "deleted", nil
			},
		},
		"AWS::EC2::SecurityGroup": {
			properties: []string{"GroupDescription", "GroupName", "SecurityGroupIngress", "VpcId", "Tags"},
			create: func(o *operationOn) (result, error) {
				name := o.text("GroupName")
				if name == "" {
					name = o.resource.Name
				}
				answer, err := o.query("ec2", "CreateSecurityGroup", o.specification("security-group", values(
					"GroupName", name, "GroupDescription", o.text("GroupDescription"), "VpcId", o.text("VpcId"))))
				made := groupOf(answer)
				made.attributes["VpcId"] = o.text("VpcId")
				return made, err
			},
			find: tagged("DescribeSecurityGroups", "securityGroupInfo", "groupId", groupOf),
			ready: func(o *operationOn) (map[string]string, bool, error) {
				rules, _ := o.properties["SecurityGroupIngress"].([]any)
				for _, item := range rules {
					fields, _ := item.(map[string]any)
					_, err := o.query("ec2", "AuthorizeSecurityGroupIngress", rule(o.resource.Physical, fields))
					if err != nil && !hasCode(err, "InvalidPermission.Duplicate") {
						return nil, false, err
					}
				}
				return nil, true, nil
			},
			remove: byID("DeleteSecurityGroup", "GroupId"),
		},
		"AWS::EC2::SecurityGroupIngress": {
			properties: []string{"GroupId", "IpProtocol", "FromPort", "ToPort", "SourceSecurityGroupId", "CidrIp", "CidrIpv6", "Description"},
			create: func(o *operationOn) (result, error) {
				answer, err := o.query("ec2", "AuthorizeSecurityGroupIngress", rule(o.text("GroupId"), o.properties))
				id := answer.text("securityGroupRuleSet", "item", "securityGroupRuleId")
				if hasCode(err, "InvalidPermission.Duplicate") && o.resource.Tried {
					id, err = o.resource.Name, nil
				}
				return result{id, map[string]string{"Id": id}}, err
			},
			remove: func(o *operationOn) (bool, error) {
				_, err := o.query("ec2", "RevokeSecurityGroupIngress", rule(o.text("GroupId"), o.properties))
				return gone(err)
			},
		},
		"AWS::EC2::LaunchTemplate": {
			properties: []string{"LaunchTemplateData", "LaunchTemplateName", "TagSpecifications", "VersionDescription"},
			create: func(o *operationOn) (result, error) {
				name := o.text("LaunchTemplateName")
				if name == "" {
					name = o.resource.Name
				}
				form := o.specification("launch-template", values("LaunchTemplateName", name, "ClientToken", o.resource.Token, "VersionDescription", o.text("VersionDescription")))
				flatten(form, "LaunchTemplateData", o.properties["LaunchTemplateData"])
				answer, err := o.query("ec2", "CreateLaunchTemplate", form)
				return templateOf(answer.at("launchTemplate")), err
			},
			remove: byID("DeleteLaunchTemplate", "LaunchTemplateId"),
		},
	}
}

// values returns parameters by name, without the empty ones.
func values(pairs ...string) url.Values {
	form := url.Values{}
	for n := 0; n+1 < len(pairs); n += 2 {
		if pairs[n+1] != "" {
			form.Set(pairs[n], pairs[n+1])
		}
	}
	return form
}

func natState(o *operationOn) (string, error) {
	answer, err := o.query("ec2", "DescribeNatGateways", values("NatGatewayId.1", o.resource.Physical))
	return answer.text("natGatewaySet", "item", "state"), err
}

// rule is one rule of a security group.
func rule(group string, properties map[string]any) url.Values {
	text := func(name string) string {
		value, _ := scalar(properties[name])
		return value
	}
	form := values("GroupId", group, "IpPermissions.1.IpProtocol", text("IpProtocol"), "IpPermissions.1.FromPort", text("FromPort"), "IpPermissions.1.ToPort", text("ToPort"))
	for name, at := range map[string]string{"SourceSecurityGroupId": "Groups.1.GroupId", "CidrIp": "IpRanges.1.CidrIp", "CidrIpv6": "Ipv6Ranges.1.CidrIpv6"} {
		if value := text(name); value != "" {
			form.Set("IpPermissions.1."+at, value)
			list, _, _ := strings.Cut(at, ".")
			if description := text("Description"); description != "" {
				form.Set("IpPermissions.1."+list+".1.Description", description)
			}
		}
	}
	return form
}

// singular maps the plural names of CloudFormation to the singular names of EC2's requests.
var singular = map[string]string{
	"BlockDeviceMappings": "BlockDeviceMapping", "SecurityGroupIds": "SecurityGroupId", "TagSpecifications": "TagSpecification", "Tags": "Tag",
	"NetworkInterfaces": "NetworkInterface", "Groups": "SecurityGroupId",
}

// flatten writes a structure as parameters of a request to EC2.
func flatten(form url.Values, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			if short, ok := singular[key]; ok {
				key = short
			}
			flatten(form, name+"."+key, item)
		}
	case []any:
		for n, item := range v {
			flatten(form, name+"."+strconv.Itoa(n+1), item)
		}
	default:
		if text, ok := scalar(v); ok {
			form.Set(name, text)
		}
	}
}

func identityKinds() map[string]kind {
	roleOf := func(n node) result {
		return result{n.text("Role", "RoleName"), map[string]string{"Arn": n.text("Role", "Arn"), "RoleId": n.text("Role", "RoleId")}}
	}
	roleName := func(o *operationOn) string {
		if name := o.text("RoleName"); name != "" {
			return name
		}
		return o.resource.Name
	}
	return map[string]kind{
		"AWS::IAM::Role": {
			iam: true, named: "RoleName",
			properties: []string{"AssumeRolePolicyDocument", "Description", "ManagedPolicyArns", "MaxSessionDuration", "Path", "PermissionsBoundary", "Policies", "RoleName", "Tags"},
			create: func(o *operationOn) (result, error) {
				form := values("RoleName", roleName(o), "AssumeRolePolicyDocument", document(o.properties["AssumeRolePolicyDocument"]), "Path", o.text("Path"),
					"Description", o.text("Description"), "PermissionsBoundary", o.text("PermissionsBoundary"), "MaxSessionDuration", o.text("MaxSessionDuration"))
				// IAM accepts no tags whose keys begin with aws:, not even CloudFormation's.
				tags := o.merged(o.properties["Tags"], false)
				for n, key := range slices.Sorted(maps.Keys(tags)) {
					at := "Tags.member." + strconv.Itoa(n+1)
					form.Set(at+".Key", key)
					form.Set(at+".Value", tags[key])
				}
				answer, err := o.query("iam", "CreateRole", form)
				return roleOf(answer), err
			},
			find: func(o *operationOn) (result, error) {
				if o.text("RoleName") != "" {
					// A role of that name may belong to somebody else.
					return result{}, nil
				}
				answer, err := o.query("iam", "GetRole", values("RoleName", roleName(o)))
				if isMissing(err) {
					return result{}, nil
				}
				return roleOf(answer), err
			},
			ready: func(o *operationOn) (map[string]string, bool, error) {
				err := policiesOf(o, nil)
				return nil, err == nil, err
			},
			update: func(o *operationOn, old map[string]any) error {
				for _, fixed := range []string{"RoleName", "Path"} {
					if now, _ := scalar(old[fixed]); now != o.text(fixed) {
						return fmt.Errorf("the emulator cannot change the property %s of a role", fixed)
					}
				}
				name := values("RoleName", o.resource.Physical)
				if trust := document(o.properties["AssumeRolePolicyDocument"]); trust != document(old["AssumeRolePolicyDocument"]) {
					if _, err := o.query("iam", "UpdateAssumeRolePolicy", values("RoleName", o.resource.Physical, "PolicyDocument", trust)); err != nil {
						return err
					}
				}
				was, _ := scalar(old["PermissionsBoundary"])
				switch boundary := o.text("PermissionsBoundary"); boundary {
				case was:
				case "":
					if _, err := o.query("iam", "DeleteRolePermissionsBoundary", name); err != nil {
						return err
					}
				default:
					if _, err := o.query("iam", "PutRolePermissionsBoundary", values("RoleName", o.resource.Physical, "PermissionsBoundary", boundary)); err != nil {
						return err
					}
				}
				return policiesOf(o, old)
			},
			remove: func(o *operationOn) (bool, error) {
				// Only the policies of the stack are detached. A policy that somebody else attached prevents the deletion,
				// as on AWS.
				for _, arn := range texts(o.properties["ManagedPolicyArns"]) {
					if _, err := o.query("iam", "DetachRolePolicy", values("RoleName", o.resource.Physical, "PolicyArn", arn)); err != nil && !isMissing(err) {
						return false, err
					}
				}
				for name := range inline(o.properties["Policies"]) {
					if _, err := o.query("iam", "DeleteRolePolicy", values("RoleName", o.resource.Physical, "PolicyName", name)); err != nil && !isMissing(err) {
						return false, err
					}
				}
				_, err := o.query("iam", "DeleteRole", values("RoleName", o.resource.Physical))
				return gone(err)
			},
		},
		"AWS::IAM::Policy": {
			iam:        true,
			properties: []string{"PolicyDocument", "PolicyName", "Roles"},
			create: func(o *operationOn) (result, error) {
				if len(texts(o.properties["Roles"])) == 0 {
					return result{}, errors.New("At least one of [Groups,Roles,Users] must be non-empty. The emulator has Roles.") //nolint:staticcheck // shown as AWS shows it
				}
				return result{physical: o.resource.Name}, putInline(o, texts(o.properties["Roles"]))
			},
			update: func(o *operationOn, old map[string]any) error {
				if name, _ := scalar(old["PolicyName"]); name != o.text("PolicyName") {
					return errors.New("the emulator cannot change the property PolicyName of a policy")
				}
				if err := putInline(o, texts(o.properties["Roles"])); err != nil {
					return err
				}
				var left []string
				for _, role := range texts(old["Roles"]) {
					if !slices.Contains(texts(o.properties["Roles"]), role) {
						left = append(left, role)
					}
				}
				return deleteInline(o, left)
			},
			remove: func(o *operationOn) (bool, error) {
				err := deleteInline(o, texts(o.properties["Roles"]))
				return err == nil, err
			},
		},
	}
}

// document returns a policy as text.
func document(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	if v == nil {
		return ""
	}
	text, _ := json.Marshal(v) // texts, numbers, lists and objects can always be encoded
	return string(text)
}

// inline returns the policies of a role by their names.
func inline(v any) map[string]string {
	list, _ := v.([]any)
	policies := map[string]string{}
	for _, item := range list {
		fields, _ := item.(map[string]any)
		name, _ := scalar(fields["PolicyName"])
		policies[name] = document(fields["PolicyDocument"])
	}
	return policies
}

// policiesOf gives a role its policies, and removes those that it had before and no longer has.
func policiesOf(o *operationOn, old map[string]any) error {
	name := o.resource.Physical
	wanted, had := texts(o.properties["ManagedPolicyArns"]), texts(old["ManagedPolicyArns"])
	for _, arn := range wanted {
		if _, err := o.query("iam", "AttachRolePolicy", values("RoleName", name, "PolicyArn", arn)); err != nil {
			return err
		}
	}
	for _, arn := range had {
		if slices.Contains(wanted, arn) {
			continue
		}
		if _, err := o.query("iam", "DetachRolePolicy", values("RoleName", name, "PolicyArn", arn)); err != nil && !isMissing(err) {
			return err
		}
	}
	now := inline(o.properties["Policies"])
	for policy, text := range now {
		if _, err := o.query("iam", "PutRolePolicy", values("RoleName", name, "PolicyName", policy, "PolicyDocument", text)); err != nil {
			return err
		}
	}
	for policy := range inline(old["Policies"]) {
		if _, stays := now[policy]; stays {
			continue
		}
		if _, err := o.query("iam", "DeleteRolePolicy", values("RoleName", name, "PolicyName", policy)); err != nil && !isMissing(err) {
			return err
		}
	}
	return nil
}

func putInline(o *operationOn, roles []string) error {
	for _, role := range roles {
		if _, err := o.query("iam", "PutRolePolicy", values("RoleName", role, "PolicyName", o.text("PolicyName"), "PolicyDocument", document(o.properties["PolicyDocument"]))); err != nil {
			return err
		}
	}
	return nil
}

func deleteInline(o *operationOn, roles []string) error {
	for _, role := range roles {
		if _, err := o.query("iam", "DeleteRolePolicy", values("RoleName", role, "PolicyName", o.text("PolicyName"))); err != nil && !isMissing(err) {
			return err
		}
	}
	return nil
}

func clusterKinds() map[string]kind {
	return map[string]kind{
		"AWS::EKS::Cluster": {
			properties: []string{
				"AccessConfig", "BootstrapSelfManagedAddons", "ComputeConfig", "DeletionProtection", "EncryptionConfig", "KubernetesNetworkConfig", "Logging", "Name",
				"OutpostConfig", "RemoteNetworkConfig", "ResourcesVpcConfig", "RoleArn", "StorageConfig", "Tags", "UpgradePolicy", "Version", "ZonalShiftConfig",
			},
			create: func(o *operationOn) (result, error) {
				in := lower(o.properties).(map[string]any)
				if o.text("Name") == "" {
					in["name"] = o.resource.Name
				}
				if logging, ok := o.properties["Logging"].(map[string]any); ok {
					in["logging"] = clusterLogging(logging)
				}
				in["tags"], in["clientRequestToken"] = o.merged(o.properties["Tags"], true), o.resource.Token
				answer, err := o.rest("POST", "/clusters", in)
				name, _ := in["name"].(string)
				cluster, _ := answer["cluster"].(map[string]any)
				return result{name, clusterAttributes(cluster)}, err
			},
			ready: func(o *operationOn) (map[string]string, bool, error) {
				answer, err := o.rest("GET", "/clusters/"+url.PathEscape(o.resource.Physical), nil)
				if err != nil {
					return nil, false, err
				}
				cluster, _ := answer["cluster"].(map[string]any)
				return stable(cluster, "Cluster", "ACTIVE", clusterAttributes(cluster))
			},
			remove: func(o *operationOn) (bool, error) {
				return deleteByREST(o, "/clusters/"+url.PathEscape(o.resource.Physical), "cluster")
			},
		},
		"AWS::EKS::Nodegroup": {
			properties: []string{
				"AmiType", "CapacityType", "ClusterName", "DiskSize", "InstanceTypes", "Labels", "LaunchTemplate", "NodeRole", "NodegroupName", "ReleaseVersion",
				"ScalingConfig", "Subnets", "Tags", "Taints", "UpdateConfig", "Version",
			},
			create: func(o *operationOn) (result, error) {
				in := lower(o.properties).(map[string]any)
				if o.text("NodegroupName") == "" {
					in["nodegroupName"] = o.resource.Name
				}
				if labels := o.properties["Labels"]; labels != nil {
					in["labels"] = labels
				}
				delete(in, "clusterName")
				in["tags"], in["clientRequestToken"] = o.merged(o.properties["Tags"], true), o.resource.Token
				answer, err := o.rest("POST", "/clusters/"+url.PathEscape(o.text("ClusterName"))+"/node-groups", in)
				group, _ := answer["nodegroup"].(map[string]any)
				name, _ := in["nodegroupName"].(string)
				arn, _ := group["nodegroupArn"].(string)
				return result{o.text("ClusterName") + "/" + name, map[string]string{"Arn": arn, "ClusterName": o.text("ClusterName"), "NodegroupName": name, "Id": o.text("ClusterName") + "/" + name}}, err
			},
			ready: func(o *operationOn) (map[string]string, bool, error) {
				answer, err := o.rest("GET", nodegroupPath(o), nil)
				if err != nil {
					return nil, false, err
				}
				group, _ := answer["nodegroup"].(map[string]any)
				return stable(group, "Nodegroup", "ACTIVE", nil)
			},
			remove: func(o *operationOn) (bool, error) { return deleteByREST(o, nodegroupPath(o), "nodegroup") },
		},
	}
}

func nodegroupPath(o *operationOn) string {
	cluster, name, _ := strings.Cut(o.resource.Physical, "/")
	return "/clusters/" + url.PathEscape(cluster) + "/node-groups/" + url.PathEscape(name)
}

// stable waits for a state. A state that does not lead to it is an error, with the health issues.
func stable(thing map[string]any, what, wanted string, attributes map[string]string) (map[string]string, bool, error) {
	switch state, _ := thing["status"].(string); state {
	case wanted:
		return attributes, true, nil
	case "CREATING", "UPDATING":
		return nil, false, nil
	default:
		health, _ := thing["health"].(map[string]any)
		issues, _ := json.Marshal(health["issues"])                                                                                                                                 // it was decoded from JSON
		return nil, false, fmt.Errorf("Resource handler returned message: \"[%s did not stabilize: status %s, issues %s]\" (HandlerErrorCode: NotStabilized)", what, state, issues) //nolint:staticcheck // shown as AWS shows it
	}
}

// deleteByREST deletes a resource unless it is being deleted already, and says whether it is gone.
func deleteByREST(o *operationOn, path, what string) (bool, error) {
	answer, err := o.rest("GET", path, nil)
	if err != nil {
		return gone(err)
	}
	thing, _ := answer[what].(map[string]any)
	if thing["status"] == "DELETE_FAILED" || thing["status"] == "DELETING" && issues(thing) > 0 {
		_, _, err := stable(thing, title(what), "gone", nil)
		return false, err
	}
	if thing["status"] != "DELETING" {
		if _, err := o.rest("DELETE", path, nil); err != nil {
			return gone(err)
		}
	}
	return false, nil
}

func issues(thing map[string]any) int {
	health, _ := thing["health"].(map[string]any)
	list, _ := health["issues"].([]any)
	return len(list)
}

func clusterAttributes(cluster map[string]any) map[string]string {
	text := func(path ...string) string {
		at := cluster
		for _, name := range path[:len(path)-1] {
			at, _ = at[name].(map[string]any)
		}
		value, _ := at[path[len(path)-1]].(string)
		return value
	}
	return map[string]string{
		"Arn": text("arn"), "Endpoint": text("endpoint"), "CertificateAuthorityData": text("certificateAuthority", "data"),
		"ClusterSecurityGroupId": text("resourcesVpcConfig", "clusterSecurityGroupId"), "OpenIdConnectIssuerUrl": text("identity", "oidc", "issuer"), "Id": text("name"),
	}
}

// clusterLogging is the API's form of the property Logging.
func clusterLogging(logging map[string]any) map[string]any {
	cluster, _ := logging["ClusterLogging"].(map[string]any)
	var types []string
	list, _ := cluster["EnabledTypes"].([]any)
	for _, item := range list {
		fields, _ := item.(map[string]any)
		if text, ok := scalar(fields["Type"]); ok {
			types = append(types, text)
		}
	}
	if types == nil {
		return map[string]any{}
	}
	return map[string]any{"clusterLogging": []any{map[string]any{"types": types, "enabled": true}}}
}

// numbers are the properties that the API accepts as numbers only.
var numbers = []string{"MinSize", "MaxSize", "DesiredSize", "DiskSize", "MaxUnavailable", "MaxUnavailablePercentage"}

// lower spells properties as the API does, with a small first letter.
func lower(v any) any {
	switch v := v.(type) {
	case map[string]any:
		fields := make(map[string]any, len(v))
		for key, item := range v {
			if slices.Contains(numbers, key) {
				item = number(item)
			}
			fields[strings.ToLower(key[:min(1, len(key))])+key[min(1, len(key)):]] = lower(item)
		}
		return fields
	case []any:
		list := make([]any, 0, len(v))
		for _, item := range v {
			list = append(list, lower(item))
		}
		return list
	}
	return v
}
