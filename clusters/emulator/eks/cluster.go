package eks

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/podidentity/epi/clusters/emulator/oidc"
	"github.com/podidentity/epi/clusters/emulator/podtoken"
)

// Cluster is a Kubernetes cluster that EKS knows.
type Cluster struct {
	// Name has 1 to 100 characters, pattern ^[0-9A-Za-z][A-Za-z0-9-_]*$.
	Name string
	// Issuer of the cluster's service account tokens and the JSON Web Key Set that verifies them.
	Issuer string
	JWKS   []byte
	// Created, Endpoint (of the API server) and Version such as "1.36" are what DescribeCluster reports. Each may be empty.
	Created           time.Time
	Endpoint, Version string
	// CertificateAuthority is the API server's in PEM. ServiceCIDR is the range of service addresses such as
	// "10.96.0.0/16". DescribeCluster reports these too, if they are not empty.
	CertificateAuthority []byte
	ServiceCIDR          string
	// Addons are in the cluster from the beginning, by name. Each is described and listed like any other add-on, and its
	// first CreateAddon replaces it.
	Addons []string
}

// ClusterARN is the ARN of the cluster of that name.
func (s *Service) ClusterARN(name string) string {
	return fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", s.options.Region, s.options.Account, name)
}

// RegisterCluster makes a cluster known, or changes a known one. Its tags and its content stay.
func (s *Service) RegisterCluster(c Cluster) error {
	if len(c.Name) > maxClusterName || !clusterName.MatchString(c.Name) {
		return fmt.Errorf("register cluster: name %q must have 1 to %d letters, digits, - and _", c.Name, maxClusterName)
	}
	if c.ServiceCIDR != "" {
		if _, err := netip.ParsePrefix(c.ServiceCIDR); err != nil {
			return fmt.Errorf("register cluster %s: range of service addresses: %w", c.Name, err)
		}
	}
	keys, err := readKeys(c.Issuer, c.JWKS)
	if err != nil {
		return fmt.Errorf("register cluster %s: %w", c.Name, err)
	}
	for _, name := range c.Addons {
		if _, _, err := offered(name, "", c.Version); err != nil {
			return fmt.Errorf("register cluster %s: %w", c.Name, err)
		}
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	record := newCluster(c, keys)
	if known, ok := s.state.clusters[c.Name]; ok {
		if known.made != nil {
			return fmt.Errorf("register cluster %s: EKS made a cluster of that name: report what became of it instead", c.Name)
		}
		record.tags, record.access = known.tags, known.access
		if c.Created.IsZero() {
			c.Created = known.Created
		}
	}
	if c.Created.IsZero() {
		c.Created = s.options.Now()
	}
	record.Cluster = c
	if err := s.saveCluster(record); err != nil {
		return fmt.Errorf("register cluster %s: %w", c.Name, err)
	}
	s.register(c, keys)
	return nil
}

// register makes a cluster known with its bundled add-ons. The caller holds mu for writing.
func (s *Service) register(c Cluster, keys clusterKeys) {
	s.state.register(c, keys)
	known := s.state.clusters[c.Name]
	for _, name := range c.Addons {
		if _, ok := known.addons[name]; !ok {
			known.addons[name] = bundledAddon(c, name)
		}
	}
}

// UnregisterCluster forgets a cluster with all that is in it. An unknown cluster is no error.
func (s *Service) UnregisterCluster(name string) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, ok := s.state.clusters[name]
	if !ok {
		return nil
	}
	if c.made != nil {
		return fmt.Errorf("unregister cluster %s: EKS made it: DeleteCluster deletes it", name)
	}
	return s.unregister(c)
}

// unregister removes a cluster with all that is in it. The caller holds mu for writing.
func (s *Service) unregister(c *cluster) error {
	name := c.Name
	// The cluster's own record is deleted last. So a process that ends in between leaves no record without its cluster.
	var keys []string
	for _, a := range c.byID {
		keys = append(keys, associationKey(a))
	}
	for _, a := range c.addons {
		keys = append(keys, recordKey(addonRecords, a.Cluster, a.Name))
	}
	for _, g := range c.nodegroups {
		keys = append(keys, recordKey(nodegroupRecords, g.Cluster, g.Name))
	}
	for _, key := range append(keys, recordKey(clusterRecords, name)) {
		if err := s.options.Table.Delete(key); err != nil {
			return fmt.Errorf("unregister cluster %s: %w", name, err)
		}
	}
	delete(s.state.clusters, name)
	s.state.wantedChanged()
	c.announce() // ends the waits for its identities
	return nil
}

// Verifier returns the verifier of the cluster's tokens; false if there is no such cluster.
func (s *Service) Verifier(cluster string) (*podtoken.Verifier, bool) {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, ok := s.state.clusters[cluster]
	if !ok || c.keys.pods == nil {
		return nil, false
	}
	return c.keys.pods, true
}

// IssuerKeys returns the keys of the cluster whose tokens have that issuer, for tokens other than those of Pod Identity;
// false if there is no such cluster. If clusters share an issuer, the first one by name counts.
func (s *Service) IssuerKeys(issuer string) (*oidc.Keys, bool) {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	var found *cluster
	for _, c := range s.state.clusters {
		if c.Issuer == issuer && c.keys.all != nil && (found == nil || c.Name < found.Name) {
			found = c
		}
	}
	if found == nil {
		return nil, false
	}
	return found.keys.all, true
}

// clusterKeys verify the tokens of a cluster: the pods' tokens for Pod Identity, and all others.
type clusterKeys struct {
	pods *podtoken.Verifier
	all  *oidc.Keys
}

func readKeys(issuer string, jwks []byte) (clusterKeys, error) {
	pods, err := podtoken.NewVerifier(issuer, jwks)
	if err != nil {
		return clusterKeys{}, err
	}
	all, err := oidc.ParseKeys(jwks)
	return clusterKeys{pods, all}, err
}

func (s *Service) listClusters(r *http.Request) (any, error) {
	// The action has no resource type. The resource is the one that AWS names in its refusals.
	if err := s.authorize(r.Context(), "eks:ListClusters", s.ClusterARN("*"), nil); err != nil {
		return nil, err
	}
	for _, include := range r.URL.Query()["include"] {
		if include != "all" {
			return nil, invalidParameter("The parameter include must be all or absent.")
		}
	}
	s.state.mu.RLock()
	names := make([]string, 0, len(s.state.clusters))
	for name := range s.state.clusters {
		names = append(names, name)
	}
	s.state.mu.RUnlock()
	page, next, err := paginate(s.pages, r, names, func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	return struct {
		Clusters  []string `json:"clusters"`
		NextToken *string  `json:"nextToken"`
	}{page, next}, nil
}

// ErrNoCluster is returned by Identities for a cluster that was not registered.
var ErrNoCluster = errors.New("no such cluster")
