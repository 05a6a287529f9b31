package eks

import (
	"maps"
	"net/http"
	"net/netip"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// clusterShape is Cluster on the wire
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html), less what only a cluster has
// that EKS itself made: its role, its encryption, Auto Mode, outposts.
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
	// CreatorIsAdmin is false: no IAM principal created the cluster.
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

// vpcShape has no VPC: the cluster is in none.
type vpcShape struct {
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
	Issues []struct{} `json:"issues"`
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

// shape tells what was registered and, for the rest, what EKS has unless it is told otherwise.
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
		Health:  healthShape{[]struct{}{}}, Tags: map[string]string{},
	}
	shape.Identity.OIDC.Issuer = c.Issuer
	maps.Copy(shape.Tags, c.tags)
	return shape
}

func network(services string) networkShape {
	if prefix, err := netip.ParsePrefix(services); err == nil && prefix.Addr().Is6() {
		return networkShape{IPFamily: "ipv6", ServiceIPv6: services}
	}
	return networkShape{IPFamily: "ipv4", ServiceIPv4: services}
}
