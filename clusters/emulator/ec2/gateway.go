package ec2

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/podidentity/epi/clusters/emulator/query"
)

type internetGateway struct {
	base
	// VPC is the VPC that it is attached to; empty for none.
	VPC string `json:",omitempty"`
}

// address is an Elastic IP address.
type address struct {
	base
	IP string
}

type natGateway struct {
	base
	VPC, Subnet, Allocation string
	IP, PrivateIP           string
	// Settled is when it becomes available. Deleted is when its deletion was requested; zero if it was not.
	Settled, Deleted time.Time
}

// state is the current state. A deleted gateway stays in lists for about an hour, with its state.
func (g *natGateway) state(now time.Time) string {
	switch {
	case !g.Deleted.IsZero() && now.Before(g.Deleted.Add(stateChange)):
		return "deleting"
	case !g.Deleted.IsZero():
		return "deleted"
	case now.Before(g.Settled):
		return "pending"
	}
	return "available"
}

const (
	gatewaysPerRegion  = 5
	addressesPerRegion = 5
	// natKept is how long a deleted NAT gateway is listed.
	natKept = time.Hour
)

type xmlInternetGateway struct {
	ID          string          `xml:"internetGatewayId"`
	OwnerID     string          `xml:"ownerId"`
	Attachments []xmlAttachment `xml:"attachmentSet>item"`
	Tags        tagSet          `xml:"tagSet"`
}

type xmlAttachment struct {
	VPCID string `xml:"vpcId"`
	State string `xml:"state"`
}

func (s *Service) xmlInternetGateway(g *internetGateway) xmlInternetGateway {
	out := xmlInternetGateway{ID: g.ID, OwnerID: s.options.Account, Tags: xmlTags(g.Tags)}
	if g.VPC != "" {
		out.Attachments = []xmlAttachment{{g.VPC, "available"}}
	}
	return out
}

func (s *Service) createInternetGateway(r request, in tagged) (any, error) {
	tags, requested, err := r.requested(in, "internet-gateway")
	if err != nil {
		return nil, err
	}
	if err := r.authorizeCreation("CreateInternetGateway", "internet-gateway", requested); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.igws.all) >= gatewaysPerRegion {
		return nil, query.Errorf("InternetGatewayLimitExceeded", http.StatusBadRequest, "The maximum number of internet gateways has been reached.")
	}
	made := internetGateway{base: s.newBase("igw", tags, "")}
	if err := put(s.igws, made); err != nil {
		return nil, err
	}
	return struct {
		Gateway xmlInternetGateway `xml:"internetGateway"`
	}{s.xmlInternetGateway(&made)}, nil
}

type internetGatewayInput struct {
	InternetGatewayID string `query:"InternetGatewayId"`
}

func (s *Service) deleteInternetGateway(r request, in internetGatewayInput) (any, error) {
	if err := r.authorize("DeleteInternetGateway", nil, accessTo(s.igws, in.InternetGatewayID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.igws.find(in.InternetGatewayID)
	if err != nil {
		return nil, err
	}
	if g.VPC != "" {
		return nil, dependency("internetGateway", g.ID)
	}
	return nil, s.igws.remove(g.ID)
}

func (s *Service) describeInternetGateways(r request, in struct {
	IDs []string `query:"InternetGatewayId"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeInternetGateways"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := chosen(s.igws, in.IDs)
	if err != nil {
		return nil, err
	}
	found, next, err := list(in.listInput, found, id, tagsIn, map[string]func(*internetGateway) []string{
		"internet-gateway-id": one(func(g *internetGateway) string { return g.ID }),
		"attachment.vpc-id":   one(func(g *internetGateway) string { return g.VPC }),
		"owner-id":            one(func(*internetGateway) string { return s.options.Account }),
	})
	return struct {
		Gateways []xmlInternetGateway `xml:"internetGatewaySet>item"`
		page
	}{each(found, s.xmlInternetGateway), next}, err
}

type attachmentInput struct {
	internetGatewayInput
	VpcID string `query:"VpcId"`
}

// attachment authorises the request and finds both resources. If it returns no error, the caller holds mu after it.
func (s *Service) attachment(r request, action string, in attachmentInput) (*internetGateway, *vpc, error) {
	if err := r.authorize(action, nil, accessTo(s.igws, in.InternetGatewayID), accessTo(s.vpcs, in.VpcID)); err != nil {
		return nil, nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	g, err := s.igws.find(in.InternetGatewayID)
	var v *vpc
	if err == nil {
		v, err = s.vpcs.find(in.VpcID)
	}
	if err != nil {
		s.mu.Unlock()
	}
	return g, v, err
}

func (s *Service) attachInternetGateway(r request, in attachmentInput) (any, error) {
	g, v, err := s.attachment(r, "AttachInternetGateway", in)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	switch {
	case g.VPC != "":
		return nil, query.Errorf("Resource.AlreadyAssociated", http.StatusBadRequest, "resource %s is already attached to network %s", g.ID, g.VPC)
	case len(sorted(s.igws, func(other *internetGateway) bool { return other.VPC == v.ID })) > 0:
		return nil, wrongValue("Network %s already has an internet gateway attached", v.ID)
	}
	changed := *g
	changed.VPC = v.ID
	return nil, put(s.igws, changed)
}

func (s *Service) detachInternetGateway(r request, in attachmentInput) (any, error) {
	g, v, err := s.attachment(r, "DetachInternetGateway", in)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if g.VPC != v.ID {
		return nil, query.Errorf("Gateway.NotAttached", http.StatusBadRequest, "resource %s is not attached to network %s", g.ID, v.ID)
	}
	now := s.options.Now()
	mapped := len(sorted(s.nats, func(n *natGateway) bool { return n.VPC == v.ID && n.state(now) != "deleted" })) > 0 ||
		len(sorted(s.nodes, func(i *Instance) bool { return i.VPC == v.ID && i.PublicIP != "" })) > 0
	if mapped {
		return nil, query.Errorf("DependencyViolation", http.StatusBadRequest,
			"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", v.ID)
	}
	changed := *g
	changed.VPC = ""
	return nil, put(s.igws, changed)
}

type xmlAddress struct {
	Allocation  string `xml:"allocationId"`
	PublicIP    string `xml:"publicIp"`
	Domain      string `xml:"domain"`
	Association string `xml:"associationId,omitempty"`
	Interface   string `xml:"networkInterfaceId,omitempty"`
	Tags        tagSet `xml:"tagSet"`
}

// usedBy returns the NAT gateway that has an address; nil if there is none. The caller holds mu.
func (s *Service) usedBy(allocation string) *natGateway {
	now := s.options.Now()
	for _, g := range s.nats.all {
		if g.Allocation == allocation && g.state(now) != "deleted" {
			return g
		}
	}
	return nil
}

func (s *Service) xmlAddress(a *address) xmlAddress {
	out := xmlAddress{Allocation: a.ID, PublicIP: a.IP, Domain: "vpc", Tags: xmlTags(a.Tags)}
	if g := s.usedBy(a.ID); g != nil {
		out.Association, out.Interface = "eipassoc-"+a.ID[len("eipalloc-"):], "eni-"+g.ID[len("nat-"):]
	}
	return out
}

func (s *Service) allocateAddress(r request, in struct {
	Domain string
	tagged
}) (any, error) {
	tags, requested, err := r.requested(in.tagged, "elastic-ip")
	if err != nil {
		return nil, err
	}
	if err := r.authorizeCreation("AllocateAddress", "elastic-ip", requested); err != nil {
		return nil, err
	}
	if in.Domain != "" && in.Domain != "vpc" {
		return nil, wrongValue("Value (%s) for parameter domain is invalid.", in.Domain)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.eips.all) >= addressesPerRegion {
		return nil, query.Errorf("AddressLimitExceeded", http.StatusBadRequest, "The maximum number of addresses has been reached.")
	}
	// 203.0.113.0/24 is reserved for documentation, so no machine has such an address (RFC 5737).
	ip := netip.MustParseAddr("203.0.113.1")
	for s.hasIP(ip.String()) {
		ip = ip.Next()
	}
	made := address{base: s.newBase("eipalloc", tags, ""), IP: ip.String()}
	if err := put(s.eips, made); err != nil {
		return nil, err
	}
	return struct {
		PublicIP   string `xml:"publicIp"`
		Domain     string `xml:"domain"`
		Allocation string `xml:"allocationId"`
	}{made.IP, "vpc", made.ID}, nil
}

func (s *Service) hasIP(ip string) bool {
	return len(sorted(s.eips, func(a *address) bool { return a.IP == ip })) > 0
}

func (s *Service) releaseAddress(r request, in struct {
	AllocationID string `query:"AllocationId"`
}) (any, error) {
	if err := r.authorize("ReleaseAddress", nil, accessTo(s.eips, in.AllocationID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.eips.find(in.AllocationID)
	if err != nil {
		return nil, err
	}
	if s.usedBy(a.ID) != nil {
		return nil, query.Errorf("InvalidIPAddress.InUse", http.StatusBadRequest, "Address %s is in use.", a.IP)
	}
	return nil, s.eips.remove(a.ID)
}

func (s *Service) describeAddresses(r request, in struct {
	IDs     []string `query:"AllocationId"`
	IPs     []string `query:"PublicIp"`
	Filters []filter `query:"Filter"`
}) (any, error) {
	if err := r.describe("DescribeAddresses"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := chosen(s.eips, in.IDs)
	if err != nil {
		return nil, err
	}
	for _, ip := range in.IPs {
		if !s.hasIP(ip) {
			return nil, query.Errorf("InvalidAddress.NotFound", http.StatusBadRequest, "Address '%s' not found.", ip)
		}
	}
	if len(in.IPs) > 0 {
		found = slices.DeleteFunc(found, func(a *address) bool { return !slices.Contains(in.IPs, a.IP) })
	}
	found, _, err = list(listInput{Filters: in.Filters}, found, id, tagsIn, map[string]func(*address) []string{
		"allocation-id": one(func(a *address) string { return a.ID }), "public-ip": one(func(a *address) string { return a.IP }),
		"domain": one(func(*address) string { return "vpc" }),
	})
	return struct {
		Addresses []xmlAddress `xml:"addressesSet>item"`
	}{each(found, s.xmlAddress)}, err
}

type xmlNAT struct {
	ID           string          `xml:"natGatewayId"`
	VPCID        string          `xml:"vpcId"`
	SubnetID     string          `xml:"subnetId"`
	State        string          `xml:"state"`
	Created      string          `xml:"createTime"`
	Deleted      string          `xml:"deleteTime,omitempty"`
	Connectivity string          `xml:"connectivityType"`
	Addresses    []xmlNATAddress `xml:"natGatewayAddressSet>item"`
	Tags         tagSet          `xml:"tagSet"`
}

type xmlNATAddress struct {
	Allocation string `xml:"allocationId"`
	PublicIP   string `xml:"publicIp"`
	PrivateIP  string `xml:"privateIp"`
	Interface  string `xml:"networkInterfaceId"`
}

func (s *Service) xmlNAT(g *natGateway) xmlNAT {
	out := xmlNAT{
		ID: g.ID, VPCID: g.VPC, SubnetID: g.Subnet, State: g.state(s.options.Now()), Created: format(g.Created), Connectivity: "public", Tags: xmlTags(g.Tags),
		Addresses: []xmlNATAddress{{g.Allocation, g.IP, g.PrivateIP, "eni-" + g.ID[len("nat-"):]}},
	}
	if !g.Deleted.IsZero() {
		out.Deleted = format(g.Deleted)
	}
	return out
}

func format(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *Service) createNATGateway(r request, in struct {
	AllocationID string `query:"AllocationId"`
	subnetInput
	ClientToken, ConnectivityType string
	tagged
}) (any, error) {
	tags, requested, err := r.requested(in.tagged, "natgateway")
	if err != nil {
		return nil, err
	}
	if err := r.authorizeCreation("CreateNatGateway", "natgateway", requested, accessTo(s.subnets, in.SubnetID), accessTo(s.eips, in.AllocationID)); err != nil {
		return nil, err
	}
	if in.ConnectivityType != "" && in.ConnectivityType != "public" {
		return nil, wrongValue("Value (%s) for parameter connectivityType is invalid: the emulator knows public only.", in.ConnectivityType)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.subnets.find(in.SubnetID)
	if err != nil {
		return nil, err
	}
	a, err := s.eips.find(in.AllocationID)
	if err != nil {
		return nil, err
	}
	made, known := byToken(r, s.nats, in.ClientToken)
	switch {
	case known:
	case s.usedBy(a.ID) != nil:
		return nil, query.Errorf("Resource.AlreadyAssociated", http.StatusBadRequest, "Elastic IP address [%s] is already associated", a.ID)
	case len(sorted(s.igws, func(g *internetGateway) bool { return g.VPC == n.VPC })) == 0:
		// AWS creates the gateway, which fails a little later with this code (nat-gateway-troubleshooting).
		return nil, query.Errorf("Gateway.NotAttached", http.StatusBadRequest, "Network %s has no Internet gateway attached", n.VPC)
	default:
		made = natGateway{
			base: s.newBase("nat", tags, in.ClientToken), VPC: n.VPC, Subnet: n.ID, Allocation: a.ID, IP: a.IP,
			PrivateIP: netip.MustParsePrefix(n.CIDR).Addr().Next().Next().Next().Next().String(), Settled: s.options.Now().Add(stateChange),
		}
		if err := put(s.nats, made); err != nil {
			return nil, err
		}
	}
	return struct {
		NAT xmlNAT `xml:"natGateway"`
	}{s.xmlNAT(&made)}, nil
}

func (s *Service) deleteNATGateway(r request, in struct {
	ID string `query:"NatGatewayId"`
}) (any, error) {
	if err := r.authorize("DeleteNatGateway", nil, accessTo(s.nats, in.ID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.nats.find(in.ID)
	if err != nil {
		return nil, err
	}
	if g.Deleted.IsZero() {
		changed := *g
		changed.Deleted = s.options.Now().UTC()
		if err := put(s.nats, changed); err != nil {
			return nil, err
		}
	}
	return struct {
		ID string `xml:"natGatewayId"`
	}{in.ID}, nil
}

func (s *Service) describeNATGateways(r request, in struct {
	IDs        []string `query:"NatGatewayId"`
	Filters    []filter `query:"Filter"`
	MaxResults *int
	NextToken  string
}) (any, error) {
	if err := r.describe("DescribeNatGateways"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	for _, old := range sorted(s.nats, func(g *natGateway) bool { return !g.Deleted.IsZero() && now.After(g.Deleted.Add(natKept)) }) {
		if err := s.nats.remove(old.ID); err != nil {
			return nil, err
		}
	}
	found, err := chosen(s.nats, in.IDs)
	if err != nil {
		return nil, err
	}
	found, next, err := list(listInput{in.Filters, in.MaxResults, in.NextToken}, found, id, tagsIn, map[string]func(*natGateway) []string{
		"nat-gateway-id": one(func(g *natGateway) string { return g.ID }), "vpc-id": one(func(g *natGateway) string { return g.VPC }),
		"subnet-id": one(func(g *natGateway) string { return g.Subnet }), "state": one(func(g *natGateway) string { return g.state(now) }),
	})
	return struct {
		NATs []xmlNAT `xml:"natGatewaySet>item"`
		page
	}{each(found, s.xmlNAT), next}, err
}
