package ec2

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/netip"
	"slices"

	"github.com/podidentity/epi/clusters/emulator/query"
)

// Instance is a node of a node group, as the program that created it reports it.
type Instance struct {
	base
	// Group is the ARN of the node group.
	Group string
	Type  string
	// Spot says that it is a spot instance.
	Spot                bool
	VPC, Subnet, Zone   string
	PrivateIP, PublicIP string
	PrivateDNS, ImageID string
	SecurityGroups      []string
	// RoleARN is the ARN of the instance's role. ProfileARN is that of the role's instance profile.
	RoleARN, ProfileARN   string
	HopLimit              int
	HTTPTokens            string
	HTTPEndpoint          string
	LaunchTemplate, Owner string
}

type networkInterface struct {
	base
	VPC, Subnet, Zone, IP string
	Groups                []string
	Description           string
	// Instance is the instance that it belongs to; empty for one of EKS's own.
	Instance string `json:",omitempty"`
	// For is the cluster that it connects to the VPC.
	For string `json:",omitempty"`
}

type xmlInstance struct {
	ID       string          `xml:"instanceId"`
	ImageID  string          `xml:"imageId"`
	State    xmlState        `xml:"instanceState"`
	DNS      string          `xml:"privateDnsName"`
	Type     string          `xml:"instanceType"`
	Launched string          `xml:"launchTime"`
	Zone     string          `xml:"placement>availabilityZone"`
	Subnet   string          `xml:"subnetId,omitempty"`
	VPC      string          `xml:"vpcId,omitempty"`
	IP       string          `xml:"privateIpAddress,omitempty"`
	Public   string          `xml:"ipAddress,omitempty"`
	Groups   []xmlGroupName  `xml:"groupSet>item"`
	Tags     tagSet          `xml:"tagSet"`
	Cycle    string          `xml:"instanceLifecycle,omitempty"`
	Profile  *xmlProfile     `xml:"iamInstanceProfile"`
	Metadata MetadataOptions `xml:"metadataOptions"`
}

type xmlState struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

// xmlProfile is https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IamInstanceProfile.html.
type xmlProfile struct {
	ARN string `xml:"arn"`
	ID  string `xml:"id"`
}

type xmlGroupName struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

func (s *Service) xmlInstance(i *Instance) xmlInstance {
	out := xmlInstance{
		ID: i.ID, ImageID: cmp.Or(i.ImageID, "ami-0123456789abcdef0"), State: xmlState{16, "running"}, DNS: i.PrivateDNS, Type: i.Type, Launched: format(i.Created),
		Zone: i.Zone, Subnet: i.Subnet, VPC: i.VPC, IP: i.PrivateIP, Public: i.PublicIP, Groups: s.groupNames(i.SecurityGroups), Tags: xmlTags(i.Tags),
		Metadata: i.metadata(),
	}
	if i.Spot {
		out.Cycle = "spot"
	}
	if i.ProfileARN != "" {
		out.Profile = &xmlProfile{i.ProfileARN, i.ProfileID()}
	}
	return out
}

// ProfileID is the ID of the instance's profile.
func (i *Instance) ProfileID() string {
	sum := sha256.Sum256([]byte(i.ProfileARN))
	return "AIPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

func (i *Instance) metadata() MetadataOptions {
	return MetadataOptions{"applied", cmp.Or(i.HTTPEndpoint, "enabled"), &i.HopLimit, cmp.Or(i.HTTPTokens, "optional"), ""}
}

func (s *Service) groupNames(ids []string) (names []xmlGroupName) {
	for _, id := range ids {
		name := ""
		if g := s.groups.all[id]; g != nil {
			name = g.Name
		}
		names = append(names, xmlGroupName{id, name})
	}
	return names
}

func (s *Service) describeInstances(r request, in struct {
	IDs []string `query:"InstanceId"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeInstances"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := chosen(s.nodes, in.IDs)
	if err != nil {
		return nil, err
	}
	found, next, err := list(in.listInput, found, id, tagsIn, map[string]func(*Instance) []string{
		"instance-id": one(func(i *Instance) string { return i.ID }), "instance-state-name": one(func(*Instance) string { return "running" }),
		"instance-state-code": one(func(*Instance) string { return "16" }),
		"instance-type":       one(func(i *Instance) string { return i.Type }), "vpc-id": one(func(i *Instance) string { return i.VPC }),
		"subnet-id": one(func(i *Instance) string { return i.Subnet }), "availability-zone": one(func(i *Instance) string { return i.Zone }),
		"private-dns-name": one(func(i *Instance) string { return i.PrivateDNS }), "private-ip-address": one(func(i *Instance) string { return i.PrivateIP }),
		"instance.group-id": func(i *Instance) []string { return i.SecurityGroups },
	})
	type reservation struct {
		ID        string        `xml:"reservationId"`
		OwnerID   string        `xml:"ownerId"`
		Instances []xmlInstance `xml:"instancesSet>item"`
	}
	return struct {
		Reservations []reservation `xml:"reservationSet>item"`
		page
	}{each(found, func(i *Instance) reservation {
		return reservation{"r-" + i.ID[len("i-"):], s.options.Account, []xmlInstance{s.xmlInstance(i)}}
	}), next}, err
}

func (s *Service) modifyInstanceMetadataOptions(r request, in struct {
	InstanceID string `query:"InstanceId"`
	MetadataOptions
}) (any, error) {
	if err := r.authorize("ModifyInstanceMetadataOptions", nil, accessTo(s.nodes, in.InstanceID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.nodes.find(in.InstanceID)
	if err != nil {
		return nil, err
	}
	changed := *i
	changed.HTTPTokens, changed.HTTPEndpoint = cmp.Or(in.HTTPTokens, i.HTTPTokens), cmp.Or(in.HTTPEndpoint, i.HTTPEndpoint)
	if in.HopLimit != nil {
		changed.HopLimit = *in.HopLimit
	}
	return struct {
		ID      string          `xml:"instanceId"`
		Options MetadataOptions `xml:"instanceMetadataOptions"`
	}{i.ID, changed.metadata()}, put(s.nodes, changed)
}

type xmlInterface struct {
	ID          string         `xml:"networkInterfaceId"`
	SubnetID    string         `xml:"subnetId"`
	VPCID       string         `xml:"vpcId"`
	Zone        string         `xml:"availabilityZone"`
	Description string         `xml:"description"`
	OwnerID     string         `xml:"ownerId"`
	Status      string         `xml:"status"`
	IP          string         `xml:"privateIpAddress"`
	Groups      []xmlGroupName `xml:"groupSet>item"`
	Attachment  *struct {
		ID       string `xml:"attachmentId"`
		Instance string `xml:"instanceId,omitempty"`
		Owner    string `xml:"instanceOwnerId"`
		Status   string `xml:"status"`
	} `xml:"attachment"`
	Tags tagSet `xml:"tagSet"`
}

func (s *Service) describeNetworkInterfaces(r request, in struct {
	IDs []string `query:"NetworkInterfaceId"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeNetworkInterfaces"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := chosen(s.enis, in.IDs)
	if err != nil {
		return nil, err
	}
	found, next, err := list(in.listInput, found, id, tagsIn, map[string]func(*networkInterface) []string{
		"network-interface-id": one(func(e *networkInterface) string { return e.ID }), "vpc-id": one(func(e *networkInterface) string { return e.VPC }),
		"subnet-id": one(func(e *networkInterface) string { return e.Subnet }), "group-id": func(e *networkInterface) []string { return e.Groups },
		"status": one(func(*networkInterface) string { return "in-use" }), "description": one(func(e *networkInterface) string { return e.Description }),
		"attachment.instance-id": one(func(e *networkInterface) string { return e.Instance }),
	})
	return struct {
		Interfaces []xmlInterface `xml:"networkInterfaceSet>item"`
		page
	}{each(found, func(e *networkInterface) xmlInterface {
		return xmlInterface{
			ID: e.ID, SubnetID: e.Subnet, VPCID: e.VPC, Zone: e.Zone, Description: e.Description, OwnerID: s.options.Account, Status: "in-use",
			IP: e.IP, Groups: s.groupNames(e.Groups), Tags: xmlTags(e.Tags),
		}
	}), next}, err
}

// EKS does the following in an account with its own role, so no caller's policy applies.

// Network checks the subnets and security groups of a cluster, and returns its VPC and the zones. The error's text is for
// the caller of EKS.
func (s *Service) Network(subnets, groups []string) (vpcID string, zones []string, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, id := range subnets {
		n := s.subnets.all[id]
		if n == nil {
			return "", nil, fmt.Errorf("The subnet ID '%s' does not exist", id) //nolint:staticcheck // shown as AWS shows it
		}
		if vpcID != "" && vpcID != n.VPC {
			return "", nil, fmt.Errorf("Subnets specified must be in the same VPC: %s is in %s", id, n.VPC) //nolint:staticcheck // shown as AWS shows it
		}
		vpcID = n.VPC
		if !slices.Contains(zones, n.Zone) {
			zones = append(zones, n.Zone)
		}
	}
	for _, id := range groups {
		g := s.groups.all[id]
		if g == nil || g.VPC != vpcID {
			return "", nil, fmt.Errorf("Security group(s) [%s] are not in the same VPC as the subnets. Please specify a security group that is associated with the VPC: %s.", id, vpcID) //nolint:staticcheck // shown as AWS shows it
		}
	}
	return vpcID, zones, nil
}

// clusterGroupName is the name that EKS gives the security group of a cluster.
func clusterGroupName(cluster string) string { return "eks-cluster-sg-" + cluster }

// JoinCluster creates the security group of a cluster and its network interfaces, unless they exist.
func (s *Service) JoinCluster(cluster, vpcID string, subnets, groups []string) (groupID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups.all {
		if g.VPC == vpcID && g.Name == clusterGroupName(cluster) {
			groupID = g.ID
		}
	}
	if groupID == "" {
		made := securityGroup{
			base: s.newBase("sg", map[string]string{"Name": clusterGroupName(cluster), "kubernetes.io/cluster/" + cluster: "owned", "aws:eks:cluster-name": cluster}, ""),
			VPC:  vpcID, Name: clusterGroupName(cluster),
			Description: "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
		}
		made.Rules = []rule{{ID: newID("sgr"), Protocol: "-1", FromPort: -1, ToPort: -1, Group: made.ID}, allTraffic()}
		if err := put(s.groups, made); err != nil {
			return "", err
		}
		groupID = made.ID
	}
	if len(sorted(s.enis, func(e *networkInterface) bool { return e.For == cluster })) > 0 {
		return groupID, nil
	}
	for _, id := range subnets[:min(2, len(subnets))] {
		n := s.subnets.all[id]
		if n == nil {
			continue
		}
		made := networkInterface{
			base: s.newBase("eni", nil, ""), VPC: vpcID, Subnet: id, Zone: n.Zone, IP: s.freeIP(n), For: cluster,
			Groups: append([]string{groupID}, groups...), Description: "Amazon EKS " + cluster,
		}
		if err := put(s.enis, made); err != nil {
			return "", err
		}
	}
	return groupID, nil
}

// LeaveCluster removes what JoinCluster created. A security group that something else uses stays, as on EKS.
func (s *Service) LeaveCluster(cluster, groupID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range sorted(s.enis, func(e *networkInterface) bool { return e.For == cluster }) {
		if err := s.enis.remove(e.ID); err != nil {
			return err
		}
	}
	g := s.groups.all[groupID]
	if g == nil {
		return nil
	}
	err := s.removeGroup(g)
	if refusal, ok := err.(*query.Error); ok && refusal.Code == "DependencyViolation" { //nolint:errorlint // removeGroup wraps nothing
		return nil
	}
	return err
}

func (s *Service) freeIP(n *subnet) string {
	prefix := netip.MustParsePrefix(n.CIDR)
	ip := prefix.Addr().Next().Next().Next().Next()
	used := func(ip string) bool {
		return len(sorted(s.enis, func(e *networkInterface) bool { return e.Subnet == n.ID && e.IP == ip })) > 0
	}
	for used(ip.String()) {
		ip = ip.Next()
	}
	return ip.String()
}

// InstanceInput is one instance of a node group.
type InstanceInput struct {
	// If ID is empty, it is generated. If PrivateIP or PrivateDNS are empty, they are derived from the subnet.
	ID, PrivateIP, PrivateDNS string
	Type, Subnet              string
	Spot                      bool
	SecurityGroups            []string
	RoleARN, ProfileARN       string
	HopLimit                  int
	HTTPTokens                string
	Tags                      map[string]string
}

// SetInstances makes the instances of a node group equal to the given ones, and returns their IDs. It removes all others.
func (s *Service) SetInstances(group string, wanted []InstanceInput) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, in := range wanted {
		if in.ID != "" && s.nodes.all[in.ID] != nil {
			ids = append(ids, in.ID)
			continue
		}
		id, err := s.launch(group, in)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	for _, old := range sorted(s.nodes, func(i *Instance) bool { return i.Group == group && !slices.Contains(ids, i.ID) }) {
		for _, e := range sorted(s.enis, func(e *networkInterface) bool { return e.Instance == old.ID }) {
			if err := s.enis.remove(e.ID); err != nil {
				return nil, err
			}
		}
		if err := s.nodes.remove(old.ID); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (s *Service) launch(group string, in InstanceInput) (string, error) {
	made := Instance{
		base: s.newBase("i", in.Tags, ""), Group: group, Type: in.Type, Spot: in.Spot, Subnet: in.Subnet, SecurityGroups: in.SecurityGroups,
		PrivateIP: in.PrivateIP, PrivateDNS: in.PrivateDNS, HopLimit: in.HopLimit, HTTPTokens: in.HTTPTokens,
		RoleARN: in.RoleARN, ProfileARN: in.ProfileARN,
	}
	made.ID = cmp.Or(in.ID, made.ID)
	if n := s.subnets.all[in.Subnet]; n != nil {
		made.VPC, made.Zone = n.VPC, n.Zone
		if made.PrivateIP == "" {
			made.PrivateIP = s.freeIP(n)
		}
		if n.MapPublicIP {
			made.PublicIP = fmt.Sprintf("198.51.100.%d", 1+len(s.nodes.all)%250) // reserved for documentation: RFC 5737
		}
	}
	if ip, err := netip.ParseAddr(made.PrivateIP); err == nil && made.PrivateDNS == "" && ip.Is4() {
		b := ip.As4()
		made.PrivateDNS = fmt.Sprintf("ip-%d-%d-%d-%d.%s.compute.internal", b[0], b[1], b[2], b[3], s.options.Region)
	}
	eni := networkInterface{
		base: s.newBase("eni", map[string]string{"node.k8s.amazonaws.com/instance_id": made.ID}, ""), VPC: made.VPC, Subnet: made.Subnet, Zone: made.Zone,
		IP: made.PrivateIP, Groups: in.SecurityGroups, Instance: made.ID,
	}
	if err := put(s.nodes, made); err != nil {
		return "", err
	}
	return made.ID, put(s.enis, eni)
}

// HopLimits are the current hop limits of a node group's instances, by instance ID.
func (s *Service) HopLimits(group string) map[string]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	limits := map[string]int{}
	for _, i := range s.nodes.all {
		if i.Group == group {
			limits[i.ID] = i.HopLimit
		}
	}
	return limits
}

// InstanceAt returns the instance with a private address.
func (s *Service) InstanceAt(ip string) (Instance, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, i := range s.nodes.all {
		if i.PrivateIP == ip {
			return *i, true
		}
	}
	return Instance{}, false
}
