package eks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// servicePrincipal is EKS itself. The roles of clusters and nodes are passed to it.
const servicePrincipal = "eks.amazonaws.com"

// Networks is the account's EC2, in which EKS acts with its own role.
type Networks interface {
	// Network checks the subnets and security groups of a cluster, and returns their VPC and zones. The error's text is for
	// the caller.
	Network(subnets, groups []string) (vpcID string, zones []string, err error)
	// JoinCluster creates a cluster's security group and network interfaces, unless they exist.
	JoinCluster(cluster, vpcID string, subnets, groups []string) (groupID string, err error)
	// LeaveCluster removes them.
	LeaveCluster(cluster, groupID string) error
	// LaunchTemplate finds a version of a launch template, by ID or by name. The error's text is for the caller.
	LaunchTemplate(id, name, version string) (LaunchTemplate, error)
	// SetInstances makes the instances of a node group, which is given by its ARN, equal to the wanted ones. It creates a
	// wanted instance without an ID. It returns the IDs.
	SetInstances(group string, wanted []Instance) ([]string, error)
	// HasInstanceType says whether the region has an instance type.
	HasInstanceType(name string) bool
}

// LaunchTemplate is the part of a launch template that EKS reads.
type LaunchTemplate struct {
	ID, Name, Version string
	InstanceType      string
	SecurityGroups    []string
	// HopLimit and HTTPTokens are 0 and "" if the template does not set them.
	HopLimit   int
	HTTPTokens string
	// Tags of instances.
	Tags map[string]string
}

// Instance of a node group.
type Instance struct {
	ID, PrivateIP, PrivateDNS string
	Type, Subnet              string
	Spot                      bool
	SecurityGroups            []string
	RoleARN, ProfileARN       string
	HopLimit                  int
	HTTPTokens                string
	Tags                      map[string]string
}

// Unbacked describes clusters that no program creates.
type Unbacked struct {
	// After is how long a cluster or a node group takes to become ACTIVE, and to be deleted; 0 means 300 ms.
	After time.Duration
	// Endpoint and CertificateAuthority, in PEM, of an API server for all clusters. An empty Endpoint gives each cluster a
	// host name without a server.
	Endpoint             string
	CertificateAuthority []byte
}

// status of a cluster or a node group.
type status string

const (
	statusCreating status = "CREATING"
	statusActive   status = "ACTIVE"
	statusDeleting status = "DELETING"
	statusFailed   status = "FAILED"
	// The values of a node group's status.
	statusCreateFailed status = "CREATE_FAILED"
	statusDegraded     status = "DEGRADED"
	statusDeleteFailed status = "DELETE_FAILED"
)

// Issue is a health issue of a cluster, a node group or an add-on.
type Issue struct {
	Code        string   `json:"code,omitempty"`
	Message     string   `json:"message,omitempty"`
	ResourceIDs []string `json:"resourceIds,omitempty"`
}

// made is the part of a cluster that CreateCluster made. A registered cluster has none.
type made struct {
	ID                 string
	RoleARN, Creator   string
	AuthMode           string
	CreatorAdmin       bool
	VPC, Group         string
	Subnets, Groups    []string
	Public, Private    bool
	CIDRs              []string
	SupportType        string
	Logging            []string
	DeletionProtection bool
	Status             status
	// Settled is when the status ends by itself. It is zero if a report ends it.
	Settled            time.Time
	Issues             []Issue
	Token, Fingerprint string
}

type createClusterRequest struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	RoleARN string `json:"roleArn"`
	VPC     struct {
		SubnetIDs     []string `json:"subnetIds"`
		GroupIDs      []string `json:"securityGroupIds"`
		PublicAccess  *bool    `json:"endpointPublicAccess"`
		PrivateAccess *bool    `json:"endpointPrivateAccess"`
		CIDRs         []string `json:"publicAccessCidrs"`
	} `json:"resourcesVpcConfig"`
	Network struct {
		Services string `json:"serviceIpv4Cidr"`
		IPFamily string `json:"ipFamily"`
		ELB      *struct {
			Enabled bool `json:"enabled"`
		} `json:"elasticLoadBalancing"`
	} `json:"kubernetesNetworkConfig"`
	Logging struct {
		Cluster []logShape `json:"clusterLogging"`
	} `json:"logging"`
	Access struct {
		Mode    string `json:"authenticationMode"`
		Creator *bool  `json:"bootstrapClusterCreatorAdminPermissions"`
	} `json:"accessConfig"`
	// SelfManaged asks for the default networking add-ons. The emulator deploys nothing to a cluster.
	SelfManaged *bool `json:"bootstrapSelfManagedAddons"`
	Upgrade     struct {
		SupportType string `json:"supportType"`
	} `json:"upgradePolicy"`
	Compute *struct {
		Enabled *bool `json:"enabled"`
	} `json:"computeConfig"`
	Storage            json.RawMessage   `json:"storageConfig"`
	ZonalShift         json.RawMessage   `json:"zonalShiftConfig"`
	Encryption         []json.RawMessage `json:"encryptionConfig"`
	Outpost            json.RawMessage   `json:"outpostConfig"`
	Remote             json.RawMessage   `json:"remoteNetworkConfig"`
	DeletionProtection bool              `json:"deletionProtection"`
	Tags               map[string]string `json:"tags"`
	ClientRequestToken string            `json:"clientRequestToken"`
}

const defaultServices = "10.100.0.0/16"

// createCluster: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html.
func (s *Service) createCluster(r *http.Request) (any, error) {
	var in createClusterRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	answer, err := s.make(r, in)
	if refusal, ok := err.(*restjson.Error); ok && in.Name != "" && refusal.Code != codeAccessDenied { //nolint:errorlint // made here
		return nil, refusal.With("clusterName", in.Name)
	}
	return answer, err
}

func (s *Service) make(r *http.Request, in createClusterRequest) (any, error) {
	tags, requested, err := s.creationTags(r.Context(), in.Tags)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{}
	for key, values := range requested {
		keys[key] = values
	}
	// Condition keys of https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html.
	set := func(key, value string) { keys["eks:"+key] = []string{value} }
	set("authenticationMode", in.Access.Mode)
	set("bootstrapClusterCreatorAdminPermissions", fmt.Sprint(in.Access.Creator == nil || *in.Access.Creator))
	set("bootstrapSelfManagedAddons", fmt.Sprint(in.SelfManaged == nil || *in.SelfManaged))
	set("kubernetesVersion", in.Version)
	if in.Upgrade.SupportType != "" {
		set("supportType", in.Upgrade.SupportType)
	}
	if err := s.authorize(r.Context(), "eks:CreateCluster", s.ClusterARN(in.Name), keys); err != nil {
		return nil, err
	}
	if len(requested) > 0 {
		if err := s.authorize(r.Context(), "eks:TagResource", s.ClusterARN(in.Name), requested); err != nil {
			return nil, err
		}
	}
	if err := s.checkCreateCluster(&in); err != nil {
		return nil, err
	}
	if err := s.passRole(r, in.Name, servicePrincipal, in.RoleARN); err != nil {
		return nil, err
	}
	if err := s.options.Roles.CheckRole(r.Context(), in.RoleARN, servicePrincipal); err != nil {
		return nil, invalidParameter("The role with name %s could not be used: %s.", in.RoleARN, err)
	}
	vpcID, err := s.checkNetwork(in.VPC.SubnetIDs, in.VPC.GroupIDs)
	if err != nil {
		return nil, err
	}

	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	asked := in
	asked.ClientRequestToken = ""
	if known, ok := s.state.clusters[in.Name]; ok {
		if known.made == nil || in.ClientRequestToken == "" || in.ClientRequestToken != known.made.Token {
			return nil, restjson.Errorf(codeInUse, http.StatusConflict, "Cluster already exists with name: %s", in.Name)
		}
		if fingerprint(asked) != known.made.Fingerprint {
			return nil, tokenReused()
		}
		journal.FromContext(r.Context()).Repeat = true
		return clusterAnswer{s.shape(known)}, nil
	}
	if s.state.made() >= clustersPerRegion {
		return nil, restjson.Errorf(codeLimitExceeded, http.StatusBadRequest, "The maximum number of clusters (%d) has been reached.", clustersPerRegion)
	}
	now := s.options.Now().UTC()
	c := Cluster{Name: in.Name, Created: now, Version: in.Version, ServiceCIDR: in.Network.Services}
	m := &made{
		ID: uuid.NewString(), RoleARN: in.RoleARN, Creator: s.caller(r.Context()), AuthMode: in.Access.Mode,
		VPC: vpcID, Subnets: in.VPC.SubnetIDs, Groups: in.VPC.GroupIDs, Public: *in.VPC.PublicAccess, Private: *in.VPC.PrivateAccess, CIDRs: in.VPC.CIDRs,
		SupportType: in.Upgrade.SupportType, Logging: enabled(in.Logging.Cluster), DeletionProtection: in.DeletionProtection,
		Status: statusCreating, Token: in.ClientRequestToken, Fingerprint: fingerprint(asked), CreatorAdmin: in.Access.Creator == nil || *in.Access.Creator,
	}
	access := map[string]accessEntry{}
	if m.CreatorAdmin {
		access[m.Creator] = s.adminEntry(m.Creator, now)
	}
	if !s.options.Backed {
		m.Settled = now.Add(s.options.Unbacked.After)
	}
	fresh := newCluster(c, clusterKeys{})
	fresh.made, fresh.tags, fresh.access = m, tags, access
	if err := s.saveCluster(fresh); err != nil {
		return nil, err
	}
	s.state.clusters[in.Name] = fresh
	s.schedule(m.Settled)
	return clusterAnswer{s.shape(fresh)}, nil
}

// clustersPerRegion is EKS's quota (https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html).
const clustersPerRegion = 100

type clusterAnswer struct {
	Cluster clusterShape `json:"cluster"`
}

func enabled(logging []logShape) (types []string) {
	for _, setup := range logging {
		if setup.Enabled {
			types = append(types, setup.Types...)
		}
	}
	return types
}

// checkCreateCluster checks what depends on the request alone, and fills in what the request leaves out.
func (s *Service) checkCreateCluster(in *createClusterRequest) error {
	yes, no := true, false
	if in.Version == "" {
		in.Version = defaultVersion
	}
	if in.Access.Mode == "" {
		in.Access.Mode = "CONFIG_MAP"
	}
	if in.Upgrade.SupportType == "" {
		in.Upgrade.SupportType = "EXTENDED"
	}
	if in.Network.Services == "" {
		in.Network.Services = defaultServices
	}
	if in.VPC.PublicAccess == nil {
		in.VPC.PublicAccess = &yes
	}
	if in.VPC.PrivateAccess == nil {
		in.VPC.PrivateAccess = &no
	}
	if len(in.VPC.CIDRs) == 0 {
		in.VPC.CIDRs = []string{"0.0.0.0/0"}
	}
	services, err := netip.ParsePrefix(in.Network.Services)
	switch {
	case len(in.Name) > maxClusterName || !clusterName.MatchString(in.Name):
		return invalidParameter("The parameter name must have 1 to %d letters, digits, hyphens and underscores, and begin with a letter or digit.", maxClusterName)
	case !slices.Contains(kubernetesVersions(), in.Version):
		return invalidParameter("unsupported Kubernetes version")
	case !slices.Contains([]string{"API", "API_AND_CONFIG_MAP", "CONFIG_MAP"}, in.Access.Mode):
		return invalidParameter("The parameter authenticationMode must be API, API_AND_CONFIG_MAP or CONFIG_MAP.")
	case in.Upgrade.SupportType != "EXTENDED" && in.Upgrade.SupportType != "STANDARD":
		return invalidParameter("The parameter supportType must be STANDARD or EXTENDED.")
	case err != nil || !services.Addr().Is4() || services.Bits() < 12 || services.Bits() > 24 || !services.Addr().IsPrivate():
		return invalidParameter("The parameter serviceIpv4Cidr must be a private range between /24 and /12.")
	case in.Network.IPFamily != "" && in.Network.IPFamily != "ipv4":
		return notEmulated("ipFamily " + in.Network.IPFamily)
	case !*in.VPC.PublicAccess && !*in.VPC.PrivateAccess:
		return invalidRequest("Private and public endpoint access cannot both be false")
	case in.Compute != nil && in.Compute.Enabled != nil && *in.Compute.Enabled:
		return notEmulated("computeConfig (Auto Mode)")
	case len(in.Outpost) > 0:
		return notEmulated("outpostConfig")
	case len(in.Remote) > 0:
		return notEmulated("remoteNetworkConfig")
	case len(in.Encryption) > 0:
		return notEmulated("encryptionConfig")
	}
	return checkRoleARN("roleArn", in.RoleARN, s.options.Account)
}

// notEmulated refuses, by name, features that EKS has and the emulator lacks.
func notEmulated(what string) error {
	return invalidParameter("The emulator's EKS does not have %s.", what)
}

func invalidRequest(format string, args ...any) error {
	return restjson.Errorf(codeInvalidRequest, http.StatusBadRequest, format, args...)
}

// checkNetwork checks the network of the request and returns its VPC.
func (s *Service) checkNetwork(subnets, groups []string) (string, error) {
	if len(subnets) == 0 {
		return "", invalidParameter("The parameter subnetIds is required.")
	}
	if s.options.Networks == nil {
		return "", nil
	}
	vpcID, zones, err := s.options.Networks.Network(subnets, groups)
	switch {
	case err != nil:
		return "", invalidParameter("%s", err)
	case len(zones) < 2:
		return "", invalidParameter("Subnets specified must be in at least two different AZs")
	}
	return vpcID, nil
}

func (s *Service) caller(ctx context.Context) string {
	if s.options.Caller == nil {
		return "arn:aws:iam::" + s.options.Account + ":root"
	}
	return s.options.Caller(ctx)
}

// creationTags are the tags of a new resource, and the condition keys of the caller's own tags. Tags that begin with "aws:"
// belong to a service that makes the request in the caller's name.
func (s *Service) creationTags(ctx context.Context, tags map[string]string) (all map[string]string, requested map[string][]string, err error) {
	own := map[string]string{}
	all = map[string]string{}
	for key, value := range tags {
		all[key] = value
		if !strings.HasPrefix(key, "aws:") || s.options.Internal == nil || !s.options.Internal(ctx) {
			own[key] = value
		}
	}
	return all, requestTags(own), checkTags(own)
}

// deleteCluster: https://docs.aws.amazon.com/eks/latest/APIReference/API_DeleteCluster.html.
func (s *Service) deleteCluster(r *http.Request) (any, error) {
	name := r.PathValue("clusterName")
	if err := s.authorize(r.Context(), "eks:DeleteCluster", s.ClusterARN(name), s.clusterTags(name, nil)); err != nil {
		return nil, err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	switch {
	case c.made == nil:
		// No API call created it.
		return nil, invalidRequest("The cluster %s was registered through the control API, and goes the same way.", name)
	case len(c.nodegroups) > 0:
		return nil, restjson.Errorf(codeInUse, http.StatusConflict, "Cluster has nodegroups attached")
	case c.made.DeletionProtection:
		return nil, invalidRequest("Cluster %s has deletion protection enabled.", name)
	case c.made.Status == statusDeleting:
		return clusterAnswer{s.shape(c)}, nil
	}
	changed := *c.made
	changed.Status, changed.Issues, changed.Settled = statusDeleting, nil, time.Time{}
	if !s.options.Backed {
		changed.Settled = s.options.Now().UTC().Add(s.options.Unbacked.After)
	}
	if err := s.saveMade(c, &changed); err != nil {
		return nil, err
	}
	return clusterAnswer{s.shape(c)}, nil
}

// schedule makes settle look at a state again at the time when it ends. The caller holds mu.
func (s *Service) schedule(at time.Time) {
	if at.IsZero() {
		return
	}
	if next := s.next.Load(); next == 0 || at.UnixNano() < next {
		s.next.Store(at.UnixNano())
	}
}

// Settle advances clusters and node groups whose time has come. The service calls it with each request. Others call it so
// that the changes happen without a request.
func (s *Service) Settle() {
	now := s.options.Now()
	if next := s.next.Load(); next == 0 || now.UnixNano() < next {
		return
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.next.Store(0)
	for _, c := range s.state.clusters {
		for _, g := range c.nodegroups {
			s.retry(s.settleNodegroup(c, g, now))
			if still := c.nodegroups[g.Name]; still != nil {
				s.schedule(still.Settled)
			}
		}
		if c.made == nil || c.made.Settled.IsZero() {
			continue
		}
		if !now.Before(c.made.Settled) {
			s.retry(s.settleCluster(c))
		}
		if still := s.state.clusters[c.Name]; still == c {
			s.schedule(c.made.Settled)
		}
	}
}

// retry schedules another try for a write that failed.
func (s *Service) retry(err error) {
	if err != nil {
		s.schedule(s.options.Now().Add(time.Second))
	}
}

func (s *Service) settleCluster(c *cluster) error {
	if c.made.Status == statusDeleting {
		return s.forget(c)
	}
	observed := Cluster{Endpoint: s.options.Unbacked.Endpoint, CertificateAuthority: s.options.Unbacked.CertificateAuthority}
	id := strings.ToUpper(strings.ReplaceAll(c.made.ID, "-", ""))
	if observed.Endpoint == "" {
		observed.Endpoint = "https://" + id + ".gr7." + s.options.Region + ".eks.amazonaws.com"
		observed.CertificateAuthority = []byte("-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString([]byte("nobody serves this cluster")) + "\n-----END CERTIFICATE-----\n")
	}
	observed.Issuer = "https://oidc.eks." + s.options.Region + ".amazonaws.com/id/" + id
	var err error
	if observed.JWKS, err = unusedKeys(); err != nil {
		return err
	}
	return s.activate(c, observed)
}

// unusedKeys are a key set whose private key was dropped. No token of the cluster can ever be verified with it.
func unusedKeys() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of cluster: %w", err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("make key of cluster: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString
	return json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": hex.EncodeToString(public[1:9]), "x": text(public[1:33]), "y": text(public[33:]),
	}}})
}

// activate makes a cluster ACTIVE with the data that was observed. The caller holds mu for writing.
func (s *Service) activate(c *cluster, observed Cluster) error {
	changed := c.Cluster
	changed.Endpoint, changed.CertificateAuthority = observed.Endpoint, observed.CertificateAuthority
	if observed.ServiceCIDR != "" {
		changed.ServiceCIDR = observed.ServiceCIDR
	}
	changed.Issuer, changed.JWKS = observed.Issuer, observed.JWKS
	keys, err := readKeys(observed.Issuer, observed.JWKS)
	if err != nil {
		return err
	}
	m := *c.made
	if s.options.Networks != nil && m.Group == "" {
		if m.Group, err = s.options.Networks.JoinCluster(c.Name, m.VPC, m.Subnets, m.Groups); err != nil {
			return err
		}
	}
	m.Status, m.Settled, m.Issues = statusActive, time.Time{}, nil
	whole := *c
	whole.Cluster, whole.made = changed, &m
	if err := s.saveCluster(&whole); err != nil {
		return err
	}
	c.Cluster, c.made, c.keys = changed, &m, keys
	return nil
}

// forget removes a cluster that was deleted. The caller holds mu for writing.
func (s *Service) forget(c *cluster) error {
	if s.options.Networks != nil {
		if err := s.options.Networks.LeaveCluster(c.Name, c.made.Group); err != nil {
			return err
		}
	}
	return s.unregister(c)
}

// active refuses a cluster that is not active. The caller holds mu.
func (c *cluster) active() error {
	if c.made != nil && c.made.Status != statusActive {
		return invalidRequest("Cluster '%s' is not in ACTIVE status", c.Name)
	}
	return nil
}

// saveMade writes the part of a cluster that EKS made, and schedules its next change. The caller holds mu for writing.
func (s *Service) saveMade(c *cluster, m *made) error {
	changed := *c
	changed.made = m
	if err := s.saveCluster(&changed); err != nil {
		return err
	}
	c.made = m
	s.schedule(m.Settled)
	return nil
}
