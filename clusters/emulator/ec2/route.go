package ec2

import (
	"net/http"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/query"
)

type routeTable struct {
	base
	VPC          string
	Routes       []route
	Associations []association
}

type route struct {
	CIDR string
	// One of these is set. Gateway is "local" for the VPC's own range.
	Gateway, NAT string `json:",omitempty"`
}

// association is with a subnet. That of the VPC's main table has none.
type association struct {
	ID     string
	Subnet string `json:",omitempty"`
}

func (t *routeTable) main() bool {
	return slices.ContainsFunc(t.Associations, func(a association) bool { return a.Subnet == "" })
}

// association returns the index of a subnet's association; -1 if it has none.
func (t *routeTable) association(subnet string) int {
	return slices.IndexFunc(t.Associations, func(a association) bool { return a.Subnet == subnet })
}

type xmlRouteTable struct {
	ID           string           `xml:"routeTableId"`
	VPCID        string           `xml:"vpcId"`
	OwnerID      string           `xml:"ownerId"`
	Routes       []xmlRoute       `xml:"routeSet>item"`
	Associations []xmlAssociation `xml:"associationSet>item"`
	Tags         tagSet           `xml:"tagSet"`
}

type xmlRoute struct {
	CIDR    string `xml:"destinationCidrBlock"`
	Gateway string `xml:"gatewayId,omitempty"`
	NAT     string `xml:"natGatewayId,omitempty"`
	State   string `xml:"state"`
	Origin  string `xml:"origin"`
}

type xmlAssociation struct {
	ID     string `xml:"routeTableAssociationId"`
	Table  string `xml:"routeTableId"`
	Subnet string `xml:"subnetId,omitempty"`
	Main   bool   `xml:"main"`
	State  string `xml:"associationState>state"`
}

func (s *Service) xmlRouteTable(t *routeTable) xmlRouteTable {
	out := xmlRouteTable{ID: t.ID, VPCID: t.VPC, OwnerID: s.options.Account, Tags: xmlTags(t.Tags)}
	for _, r := range t.Routes {
		state, origin := "active", "CreateRoute"
		switch {
		case r.Gateway == "local":
			origin = "CreateRouteTable"
		case r.Gateway != "" && (s.igws.all[r.Gateway] == nil || s.igws.all[r.Gateway].VPC != t.VPC),
			r.NAT != "" && (s.nats.all[r.NAT] == nil || s.nats.all[r.NAT].state(s.options.Now()) != "available"):
			state = "blackhole"
		}
		out.Routes = append(out.Routes, xmlRoute{r.CIDR, r.Gateway, r.NAT, state, origin})
	}
	for _, a := range t.Associations {
		out.Associations = append(out.Associations, xmlAssociation{a.ID, t.ID, a.Subnet, a.Subnet == "", "associated"})
	}
	return out
}

func (s *Service) createRouteTable(r request, in struct {
	VpcID       string `query:"VpcId"`
	ClientToken string
	tagged
}) (any, error) {
	tags, requested, err := r.requested(in.tagged, "route-table")
	if err != nil {
		return nil, err
	}
	if err := r.authorizeCreation("CreateRouteTable", "route-table", requested, accessTo(s.vpcs, in.VpcID)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.vpcs.find(in.VpcID)
	if err != nil {
		return nil, err
	}
	made, known := byToken(r, s.tables, in.ClientToken)
	if !known {
		made = routeTable{base: s.newBase("rtb", tags, in.ClientToken), VPC: v.ID, Routes: []route{{CIDR: v.CIDR, Gateway: "local"}}}
		if err := put(s.tables, made); err != nil {
			return nil, err
		}
	}
	return struct {
		Table xmlRouteTable `xml:"routeTable"`
	}{s.xmlRouteTable(&made)}, nil
}

// byToken finds the resource that an earlier request with that ClientToken made. The caller holds mu.
func byToken[T any, P resource[T]](r request, k kind[T], token string) (T, bool) {
	for _, known := range k.all {
		if token != "" && P(known).common().Token == token {
			journal.FromContext(r.ctx).Repeat = true
			return *known, true
		}
	}
	var none T
	return none, false
}

type routeTableInput struct {
	RouteTableID string `query:"RouteTableId"`
}

func (s *Service) deleteRouteTable(r request, in routeTableInput) (any, error) {
	if err := r.authorize("DeleteRouteTable", nil, accessTo(s.tables, in.RouteTableID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.tables.find(in.RouteTableID)
	if err != nil {
		return nil, err
	}
	if len(t.Associations) > 0 {
		return nil, dependency("routeTable", t.ID)
	}
	return nil, s.tables.remove(t.ID)
}

func (s *Service) describeRouteTables(r request, in struct {
	IDs []string `query:"RouteTableId"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeRouteTables"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := chosen(s.tables, in.IDs)
	if err != nil {
		return nil, err
	}
	associations := func(of func(association) string) func(*routeTable) []string {
		return func(t *routeTable) []string { return each(t.Associations, of) }
	}
	routes := func(of func(route) string) func(*routeTable) []string {
		return func(t *routeTable) []string { return each(t.Routes, of) }
	}
	found, next, err := list(in.listInput, found, id, tagsIn, map[string]func(*routeTable) []string{
		"route-table-id": one(func(t *routeTable) string { return t.ID }), "vpc-id": one(func(t *routeTable) string { return t.VPC }),
		"owner-id":                               one(func(*routeTable) string { return s.options.Account }),
		"association.subnet-id":                  associations(func(a association) string { return a.Subnet }),
		"association.main":                       associations(func(a association) string { return text(a.Subnet == "") }),
		"association.route-table-association-id": associations(func(a association) string { return a.ID }),
		"route.destination-cidr-block":           routes(func(r route) string { return r.CIDR }),
		"route.gateway-id":                       routes(func(r route) string { return r.Gateway }),
		"route.nat-gateway-id":                   routes(func(r route) string { return r.NAT }),
		"association.route-table-id":             one(func(t *routeTable) string { return t.ID }),
	})
	return struct {
		Tables []xmlRouteTable `xml:"routeTableSet>item"`
		page
	}{each(found, s.xmlRouteTable), next}, err
}

func (s *Service) createRoute(r request, in struct {
	routeTableInput
	DestinationCidrBlock string
	GatewayID            string `query:"GatewayId"`
	NATGatewayID         string `query:"NatGatewayId"`
}) (any, error) {
	if err := r.authorize("CreateRoute", nil, accessTo(s.tables, in.RouteTableID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	prefix, err := block("destinationCidrBlock", in.DestinationCidrBlock)
	if err != nil {
		return nil, err
	}
	if (in.GatewayID == "") == (in.NATGatewayID == "") {
		return nil, query.Errorf("InvalidParameterCombination", http.StatusBadRequest, "The request must contain exactly one of gatewayId, natGatewayId")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.tables.find(in.RouteTableID)
	if err != nil {
		return nil, err
	}
	if in.GatewayID != "" {
		gateway, err := s.igws.find(in.GatewayID)
		if err != nil {
			return nil, err
		}
		if gateway.VPC != t.VPC {
			return nil, wrongValue("route table %s and network gateway %s belong to different networks", t.ID, gateway.ID)
		}
	} else {
		nat, err := s.nats.find(in.NATGatewayID)
		if err != nil {
			return nil, query.Errorf("InvalidNatGatewayID.NotFound", http.StatusBadRequest, "The natGateway ID '%s' does not exist", in.NATGatewayID)
		}
		if nat.VPC != t.VPC {
			return nil, wrongValue("route table %s and NAT gateway %s belong to different networks", t.ID, nat.ID)
		}
	}
	wanted := route{CIDR: prefix.String(), Gateway: in.GatewayID, NAT: in.NATGatewayID}
	if slices.ContainsFunc(t.Routes, func(have route) bool { return have.CIDR == wanted.CIDR && have != wanted }) {
		return nil, query.Errorf("RouteAlreadyExists", http.StatusBadRequest, "The route identified by %s already exists.", wanted.CIDR)
	}
	if slices.Contains(t.Routes, wanted) {
		return nil, nil
	}
	changed := *t
	changed.Routes = append(slices.Clone(t.Routes), wanted)
	return nil, put(s.tables, changed)
}

func (s *Service) deleteRoute(r request, in struct {
	routeTableInput
	DestinationCidrBlock string
}) (any, error) {
	if err := r.authorize("DeleteRoute", nil, accessTo(s.tables, in.RouteTableID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	prefix, err := block("destinationCidrBlock", in.DestinationCidrBlock)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.tables.find(in.RouteTableID)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(t.Routes, func(have route) bool { return have.CIDR == prefix.String() })
	switch {
	case at < 0:
		return nil, query.Errorf("InvalidRoute.NotFound", http.StatusBadRequest, "no route with destination-cidr-block %s in route table %s", prefix, t.ID)
	case t.Routes[at].Gateway == "local":
		return nil, wrongValue("cannot remove local route %s in route table %s", prefix, t.ID)
	}
	changed := *t
	changed.Routes = slices.Delete(slices.Clone(t.Routes), at, at+1)
	return nil, put(s.tables, changed)
}

func (s *Service) associateRouteTable(r request, in struct {
	routeTableInput
	subnetInput
}) (any, error) {
	if err := r.authorize("AssociateRouteTable", nil, accessTo(s.tables, in.RouteTableID), accessTo(s.subnets, in.SubnetID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.tables.find(in.RouteTableID)
	if err != nil {
		return nil, err
	}
	n, err := s.subnets.find(in.SubnetID)
	if err != nil {
		return nil, err
	}
	if n.VPC != t.VPC {
		return nil, wrongValue("Route table %s and subnet %s belong to different networks", t.ID, n.ID)
	}
	type associated struct {
		ID    string `xml:"associationId"`
		State string `xml:"associationState>state"`
	}
	for _, other := range s.tables.all {
		if at := other.association(n.ID); at >= 0 && other.ID != t.ID {
			return nil, query.Errorf("Resource.AlreadyAssociated", http.StatusBadRequest,
				"the specified association for route table %s conflicts with an existing association", t.ID)
		} else if at >= 0 {
			return associated{other.Associations[at].ID, "associated"}, nil
		}
	}
	changed, made := *t, association{newID("rtbassoc"), n.ID}
	changed.Associations = append(slices.Clone(t.Associations), made)
	return associated{made.ID, "associated"}, put(s.tables, changed)
}

func (s *Service) disassociateRouteTable(r request, in struct {
	AssociationID string `query:"AssociationId"`
}) (any, error) {
	s.mu.RLock()
	about := access{arn: s.arn("route-table", "*")}
	for _, t := range s.tables.all {
		if slices.ContainsFunc(t.Associations, func(a association) bool { return a.ID == in.AssociationID }) {
			about.arn = s.arn("route-table", t.ID)
		}
	}
	s.mu.RUnlock()
	if err := r.authorize("DisassociateRouteTable", nil, about); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables.all {
		at := slices.IndexFunc(t.Associations, func(a association) bool { return a.ID == in.AssociationID })
		if at < 0 {
			continue
		}
		if t.Associations[at].Subnet == "" {
			return nil, wrongValue("cannot disassociate the main route table association %s", in.AssociationID)
		}
		changed := *t
		changed.Associations = slices.Delete(slices.Clone(t.Associations), at, at+1)
		return nil, put(s.tables, changed)
	}
	if !strings.HasPrefix(in.AssociationID, "rtbassoc-") {
		return nil, wrongValue("Invalid id: %q (expecting \"rtbassoc-...\")", in.AssociationID)
	}
	return nil, query.Errorf("InvalidAssociationID.NotFound", http.StatusBadRequest, "The association ID '%s' does not exist", in.AssociationID)
}
