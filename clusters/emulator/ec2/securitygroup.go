package ec2

import (
	"cmp"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/query"
)

type securityGroup struct {
	base
	VPC, Name, Description string
	Rules                  []rule
}

// rule is one rule of a group: one source, or one destination of an egress rule.
type rule struct {
	ID     string
	Egress bool `json:",omitempty"`
	// Protocol is "tcp", "udp", "icmp", or "-1" for all, whose ports are -1.
	Protocol         string
	FromPort, ToPort int
	// One of these is set.
	Group, CIDR, CIDR6, PrefixList string `json:",omitempty"`
	Description                    string `json:",omitempty"`
}

// same says whether two rules allow the same. A group cannot have two such rules.
func (r rule) same(other rule) bool {
	r.ID, r.Description, other.ID, other.Description = "", "", "", ""
	return r == other
}

// allTraffic is the egress rule of a new group.
func allTraffic() rule {
	return rule{ID: newID("sgr"), Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}
}

const (
	groupsPerVPC  = 500
	rulesPerGroup = 60
)

// groupName matches valid names and descriptions (CreateSecurityGroup, for VPCs).
var groupName = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

type permission struct {
	Protocol    string        `query:"IpProtocol" xml:"ipProtocol"`
	FromPort    *int          `xml:"fromPort,omitempty"`
	ToPort      *int          `xml:"toPort,omitempty"`
	Groups      []groupPair   `query:"Groups" xml:"groups>item"`
	Ranges      []ipRange     `query:"IpRanges" xml:"ipRanges>item"`
	Ranges6     []ip6Range    `query:"Ipv6Ranges" xml:"ipv6Ranges>item"`
	PrefixLists []prefixEntry `query:"PrefixListIds" xml:"prefixListIds>item"`
}

type groupPair struct {
	GroupID     string `query:"GroupId" xml:"groupId"`
	UserID      string `query:"UserId" xml:"userId,omitempty"`
	VPCID       string `query:"VpcId" xml:"vpcId,omitempty"`
	Description string `xml:"description,omitempty"`
}

type ipRange struct {
	CIDR        string `query:"CidrIp" xml:"cidrIp"`
	Description string `xml:"description,omitempty"`
}

type ip6Range struct {
	CIDR        string `query:"CidrIpv6" xml:"cidrIpv6"`
	Description string `xml:"description,omitempty"`
}

type prefixEntry struct {
	ID          string `query:"PrefixListId" xml:"prefixListId"`
	Description string `xml:"description,omitempty"`
}

// rules splits a permission into rules. Its groups must exist. The caller holds mu.
func (s *Service) rules(p permission, egress bool) ([]rule, error) {
	shape := rule{Egress: egress, FromPort: -1, ToPort: -1}
	shape.Protocol = map[string]string{"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp", "icmpv6": "icmpv6", "58": "icmpv6", "-1": "-1", "all": "-1"}[strings.ToLower(p.Protocol)]
	switch {
	case p.Protocol == "":
		return nil, missing("The request must contain the parameter ipProtocol")
	case shape.Protocol == "":
		return nil, wrongValue("Invalid value '%s' for IP protocol. Unknown protocol.", p.Protocol)
	case shape.Protocol != "-1" && (p.FromPort == nil || p.ToPort == nil):
		return nil, query.Errorf("InvalidParameterValue", http.StatusBadRequest, "Invalid value for portRange. Must specify both from and to ports with %s.", strings.ToUpper(shape.Protocol))
	case shape.Protocol != "-1":
		shape.FromPort, shape.ToPort = *p.FromPort, *p.ToPort
		if ports := shape.Protocol == "tcp" || shape.Protocol == "udp"; ports && (shape.FromPort < 0 || shape.ToPort > 65535 || shape.FromPort > shape.ToPort) {
			return nil, query.Errorf("InvalidPermission.Malformed", http.StatusBadRequest, "Invalid port range: %d to %d", shape.FromPort, shape.ToPort)
		}
	}
	var out []rule
	add := func(set func(*rule), description string) {
		one := shape
		one.Description = description
		set(&one)
		out = append(out, one)
	}
	for _, g := range p.Groups {
		if _, err := s.groups.find(g.GroupID); err != nil {
			return nil, err
		}
		add(func(r *rule) { r.Group = g.GroupID }, g.Description)
	}
	for _, r4 := range p.Ranges {
		prefix, err := netip.ParsePrefix(r4.CIDR)
		if err != nil || !prefix.Addr().Is4() {
			return nil, wrongValue("CIDR block %s is malformed", r4.CIDR)
		}
		add(func(r *rule) { r.CIDR = prefix.Masked().String() }, r4.Description)
	}
	for _, r6 := range p.Ranges6 {
		prefix, err := netip.ParsePrefix(r6.CIDR)
		if err != nil || !prefix.Addr().Is6() {
			return nil, wrongValue("CIDR block %s is malformed", r6.CIDR)
		}
		add(func(r *rule) { r.CIDR6 = prefix.Masked().String() }, r6.Description)
	}
	for _, list := range p.PrefixLists {
		add(func(r *rule) { r.PrefixList = list.ID }, list.Description)
	}
	if len(out) == 0 {
		return nil, missing("The request must contain a source or destination of the rule")
	}
	return out, nil
}

type xmlGroup struct {
	OwnerID     string       `xml:"ownerId"`
	ID          string       `xml:"groupId"`
	ARN         string       `xml:"securityGroupArn"`
	Name        string       `xml:"groupName"`
	Description string       `xml:"groupDescription"`
	VPCID       string       `xml:"vpcId"`
	Ingress     []permission `xml:"ipPermissions>item"`
	Egress      []permission `xml:"ipPermissionsEgress>item"`
	Tags        tagSet       `xml:"tagSet"`
}

func (s *Service) xmlGroup(g *securityGroup) xmlGroup {
	return xmlGroup{
		OwnerID: s.options.Account, ID: g.ID, ARN: s.arn("security-group", g.ID), Name: g.Name, Description: g.Description, VPCID: g.VPC,
		Ingress: s.permissions(g, false), Egress: s.permissions(g, true), Tags: xmlTags(g.Tags),
	}
}

// permissions returns the rules of one direction, grouped by protocol and ports.
func (s *Service) permissions(g *securityGroup, egress bool) []permission {
	var out []permission
	rules := slices.DeleteFunc(slices.Clone(g.Rules), func(r rule) bool { return r.Egress != egress })
	slices.SortStableFunc(rules, func(a, b rule) int {
		return cmp.Or(strings.Compare(a.Protocol, b.Protocol), cmp.Compare(a.FromPort, b.FromPort), cmp.Compare(a.ToPort, b.ToPort))
	})
	var last rule
	for n, r := range rules {
		if n == 0 || r.Protocol != last.Protocol || r.FromPort != last.FromPort || r.ToPort != last.ToPort {
			p := permission{Protocol: r.Protocol}
			if r.Protocol != "-1" {
				p.FromPort, p.ToPort = &r.FromPort, &r.ToPort
			}
			out = append(out, p)
		}
		last = r
		p := &out[len(out)-1]
		switch {
		case r.Group != "":
			p.Groups = append(p.Groups, groupPair{GroupID: r.Group, UserID: s.options.Account, Description: r.Description})
		case r.CIDR != "":
			p.Ranges = append(p.Ranges, ipRange{r.CIDR, r.Description})
		case r.CIDR6 != "":
			p.Ranges6 = append(p.Ranges6, ip6Range{r.CIDR6, r.Description})
		default:
			p.PrefixLists = append(p.PrefixLists, prefixEntry{r.PrefixList, r.Description})
		}
	}
	return out
}

type createSecurityGroupInput struct {
	GroupName, GroupDescription string
	VpcID                       string `query:"VpcId"`
	tagged
}

func (s *Service) createSecurityGroup(r request, in createSecurityGroupInput) (any, error) {
	tags, requested, err := r.requested(in.tagged, "security-group")
	if err != nil {
		return nil, err
	}
	if err := r.authorizeCreation("CreateSecurityGroup", "security-group", requested, accessTo(s.vpcs, in.VpcID)); err != nil {
		return nil, err
	}
	switch {
	case in.GroupName == "" || in.GroupDescription == "":
		return nil, missing("The request must contain the parameters GroupName and GroupDescription")
	case !groupName.MatchString(in.GroupName) || !groupName.MatchString(in.GroupDescription):
		return nil, wrongValue("Invalid security group name or description. Valid characters are a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*")
	case strings.HasPrefix(in.GroupName, "sg-"), strings.EqualFold(in.GroupName, "default"):
		return nil, wrongValue("Cannot use reserved security group name: %s", in.GroupName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.vpcs.find(in.VpcID)
	if err != nil {
		return nil, err
	}
	others := sorted(s.groups, func(g *securityGroup) bool { return g.VPC == v.ID })
	if len(others) >= groupsPerVPC {
		return nil, query.Errorf("SecurityGroupLimitExceeded", http.StatusBadRequest, "The maximum number of security groups for VPC '%s' has been reached.", v.ID)
	}
	if slices.ContainsFunc(others, func(g *securityGroup) bool { return g.Name == in.GroupName }) {
		return nil, query.Errorf("InvalidGroup.Duplicate", http.StatusBadRequest, "The security group '%s' already exists for VPC '%s'", in.GroupName, v.ID)
	}
	made := securityGroup{base: s.newBase("sg", tags, ""), VPC: v.ID, Name: in.GroupName, Description: in.GroupDescription, Rules: []rule{allTraffic()}}
	if err := put(s.groups, made); err != nil {
		return nil, err
	}
	return struct {
		ID   string `xml:"groupId"`
		ARN  string `xml:"securityGroupArn"`
		Tags tagSet `xml:"tagSet"`
	}{made.ID, s.arn("security-group", made.ID), xmlTags(tags)}, nil
}

type groupInput struct {
	GroupID string `query:"GroupId"`
}

func (s *Service) deleteSecurityGroup(r request, in groupInput) (any, error) {
	if err := r.authorize("DeleteSecurityGroup", nil, accessTo(s.groups, in.GroupID)); err != nil {
		return nil, err
	}
	if err := r.allowed(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groups.find(in.GroupID)
	if err != nil {
		return nil, err
	}
	if g.Name == "default" {
		return nil, query.Errorf("CannotDelete", http.StatusBadRequest, "the specified group: %q name: \"default\" cannot be deleted by a user", g.ID)
	}
	return nil, s.removeGroup(g)
}

// removeGroup removes a group that nothing uses. The caller holds mu.
func (s *Service) removeGroup(g *securityGroup) error {
	for _, other := range s.groups.all {
		if other.ID != g.ID && slices.ContainsFunc(other.Rules, func(r rule) bool { return r.Group == g.ID }) {
			return query.Errorf("DependencyViolation", http.StatusBadRequest, "resource %s has a dependent object", g.ID)
		}
	}
	for _, e := range s.enis.all {
		if slices.Contains(e.Groups, g.ID) {
			return query.Errorf("DependencyViolation", http.StatusBadRequest, "resource %s has a dependent object", g.ID)
		}
	}
	return s.groups.remove(g.ID)
}

func (s *Service) describeSecurityGroups(r request, in struct {
	IDs []string `query:"GroupId"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeSecurityGroups"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := chosen(s.groups, in.IDs)
	if err != nil {
		return nil, err
	}
	rules := func(egress bool, of func(rule) string) func(*securityGroup) []string {
		return func(g *securityGroup) (values []string) {
			for _, r := range g.Rules {
				if value := of(r); r.Egress == egress && value != "" {
					values = append(values, value)
				}
			}
			return values
		}
	}
	found, next, err := list(in.listInput, found, id, tagsIn, map[string]func(*securityGroup) []string{
		"group-id": one(func(g *securityGroup) string { return g.ID }), "group-name": one(func(g *securityGroup) string { return g.Name }),
		"vpc-id": one(func(g *securityGroup) string { return g.VPC }), "description": one(func(g *securityGroup) string { return g.Description }),
		"owner-id":                      one(func(*securityGroup) string { return s.options.Account }),
		"ip-permission.group-id":        rules(false, func(r rule) string { return r.Group }),
		"ip-permission.cidr":            rules(false, func(r rule) string { return r.CIDR }),
		"ip-permission.protocol":        rules(false, func(r rule) string { return r.Protocol }),
		"egress.ip-permission.group-id": rules(true, func(r rule) string { return r.Group }),
		"egress.ip-permission.cidr":     rules(true, func(r rule) string { return r.CIDR }),
		"egress.ip-permission.protocol": rules(true, func(r rule) string { return r.Protocol }),
	})
	return struct {
		Groups []xmlGroup `xml:"securityGroupInfo>item"`
		page
	}{each(found, s.xmlGroup), next}, err
}

type xmlRule struct {
	ID          string `xml:"securityGroupRuleId"`
	GroupID     string `xml:"groupId"`
	OwnerID     string `xml:"groupOwnerId"`
	Egress      bool   `xml:"isEgress"`
	Protocol    string `xml:"ipProtocol"`
	FromPort    int    `xml:"fromPort"`
	ToPort      int    `xml:"toPort"`
	CIDR        string `xml:"cidrIpv4,omitempty"`
	CIDR6       string `xml:"cidrIpv6,omitempty"`
	PrefixList  string `xml:"prefixListId,omitempty"`
	Group       string `xml:"referencedGroupInfo>groupId,omitempty"`
	Description string `xml:"description,omitempty"`
}

func (s *Service) xmlRule(group string, r rule) xmlRule {
	return xmlRule{r.ID, group, s.options.Account, r.Egress, r.Protocol, r.FromPort, r.ToPort, r.CIDR, r.CIDR6, r.PrefixList, r.Group, r.Description}
}

func (s *Service) describeSecurityGroupRules(r request, in struct {
	IDs []string `query:"SecurityGroupRuleId"`
	listInput
}) (any, error) {
	if err := r.describe("DescribeSecurityGroupRules"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []xmlRule
	known := map[string]bool{}
	for _, g := range s.groups.all {
		for _, one := range g.Rules {
			known[one.ID] = true
			if len(in.IDs) == 0 || slices.Contains(in.IDs, one.ID) {
				all = append(all, s.xmlRule(g.ID, one))
			}
		}
	}
	for _, id := range in.IDs {
		if !known[id] {
			return nil, query.Errorf("InvalidSecurityGroupRuleId.NotFound", http.StatusBadRequest, "The security group rule ID '%s' does not exist", id)
		}
	}
	all, next, err := list(in.listInput, all, func(r xmlRule) string { return r.ID }, nil, map[string]func(xmlRule) []string{
		"group-id": one(func(r xmlRule) string { return r.GroupID }), "security-group-rule-id": one(func(r xmlRule) string { return r.ID }),
	})
	return struct {
		Rules []xmlRule `xml:"securityGroupRuleSet>item"`
		page
	}{all, next}, err
}

type authorizeInput struct {
	groupInput
	Permissions []permission `query:"IpPermissions"`
}

func (s *Service) authorizeRules(action string, egress bool) func(request, authorizeInput) (any, error) {
	return func(r request, in authorizeInput) (any, error) {
		if err := r.authorize(action, nil, accessTo(s.groups, in.GroupID)); err != nil {
			return nil, err
		}
		if err := r.allowed(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		g, err := s.groups.find(in.GroupID)
		if err != nil {
			return nil, err
		}
		wanted, err := s.allRules(in.Permissions, egress)
		if err != nil {
			return nil, err
		}
		changed := *g
		changed.Rules = slices.Clone(g.Rules)
		var answer []xmlRule
		for _, one := range wanted {
			if slices.ContainsFunc(changed.Rules, one.same) {
				return nil, query.Errorf("InvalidPermission.Duplicate", http.StatusBadRequest,
					"the specified rule \"peer: %s, %s, from port: %d, to port: %d, ALLOW\" already exists", cmp.Or(one.Group, one.CIDR, one.CIDR6, one.PrefixList), one.Protocol, one.FromPort, one.ToPort)
			}
			one.ID = newID("sgr")
			changed.Rules = append(changed.Rules, one)
			answer = append(answer, s.xmlRule(g.ID, one))
		}
		if len(changed.Rules) > 2*rulesPerGroup {
			return nil, query.Errorf("RulesPerSecurityGroupLimitExceeded", http.StatusBadRequest, "The maximum number of rules per security group has been reached.")
		}
		return struct {
			Return bool      `xml:"return"`
			Rules  []xmlRule `xml:"securityGroupRuleSet>item"`
		}{true, answer}, put(s.groups, changed)
	}
}

func (s *Service) allRules(permissions []permission, egress bool) (all []rule, err error) {
	if len(permissions) == 0 {
		return nil, missing("The request must contain the parameter ipPermissions")
	}
	for _, p := range permissions {
		some, err := s.rules(p, egress)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

type revokeInput struct {
	groupInput
	Permissions []permission `query:"IpPermissions"`
	RuleIDs     []string     `query:"SecurityGroupRuleId"`
}

func (s *Service) revokeRules(action string, egress bool) func(request, revokeInput) (any, error) {
	return func(r request, in revokeInput) (any, error) {
		if err := r.authorize(action, nil, accessTo(s.groups, in.GroupID)); err != nil {
			return nil, err
		}
		if err := r.allowed(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		g, err := s.groups.find(in.GroupID)
		if err != nil {
			return nil, err
		}
		var wanted []rule
		if len(in.RuleIDs) == 0 {
			if wanted, err = s.allRules(in.Permissions, egress); err != nil {
				return nil, err
			}
		}
		changed := *g
		changed.Rules = slices.Clone(g.Rules)
		drop := func(match func(rule) bool, code, what string) error {
			at := slices.IndexFunc(changed.Rules, match)
			if at < 0 {
				return query.Errorf(code, http.StatusBadRequest, "The specified rule does not exist in this security group: %s", what)
			}
			changed.Rules = slices.Delete(changed.Rules, at, at+1)
			return nil
		}
		for _, one := range wanted {
			if err := drop(one.same, "InvalidPermission.NotFound", cmp.Or(one.Group, one.CIDR, one.CIDR6)); err != nil {
				return nil, err
			}
		}
		for _, id := range in.RuleIDs {
			if err := drop(func(r rule) bool { return r.ID == id && r.Egress == egress }, "InvalidSecurityGroupRuleId.NotFound", id); err != nil {
				return nil, err
			}
		}
		return nil, put(s.groups, changed)
	}
}
