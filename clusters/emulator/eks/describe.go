package eks

import (
	"maps"
	"net/http"
	"net/netip"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// clusterShape is Cluster on the wire (https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html), without
// encryption, Auto Mode and outposts, which the emulator lacks.
type clusterShape struct {
	Name                 string               `json:"name"`
	ARN                  string               `json:"arn"`
	CreatedAt            restjson.Time        `json:"createdAt"`
	Version              string               `json:"version,omitempty"`
	PlatformVersion      string               `json:"platformVersion"`
	Endpoint             string               `json:"endpoint,omitempty"`
	CertificateAuthority certificateShape     `json:"certificateAuthority"`
	Status               string               `json:"status"`
	Identity             clusterIdentityShape `json:"identity"`
	AccessConfig         accessShape          `json:"accessConfig"`
	UpgradePolicy        upgradeShape         `json:"upgradePolicy"`
	RoleARN              string               `json:"roleArn,omitempty"`
	Network              networkShape         `json:"kubernetesNetworkConfig"`
	VPC                  vpcShape             `json:"resourcesVpcConfig"`
	Logging              loggingShape         `json:"logging"`
	Health               healthShape          `json:"health"`
	DeletionProtection   bool                 `json:"deletionProtection"`
	Tags                 map[string]string    `json:"tags"`
}

type certificateShape struct {
	// Data is Base64 of PEM.
	Data []byte `json:"data,omitempty"`
}

type clusterIdentityShape struct {
	OIDC struct {
		Issuer string `json:"issuer"`
	} `json:"oidc"`
}

type accessShape struct {
	AuthenticationMode string `json:"authenticationMode"`
	// CreatorIsAdmin is false for a registered cluster, because no IAM principal created it.
	CreatorIsAdmin bool `json:"bootstrapClusterCreatorAdminPermissions"`
}

type upgradeShape struct {
	SupportType string `json:"supportType"`
}

type networkShape struct {
	IPFamily    string `json:"ipFamily"`
	ServiceIPv4 string `json:"serviceIpv4Cidr,omitempty"`
	ServiceIPv6 string `json:"serviceIpv6Cidr,omitempty"`
}

// vpcShape has no VPC for a registered cluster, because the cluster is in none.
type vpcShape struct {
	VPCID                 string   `json:"vpcId,omitempty"`
	ClusterGroup          string   `json:"clusterSecurityGroupId,omitempty"`
	SubnetIDs             []string `json:"subnetIds"`
	SecurityGroupIDs      []string `json:"securityGroupIds"`
	EndpointPublicAccess  bool     `json:"endpointPublicAccess"`
	EndpointPrivateAccess bool     `json:"endpointPrivateAccess"`
	PublicAccessCIDRs     []string `json:"publicAccessCidrs"`
}

type loggingShape struct {
	Cluster []logShape `json:"clusterLogging"`
}

type logShape struct {
	Types   []string `json:"types"`
	Enabled bool     `json:"enabled"`
}

type healthShape struct {
	Issues []Issue `json:"issues"`
}

func health(issues []Issue) healthShape {
	if issues == nil {
		issues = []Issue{}
	}
	return healthShape{issues}
}

func (s *Service) describeCluster(r *http.Request) (any, error) {
	name := r.PathValue("clusterName")
	if err := s.authorize(r.Context(), "eks:DescribeCluster", s.ClusterARN(name), s.clusterTags(name, nil)); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	return struct {
		Cluster clusterShape `json:"cluster"`
	}{s.shape(c)}, nil
}

// shape describes a cluster by what was registered, and otherwise by EKS's defaults.
func (s *Service) shape(c *cluster) clusterShape {
	shape := clusterShape{
		Name: c.Name, ARN: s.ClusterARN(c.Name), CreatedAt: restjson.Time(c.Created), Version: c.Version, PlatformVersion: "eks.1",
		Endpoint: c.Endpoint, CertificateAuthority: certificateShape{c.CertificateAuthority}, Status: "ACTIVE",
		AccessConfig: accessShape{AuthenticationMode: "API"}, UpgradePolicy: upgradeShape{"EXTENDED"}, Network: network(c.ServiceCIDR),
		VPC: vpcShape{
			SubnetIDs: []string{}, SecurityGroupIDs: []string{},
			EndpointPublicAccess: true, PublicAccessCIDRs: []string{"0.0.0.0/0"},
		},
		Logging: loggingShape{[]logShape{{Types: []string{"api", "audit", "authenticator", "controllerManager", "scheduler"}}}},
		Health:  health(nil), Tags: map[string]string{},
	}
	if c.made != nil {
		shape.made(c.made)
	}
	shape.Identity.OIDC.Issuer = c.Issuer
	maps.Copy(shape.Tags, c.tags)
	return shape
}

// made adds what CreateCluster was asked for, and the result.
func (shape *clusterShape) made(m *made) {
	shape.RoleARN, shape.Status, shape.Health = m.RoleARN, string(m.Status), health(m.Issues)
	shape.AccessConfig = accessShape{AuthenticationMode: m.AuthMode, CreatorIsAdmin: m.CreatorAdmin}
	shape.UpgradePolicy, shape.DeletionProtection = upgradeShape{m.SupportType}, m.DeletionProtection
	shape.VPC = vpcShape{
		VPCID: m.VPC, ClusterGroup: m.Group, SubnetIDs: m.Subnets, SecurityGroupIDs: m.Groups,
		EndpointPublicAccess: m.Public, EndpointPrivateAccess: m.Private, PublicAccessCIDRs: m.CIDRs,
	}
	if shape.VPC.SecurityGroupIDs == nil {
		shape.VPC.SecurityGroupIDs = []string{}
	}
	if len(m.Logging) > 0 {
		shape.Logging.Cluster = []logShape{{Types: m.Logging, Enabled: true}}
	}
}

func network(services string) networkShape {
	if prefix, err := netip.ParsePrefix(services); err == nil && prefix.Addr().Is6() {
		return networkShape{IPFamily: "ipv6", ServiceIPv6: services}
	}
	return networkShape{IPFamily: "ipv4", ServiceIPv4: services}
}
