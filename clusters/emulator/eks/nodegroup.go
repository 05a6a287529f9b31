package eks

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// nodegroup is a managed node group.
type nodegroup struct {
	Cluster, Name, ID  string
	RoleARN            string
	Subnets            []string
	InstanceTypes      []string
	AMIType            string
	CapacityType       string
	DiskSize           int
	Scaling            scalingShape
	Labels             map[string]string
	Taints             []taintShape
	Template           *LaunchTemplate
	Tags               map[string]string
	Version, Release   string
	Created, Modified  time.Time
	Status             status
	Settled            time.Time
	Issues             []Issue
	Instances          []string
	Token, Fingerprint string
}

type scalingShape struct {
	Min     int `json:"minSize"`
	Max     int `json:"maxSize"`
	Desired int `json:"desiredSize"`
}

type taintShape struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

type templateShape struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

type createNodegroupRequest struct {
	Name           string            `json:"nodegroupName"`
	RoleARN        string            `json:"nodeRole"`
	Subnets        []string          `json:"subnets"`
	InstanceTypes  []string          `json:"instanceTypes"`
	AMIType        string            `json:"amiType"`
	CapacityType   string            `json:"capacityType"`
	DiskSize       int               `json:"diskSize"`
	Scaling        *scalingShape     `json:"scalingConfig"`
	Labels         map[string]string `json:"labels"`
	Taints         []taintShape      `json:"taints"`
	Template       *templateShape    `json:"launchTemplate"`
	Version        string            `json:"version"`
	ReleaseVersion string            `json:"releaseVersion"`
	UpdateConfig   *struct {
		MaxUnavailable           *int `json:"maxUnavailable"`
		MaxUnavailablePercentage *int `json:"maxUnavailablePercentage"`
	} `json:"updateConfig"`
	Tags               map[string]string `json:"tags"`
	ClientRequestToken string            `json:"clientRequestToken"`
}

var nodegroupName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

const nodegroupsPerCluster = 30

func (s *Service) nodegroupARN(cluster, name, id string) string {
	return "arn:aws:eks:" + s.options.Region + ":" + s.options.Account + ":nodegroup/" + cluster + "/" + name + "/" + id
}

// createNodegroup: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html.
func (s *Service) createNodegroup(r *http.Request) (any, error) {
	var in createNodegroupRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	name, id := r.PathValue("clusterName"), uuid.NewString()
	tags, requested, err := s.creationTags(r.Context(), in.Tags)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(r.Context(), "eks:CreateNodegroup", s.ClusterARN(name), s.clusterTags(name, requested)); err != nil {
		return nil, err
	}
	if len(requested) > 0 {
		if err := s.authorize(r.Context(), "eks:TagResource", s.nodegroupARN(name, in.Name, id), requested); err != nil {
			return nil, err
		}
	}
	if err := s.checkCreateNodegroup(&in); err != nil {
		return nil, err
	}
	if err := s.passRole(r, name, servicePrincipal, in.RoleARN); err != nil {
		return nil, err
	}
	if err := s.options.Roles.CheckRole(r.Context(), in.RoleARN, "ec2.amazonaws.com"); err != nil {
		return nil, invalidParameter("The following supplied node role is invalid: %s: %s.", in.RoleARN, err)
	}
	template, err := s.nodeTemplate(in.Template)
	if err != nil {
		return nil, err
	}

	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	asked := in
	asked.ClientRequestToken = ""
	if known, ok := c.nodegroups[in.Name]; ok {
		switch {
		case in.ClientRequestToken == "" || in.ClientRequestToken != known.Token:
			return nil, restjson.Errorf(codeInUse, http.StatusConflict, "NodeGroup already exists with name %s and cluster name %s", in.Name, name)
		case fingerprint(asked) != known.Fingerprint:
			return nil, tokenReused()
		}
		journal.FromContext(r.Context()).Repeat = true
		return nodegroupAnswer{s.nodegroupShape(known)}, nil
	}
	switch {
	case c.made == nil:
		return nil, invalidRequest("The cluster %s was registered through the control API: its nodes are not EKS's.", name)
	case len(c.nodegroups) >= nodegroupsPerCluster:
		return nil, restjson.Errorf(codeLimitExceeded, http.StatusBadRequest, "The maximum number of node groups (%d) has been reached.", nodegroupsPerCluster)
	}
	if err := c.active(); err != nil {
		return nil, err
	}
	for _, subnet := range in.Subnets {
		if s.options.Networks == nil {
			break
		}
		if vpcID, _, err := s.options.Networks.Network([]string{subnet}, nil); err != nil || vpcID != c.made.VPC {
			return nil, invalidParameter("Subnet %s does not exist in the VPC %s of the cluster.", subnet, c.made.VPC)
		}
	}
	now := s.options.Now().UTC()
	if in.Version == "" {
		in.Version = c.Version
	}
	g := nodegroup{
		Cluster: name, Name: in.Name, ID: id, RoleARN: in.RoleARN, Subnets: in.Subnets, InstanceTypes: in.InstanceTypes, AMIType: in.AMIType,
		CapacityType: in.CapacityType, DiskSize: in.DiskSize, Scaling: *in.Scaling, Labels: in.Labels, Taints: in.Taints, Template: template, Tags: tags,
		Version: in.Version, Release: in.Version + ".0-20260101", Created: now, Modified: now, Status: statusCreating,
		Token: in.ClientRequestToken, Fingerprint: fingerprint(asked),
	}
	if !s.options.Backed {
		g.Settled = now.Add(s.options.Unbacked.After)
	}
	// EKS gives the nodes' role access.
	if _, ok := c.access[in.RoleARN]; !ok && c.made.AuthMode != "CONFIG_MAP" {
		if err := s.putAccess(c, nodeEntry(in.RoleARN, now)); err != nil {
			return nil, err
		}
	}
	if err := s.putNodegroup(c, g); err != nil {
		return nil, err
	}
	return nodegroupAnswer{s.nodegroupShape(c.nodegroups[g.Name])}, nil
}

// checkCreateNodegroup checks what depends on the request alone, and fills in what the request leaves out.
func (s *Service) checkCreateNodegroup(in *createNodegroupRequest) error {
	if in.Scaling == nil {
		in.Scaling = &scalingShape{1, 2, 2}
	}
	if in.AMIType == "" {
		in.AMIType = "AL2023_x86_64_STANDARD"
	}
	if in.CapacityType == "" {
		in.CapacityType = "ON_DEMAND"
	}
	if len(in.InstanceTypes) == 0 && in.Template == nil {
		in.InstanceTypes = []string{"t3.medium"}
	}
	if in.DiskSize == 0 && in.Template == nil {
		in.DiskSize = 20
	}
	switch {
	case !nodegroupName.MatchString(in.Name):
		return invalidParameter("The parameter nodegroupName must have 1 to 63 letters, digits, hyphens and underscores, and begin with a letter or digit.")
	case len(in.Subnets) == 0:
		return invalidParameter("The parameter subnets is required.")
	case in.CapacityType != "ON_DEMAND" && in.CapacityType != "SPOT":
		return notEmulated("capacityType " + in.CapacityType)
	case in.Scaling.Min < 0 || in.Scaling.Max < 1 || in.Scaling.Desired < in.Scaling.Min || in.Scaling.Desired > in.Scaling.Max:
		return invalidParameter("Minimum capacity %d can't be greater than desired size %d, nor that than maximum capacity %d.", in.Scaling.Min, in.Scaling.Desired, in.Scaling.Max)
	case in.Template != nil && in.DiskSize != 0:
		return invalidParameter("Disk size must be specified within the launch template.")
	case len(in.Labels) > 50:
		return invalidParameter("The parameter labels has more than 50 labels.")
	}
	if s.options.Networks != nil {
		for _, name := range in.InstanceTypes {
			if !s.options.Networks.HasInstanceType(name) {
				return invalidParameter("The following supplied instance types do not exist: [%s]", name)
			}
		}
	}
	for _, taint := range in.Taints {
		if !slices.Contains([]string{"NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"}, taint.Effect) {
			return invalidParameter("The effect of a taint must be NO_SCHEDULE, NO_EXECUTE or PREFER_NO_SCHEDULE.")
		}
	}
	return checkRoleARN("nodeRole", in.RoleARN, s.options.Account)
}

func (s *Service) nodeTemplate(in *templateShape) (*LaunchTemplate, error) {
	if in == nil || s.options.Networks == nil {
		return nil, nil
	}
	found, err := s.options.Networks.LaunchTemplate(in.ID, in.Name, in.Version)
	if err != nil {
		return nil, invalidRequest("You cannot specify the launch template: %s", err)
	}
	return &found, nil
}

// putNodegroup writes a node group, and schedules its next change. The caller holds mu for writing.
func (s *Service) putNodegroup(c *cluster, g nodegroup) error {
	if err := s.put(recordKey(nodegroupRecords, g.Cluster, g.Name), g); err != nil {
		return err
	}
	c.nodegroups[g.Name] = &g
	s.schedule(g.Settled)
	s.state.wantedChanged()
	return nil
}

func (s *Service) removeNodegroup(c *cluster, g *nodegroup) error {
	if s.options.Networks != nil {
		if _, err := s.options.Networks.SetInstances(s.nodegroupARN(g.Cluster, g.Name, g.ID), nil); err != nil {
			return err
		}
	}
	if err := s.options.Table.Delete(recordKey(nodegroupRecords, g.Cluster, g.Name)); err != nil {
		return err
	}
	delete(c.nodegroups, g.Name)
	s.state.wantedChanged()
	return nil
}

// settleNodegroup advances a node group whose time has come. The caller holds mu for writing.
func (s *Service) settleNodegroup(c *cluster, g *nodegroup, now time.Time) error {
	switch {
	case g.Settled.IsZero() || now.Before(g.Settled):
		return nil
	case g.Status == statusDeleting:
		return s.removeNodegroup(c, g)
	}
	wanted := make([]Instance, g.Scaling.Desired)
	return s.activateNodegroup(c, g, wanted, nil)
}

// activateNodegroup makes a node group ACTIVE with its instances, or DEGRADED if it has issues. Values that an instance
// leaves out are the node group's. The caller holds mu for writing.
func (s *Service) activateNodegroup(c *cluster, g *nodegroup, instances []Instance, issues []Issue) error {
	changed := *g
	if s.options.Networks != nil {
		for n := range instances {
			// An existing instance stays as it is, because its hop limit may have been changed.
			if n < len(g.Instances) && instances[n].ID == "" {
				instances[n].ID = g.Instances[n]
			}
			instances[n] = s.nodeInstance(c, g, n, instances[n])
		}
		var err error
		if changed.Instances, err = s.options.Networks.SetInstances(s.nodegroupARN(g.Cluster, g.Name, g.ID), instances); err != nil {
			return err
		}
	}
	changed.Status, changed.Settled, changed.Issues = statusActive, time.Time{}, issues
	if len(issues) > 0 {
		changed.Status = statusDegraded
	}
	if slices.Equal(changed.Instances, g.Instances) && changed.Status == g.Status && slices.EqualFunc(changed.Issues, g.Issues, func(a, b Issue) bool { return a.Code == b.Code && a.Message == b.Message }) {
		return nil
	}
	return s.putNodegroup(c, changed)
}

// defaultHopLimit is for instances whose launch template sets none. EKS's own templates say 2
// (https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html).
const defaultHopLimit = 2

func (s *Service) nodeInstance(c *cluster, g *nodegroup, n int, in Instance) Instance {
	in.Spot = g.CapacityType == "SPOT"
	if in.Subnet == "" {
		in.Subnet = g.Subnets[n%len(g.Subnets)]
	}
	if in.Type == "" && len(g.InstanceTypes) > 0 {
		in.Type = g.InstanceTypes[0]
	}
	in.HopLimit, in.HTTPTokens, in.SecurityGroups = g.hopLimit(), g.httpTokens(), []string{}
	in.RoleARN, in.ProfileARN = g.RoleARN, s.profileARN(g)
	in.Tags = map[string]string{
		"eks:cluster-name": g.Cluster, "eks:nodegroup-name": g.Name, "kubernetes.io/cluster/" + g.Cluster: "owned", "k8s.io/cluster-autoscaler/enabled": "true",
	}
	if g.Template != nil {
		maps.Copy(in.Tags, g.Template.Tags)
		in.SecurityGroups = g.Template.SecurityGroups
		if in.Type == "" {
			in.Type = g.Template.InstanceType
		}
	}
	if len(in.SecurityGroups) == 0 && c.made.Group != "" {
		in.SecurityGroups = []string{c.made.Group}
	}
	return in
}

// profileARN is the ARN of the instance profile that EKS creates for a node group. It is named after the group's ID.
func (s *Service) profileARN(g *nodegroup) string {
	return "arn:aws:iam::" + s.options.Account + ":instance-profile/eks-" + g.ID
}

func (g *nodegroup) hopLimit() int {
	if g.Template != nil && g.Template.HopLimit > 0 {
		return g.Template.HopLimit
	}
	return defaultHopLimit
}

func (g *nodegroup) httpTokens() string {
	if g.Template != nil && g.Template.HTTPTokens != "" {
		return g.Template.HTTPTokens
	}
	return "required"
}

// nodegroupShape is Nodegroup on the wire
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_Nodegroup.html).
type nodegroupShape struct {
	Name           string             `json:"nodegroupName"`
	ARN            string             `json:"nodegroupArn"`
	Cluster        string             `json:"clusterName"`
	Version        string             `json:"version"`
	ReleaseVersion string             `json:"releaseVersion"`
	CreatedAt      restjson.Time      `json:"createdAt"`
	ModifiedAt     restjson.Time      `json:"modifiedAt"`
	Status         status             `json:"status"`
	CapacityType   string             `json:"capacityType"`
	Scaling        scalingShape       `json:"scalingConfig"`
	InstanceTypes  []string           `json:"instanceTypes,omitempty"`
	Subnets        []string           `json:"subnets"`
	AMIType        string             `json:"amiType"`
	NodeRole       string             `json:"nodeRole"`
	Labels         map[string]string  `json:"labels,omitempty"`
	Taints         []taintShape       `json:"taints,omitempty"`
	Resources      nodegroupResources `json:"resources"`
	DiskSize       int                `json:"diskSize,omitempty"`
	Health         healthShape        `json:"health"`
	Update         map[string]int     `json:"updateConfig"`
	Template       *templateShape     `json:"launchTemplate,omitempty"`
	Tags           map[string]string  `json:"tags"`
}

type nodegroupResources struct {
	Groups []map[string]string `json:"autoScalingGroups"`
}

type nodegroupAnswer struct {
	Nodegroup nodegroupShape `json:"nodegroup"`
}

func (s *Service) nodegroupShape(g *nodegroup) nodegroupShape {
	shape := nodegroupShape{
		Name: g.Name, ARN: s.nodegroupARN(g.Cluster, g.Name, g.ID), Cluster: g.Cluster, Version: g.Version, ReleaseVersion: g.Release,
		CreatedAt: restjson.Time(g.Created), ModifiedAt: restjson.Time(g.Modified), Status: g.Status, CapacityType: g.CapacityType, Scaling: g.Scaling,
		InstanceTypes: g.InstanceTypes, Subnets: g.Subnets, AMIType: g.AMIType, NodeRole: g.RoleARN, Labels: g.Labels, Taints: g.Taints,
		Resources: nodegroupResources{[]map[string]string{{"name": "eks-" + g.Name + "-" + g.ID}}},
		DiskSize:  g.DiskSize, Health: health(g.Issues), Update: map[string]int{"maxUnavailable": 1}, Tags: map[string]string{},
	}
	if g.Template != nil {
		shape.Template = &templateShape{g.Template.ID, g.Template.Name, g.Template.Version}
	}
	maps.Copy(shape.Tags, g.Tags)
	return shape
}

// nodegroup finds the node group of the path. The caller holds mu.
func (s *Service) nodegroup(r *http.Request) (*cluster, *nodegroup, error) {
	c, err := s.state.cluster(r.PathValue("clusterName"))
	if err != nil {
		return nil, nil, err
	}
	name := r.PathValue("nodegroupName")
	if g, ok := c.nodegroups[name]; ok {
		return c, g, nil
	}
	return nil, nil, restjson.Errorf(codeNotFound, http.StatusNotFound, "No node group found for name: %s.", name)
}

// authorizeNodegroup decides about the node group in the path. The ARN of a node group that does not exist has * for its
// ID.
func (s *Service) authorizeNodegroup(r *http.Request, action string) error {
	keys := map[string][]string{}
	arn := s.nodegroupARN(r.PathValue("clusterName"), r.PathValue("nodegroupName"), "*")
	s.state.mu.RLock()
	if _, g, err := s.nodegroup(r); err == nil {
		arn = s.nodegroupARN(g.Cluster, g.Name, g.ID)
		addResourceTags(keys, g.Tags)
	}
	s.state.mu.RUnlock()
	return s.authorize(r.Context(), action, arn, keys)
}

func (s *Service) describeNodegroup(r *http.Request) (any, error) {
	if err := s.authorizeNodegroup(r, "eks:DescribeNodegroup"); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	_, g, err := s.nodegroup(r)
	if err != nil {
		return nil, err
	}
	return nodegroupAnswer{s.nodegroupShape(g)}, nil
}

func (s *Service) listNodegroups(r *http.Request) (any, error) {
	name := r.PathValue("clusterName")
	if err := s.authorize(r.Context(), "eks:ListNodegroups", s.ClusterARN(name), s.clusterTags(name, nil)); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	names := slices.Collect(maps.Keys(c.nodegroups))
	page, next, err := paginate(s.pages, r, names, func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	if page == nil {
		page = []string{}
	}
	return struct {
		Nodegroups []string `json:"nodegroups"`
		NextToken  *string  `json:"nextToken"`
	}{page, next}, nil
}

func (s *Service) deleteNodegroup(r *http.Request) (any, error) {
	if err := s.authorizeNodegroup(r, "eks:DeleteNodegroup"); err != nil {
		return nil, err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, g, err := s.nodegroup(r)
	if err != nil {
		return nil, err
	}
	if g.Status == statusDeleting {
		return nodegroupAnswer{s.nodegroupShape(g)}, nil
	}
	changed := *g
	changed.Status, changed.Issues, changed.Settled = statusDeleting, nil, time.Time{}
	if !s.options.Backed {
		changed.Settled = s.options.Now().UTC().Add(s.options.Unbacked.After)
	}
	if err := s.putNodegroup(c, changed); err != nil {
		return nil, err
	}
	return nodegroupAnswer{s.nodegroupShape(c.nodegroups[g.Name])}, nil
}

// listFargateProfiles returns none: the emulator has none.
func (s *Service) listFargateProfiles(r *http.Request) (any, error) {
	name := r.PathValue("clusterName")
	if err := s.authorize(r.Context(), "eks:ListFargateProfiles", s.ClusterARN(name), s.clusterTags(name, nil)); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	if _, err := s.state.cluster(name); err != nil {
		return nil, err
	}
	return struct {
		Names []string `json:"fargateProfileNames"`
	}{[]string{}}, nil
}
