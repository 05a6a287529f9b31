package ec2

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/podidentity/epi/clusters/emulator/query"
)

type vpc struct {
	base
	CIDR string
	// DNSSupport is on and DNSHostnames off in a new VPC.
	DNSSupport, DNSHostnames bool
}

type subnet struct {
	base
	VPC, CIDR, Zone string
	MapPublicIP     bool
}

const (
	vpcsPerRegion = 5
	subnetsPerVPC = 200
	// reserved addresses of each subnet.
	reserved = 5
)

type xmlVPC struct {
	VPCID       string     `xml:"vpcId"`
	OwnerID     string     `xml:"ownerId"`
	State       string     `xml:"state"`
	CIDR        string     `xml:"cidrBlock"`
	Ranges      []xmlRange `xml:"cidrBlockAssociationSet>item"`
	DHCPOptions string     `xml:"dhcpOptionsId"`
	Tenancy     string     `xml:"instanceTenancy"`
	Default     bool       `xml:"isDefault"`
	Tags        tagSet     `xml:"tagSet"`
}

type xmlRange struct {
	ID    string `xml:"associationId"`
	CIDR  string `xml:"cidrBlock"`
	State string `xml:"cidrBlockState>state"`
}

func (s *Service) xmlVPC(v *vpc) xmlVPC {
	return xmlVPC{
		VPCID: v.ID, OwnerID: s.options.Account, State: "available", CIDR: v.CIDR, DHCPOptions: "default", Tenancy: "default", Tags: xmlTags(v.Tags),
		Ranges: []xmlRange{{"vpc-cidr-assoc-" + v.ID[len("vpc-"):], v.CIDR, "associated"}},
	}
}

// block reads an IPv4 range with an allowed size. It sets the host bits to zero, as AWS does.
func block(parameter, text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, missing("The request must contain the parameter %s", parameter)
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || !prefix.Addr().Is4() {
		return netip.Prefix{}, wrongValue("Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, parameter)
	}
	return prefix.Masked(), nil
}

type createVPCInput struct {
	CidrBlock, InstanceTenancy string
	tagged
}

func (s *Service) createVPC(r request, in createVPCInput) (any, error) {
	tags, requested, err := r.requested(in.tagged, "vpc")
	if err != nil {
		return nil, err
	}
	if err := r.authorizeCreation("CreateVpc", "vpc", requested); err != nil {
		return nil, err
	}
	prefix, err := block("cidrBlock", in.CidrBlock)
	switch {
	case err != nil:
		return nil, err
	case prefix.Bits() < 16 || prefix.Bits() > 28:
		return nil, query.Errorf("InvalidVpc.Range", http.StatusBadRequest, "The CIDR '%s' is invalid.", in.CidrBlock)
	case in.InstanceTenancy != "" && in.InstanceTenancy != "default":
		return nil, wrongValue("Value (%s) for parameter instanceTenancy is invalid: the emulator knows default only.", in.InstanceTenancy)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.vpcs.all) >= vpcsPerRegion {
		return nil, query.Errorf("VpcLimitExceeded", http.StatusBadRequest, "The maximum number of VPCs has been reached.")
	}
	made := vpc{base: s.newBase("vpc", tags, ""), CIDR: prefix.String(), DNSSupport: true}
	// The parts of the VPC are written first, because a VPC without its table or group would be invalid.
	table := routeTable{base: s.newBase("rtb", nil, ""), VPC: made.ID, Routes: []route{{CIDR: made.CIDR, Gateway: "local"}}}
	table.Associations = []association{{ID: newID("rtbassoc")}}
	group := securityGroup{base: s.newBase("sg", nil, ""), VPC: made.ID, Name: "default", Description: "default VPC security group"}
	group.Rules = []rule{{ID: newID("sgr"), Protocol: "-1", FromPort: -1, ToPort: -1, Group: group.ID}, allTraffic()}
	if err := put(s.tables, table); err != nil {
		return nil, err
	}
	if err := put(s.groups, group); err != nil {
		return nil, err
	}
	if err := put(s.vpcs, made); err != nil {
		return nil, err
	}
	return struct {
		VPC xmlVPC `xml:"vpc"`
	}{s.xmlVPC(&made)}, nil
}

func (s *Service) newBase(prefix string, tags map[string]string, token string) base {
	return base{ID: newID(prefix), Tags: tags, Created: s.options.Now().UTC(), Token: token}
}

type vpcInput struct {
	VpcID string `query:"VpcId"`
}

func (s *Service) deleteVPC(r request, in vpcInput) (any, error) {
	if err := r.authorize("DeleteVpc", nil, accessTo(s.vpcs, in.VpcID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.vpcs.find(in.VpcID)
	if err != nil {
		return nil, err
	}
	tables := sorted(s.tables, func(t *routeTable) bool { return t.VPC == v.ID })
	groups := sorted(s.groups, func(g *securityGroup) bool { return g.VPC == v.ID })
	inUse := slices.ContainsFunc(tables, func(t *routeTable) bool { return !t.main() }) ||
		slices.ContainsFunc(groups, func(g *securityGroup) bool { return g.Name != "default" }) ||
		len(sorted(s.subnets, func(n *subnet) bool { return n.VPC == v.ID })) > 0 ||
		len(sorted(s.igws, func(g *internetGateway) bool { return g.VPC == v.ID })) > 0
	if inUse {
		return nil, dependency("vpc", v.ID)
	}
	// The VPC is deleted first. If the process ends in between, the rest belongs to no VPC, and no request by VPC returns
	// it.
	if err := s.vpcs.remove(v.ID); err != nil {
		return nil, err
	}
	for _, t := range tables {
		if err := s.tables.remove(t.ID); err != nil {
			return nil, err
		}
	}
	for _, g := range groups {
		if err := s.groups.remove(g.ID); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *Service) describeVPCs(r request, in struct {
	IDs []string `query:"VpcId"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeVpcs"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := chosen(s.vpcs, in.IDs)
	if err != nil {
		return nil, err
	}
	found, next, err := list(in.listInput, found, id, tagsIn, map[string]func(*vpc) []string{
		"vpc-id": one(func(v *vpc) string { return v.ID }), "cidr": one(func(v *vpc) string { return v.CIDR }),
		"cidr-block-association.cidr-block": one(func(v *vpc) string { return v.CIDR }),
		"state":                             one(func(*vpc) string { return "available" }), "owner-id": one(func(*vpc) string { return s.options.Account }),
		"is-default": one(func(*vpc) string { return "false" }), "isDefault": one(func(*vpc) string { return "false" }),
	})
	return struct {
		VPCs []xmlVPC `xml:"vpcSet>item"`
		page
	}{each(found, s.xmlVPC), next}, err
}

func each[T, U any](items []T, change func(T) U) []U {
	var out []U
	for _, item := range items {
		out = append(out, change(item))
	}
	return out
}

type flag struct{ Value *bool }

func (s *Service) modifyVPCAttribute(r request, in struct {
	VpcID              string `query:"VpcId"`
	EnableDNSSupport   *flag  `query:"EnableDnsSupport"`
	EnableDNSHostnames *flag  `query:"EnableDnsHostnames"`
}) (any, error) {
	if err := r.authorize("ModifyVpcAttribute", nil, accessTo(s.vpcs, in.VpcID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	// "You cannot modify the DNS resolution and DNS hostnames attributes in the same request."
	if (in.EnableDNSSupport == nil) == (in.EnableDNSHostnames == nil) {
		return nil, query.Errorf("InvalidParameterCombination", http.StatusBadRequest, "Exactly one attribute of the VPC must be given")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.vpcs.find(in.VpcID)
	if err != nil {
		return nil, err
	}
	changed := *v
	for _, change := range []struct {
		given *flag
		field *bool
	}{{in.EnableDNSSupport, &changed.DNSSupport}, {in.EnableDNSHostnames, &changed.DNSHostnames}} {
		if change.given != nil && change.given.Value != nil {
			*change.field = *change.given.Value
		}
	}
	return nil, put(s.vpcs, changed)
}

func (s *Service) describeVPCAttribute(r request, in struct {
	VpcID     string `query:"VpcId"`
	Attribute string
}) (any, error) {
	if err := r.authorize("DescribeVpcAttribute", nil, accessTo(s.vpcs, in.VpcID)); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, err := s.vpcs.find(in.VpcID)
	if err != nil {
		return nil, err
	}
	type value struct {
		Value bool `xml:"value"`
	}
	var out struct {
		VPCID     string `xml:"vpcId"`
		Support   *value `xml:"enableDnsSupport"`
		Hostnames *value `xml:"enableDnsHostnames"`
	}
	out.VPCID = v.ID
	switch in.Attribute {
	case "enableDnsSupport":
		out.Support = &value{v.DNSSupport}
	case "enableDnsHostnames":
		out.Hostnames = &value{v.DNSHostnames}
	default:
		return nil, wrongValue("Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return out, nil
}

type xmlSubnet struct {
	SubnetID  string `xml:"subnetId"`
	ARN       string `xml:"subnetArn"`
	State     string `xml:"state"`
	VPCID     string `xml:"vpcId"`
	CIDR      string `xml:"cidrBlock"`
	Available int    `xml:"availableIpAddressCount"`
	Zone      string `xml:"availabilityZone"`
	ZoneID    string `xml:"availabilityZoneId"`
	Default   bool   `xml:"defaultForAz"`
	MapPublic bool   `xml:"mapPublicIpOnLaunch"`
	OwnerID   string `xml:"ownerId"`
	Tags      tagSet `xml:"tagSet"`
}

func (s *Service) xmlSubnet(n *subnet) xmlSubnet {
	prefix := netip.MustParsePrefix(n.CIDR)
	used := len(sorted(s.enis, func(e *networkInterface) bool { return e.Subnet == n.ID }))
	return xmlSubnet{
		SubnetID: n.ID, ARN: s.arn("subnet", n.ID), State: "available", VPCID: n.VPC, CIDR: n.CIDR, Available: 1<<(32-prefix.Bits()) - reserved - used,
		Zone: n.Zone, ZoneID: s.zoneID(n.Zone), MapPublic: n.MapPublicIP, OwnerID: s.options.Account, Tags: xmlTags(n.Tags),
	}
}

type createSubnetInput struct {
	VpcID              string `query:"VpcId"`
	CidrBlock          string
	AvailabilityZone   string
	AvailabilityZoneID string `query:"AvailabilityZoneId"`
	tagged
}

func (s *Service) createSubnet(r request, in createSubnetInput) (any, error) {
	tags, requested, err := r.requested(in.tagged, "subnet")
	if err != nil {
		return nil, err
	}
	if err := r.authorizeCreation("CreateSubnet", "subnet", requested, accessTo(s.vpcs, in.VpcID)); err != nil {
		return nil, err
	}
	prefix, err := block("cidrBlock", in.CidrBlock)
	if err != nil {
		return nil, err
	}
	if prefix.Bits() < 16 || prefix.Bits() > 28 {
		return nil, query.Errorf("InvalidSubnet.Range", http.StatusBadRequest, "The CIDR '%s' is invalid.", in.CidrBlock)
	}
	zone := in.AvailabilityZone
	for _, known := range s.zones() {
		if zone == "" && (in.AvailabilityZoneID == known.ID || in.AvailabilityZoneID == "") {
			zone = known.Name
		}
	}
	if !slices.ContainsFunc(s.zones(), func(z zone1) bool { return z.Name == zone }) {
		return nil, wrongValue("Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.", zone, s.zoneNames())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.vpcs.find(in.VpcID)
	if err != nil {
		return nil, err
	}
	whole := netip.MustParsePrefix(v.CIDR)
	if !whole.Contains(prefix.Addr()) || prefix.Bits() < whole.Bits() {
		return nil, query.Errorf("InvalidSubnet.Range", http.StatusBadRequest, "The CIDR '%s' is invalid.", in.CidrBlock)
	}
	others := sorted(s.subnets, func(n *subnet) bool { return n.VPC == v.ID })
	if len(others) >= subnetsPerVPC {
		return nil, query.Errorf("SubnetLimitExceeded", http.StatusBadRequest, "The maximum number of subnets has been reached.")
	}
	for _, other := range others {
		if netip.MustParsePrefix(other.CIDR).Overlaps(prefix) {
			return nil, query.Errorf("InvalidSubnet.Conflict", http.StatusBadRequest, "The CIDR '%s' conflicts with another subnet", in.CidrBlock)
		}
	}
	made := subnet{base: s.newBase("subnet", tags, ""), VPC: v.ID, CIDR: prefix.String(), Zone: zone}
	if err := put(s.subnets, made); err != nil {
		return nil, err
	}
	return struct {
		Subnet xmlSubnet `xml:"subnet"`
	}{s.xmlSubnet(&made)}, nil
}

type subnetInput struct {
	SubnetID string `query:"SubnetId"`
}

func (s *Service) deleteSubnet(r request, in subnetInput) (any, error) {
	if err := r.authorize("DeleteSubnet", nil, accessTo(s.subnets, in.SubnetID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.subnets.find(in.SubnetID)
	if err != nil {
		return nil, err
	}
	now := s.options.Now()
	if len(sorted(s.enis, func(e *networkInterface) bool { return e.Subnet == n.ID })) > 0 ||
		len(sorted(s.nats, func(g *natGateway) bool { return g.Subnet == n.ID && g.state(now) != "deleted" })) > 0 {
		return nil, dependency("subnet", n.ID)
	}
	for _, t := range sorted(s.tables, func(t *routeTable) bool { return t.association(n.ID) >= 0 }) {
		changed := *t
		at := t.association(n.ID)
		changed.Associations = slices.Delete(slices.Clone(t.Associations), at, at+1)
		if err := put(s.tables, changed); err != nil {
			return nil, err
		}
	}
	return nil, s.subnets.remove(n.ID)
}

func (s *Service) describeSubnets(r request, in struct {
	IDs []string `query:"SubnetId"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeSubnets"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := chosen(s.subnets, in.IDs)
	if err != nil {
		return nil, err
	}
	found, next, err := list(in.listInput, found, id, tagsIn, map[string]func(*subnet) []string{
		"subnet-id": one(func(n *subnet) string { return n.ID }), "vpc-id": one(func(n *subnet) string { return n.VPC }),
		"availability-zone": one(func(n *subnet) string { return n.Zone }), "availabilityZone": one(func(n *subnet) string { return n.Zone }),
		"availability-zone-id": one(func(n *subnet) string { return s.zoneID(n.Zone) }),
		"cidr-block":           one(func(n *subnet) string { return n.CIDR }), "cidr": one(func(n *subnet) string { return n.CIDR }),
		"state": one(func(*subnet) string { return "available" }), "owner-id": one(func(*subnet) string { return s.options.Account }),
		"map-public-ip-on-launch": one(func(n *subnet) string { return text(n.MapPublicIP) }), "default-for-az": one(func(*subnet) string { return "false" }),
	})
	return struct {
		Subnets []xmlSubnet `xml:"subnetSet>item"`
		page
	}{each(found, s.xmlSubnet), next}, err
}

func (s *Service) modifySubnetAttribute(r request, in struct {
	SubnetID            string `query:"SubnetId"`
	MapPublicIPOnLaunch *flag  `query:"MapPublicIpOnLaunch"`
}) (any, error) {
	if err := r.authorize("ModifySubnetAttribute", nil, accessTo(s.subnets, in.SubnetID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.subnets.find(in.SubnetID)
	if err != nil {
		return nil, err
	}
	if in.MapPublicIPOnLaunch == nil || in.MapPublicIPOnLaunch.Value == nil {
		return nil, missing("Exactly one attribute of the subnet must be given")
	}
	changed := *n
	changed.MapPublicIP = *in.MapPublicIPOnLaunch.Value
	return nil, put(s.subnets, changed)
}
