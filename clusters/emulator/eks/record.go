package eks

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Records are kept under KIND/CLUSTER. Records of things in a cluster are kept under KIND/CLUSTER/ID.
const (
	clusterRecords     = "cluster"
	associationRecords = "association"
	addonRecords       = "addon"
	nodegroupRecords   = "nodegroup"
)

type clusterRecord struct {
	Name     string            `json:"name"`
	Issuer   string            `json:"issuer"`
	JWKS     []byte            `json:"jwks"`
	Created  time.Time         `json:"created"`
	Endpoint string            `json:"endpoint,omitempty"`
	Version  string            `json:"version,omitempty"`
	CA       []byte            `json:"ca,omitempty"`
	Services string            `json:"services,omitempty"`
	Addons   []string          `json:"addons,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	// Made has what CreateCluster was asked for. It is nil for a registered cluster.
	Made   *made                  `json:"made,omitempty"`
	Access map[string]accessEntry `json:"access,omitempty"`
}

type associationRecord struct {
	Cluster            string            `json:"cluster"`
	Namespace          string            `json:"namespace"`
	ServiceAccount     string            `json:"serviceAccount"`
	ID                 string            `json:"id"`
	RoleARN            string            `json:"roleArn"`
	TargetRoleARN      string            `json:"targetRoleArn,omitempty"`
	ExternalID         string            `json:"externalId,omitempty"`
	DisableSessionTags bool              `json:"disableSessionTags,omitempty"`
	Policy             string            `json:"policy,omitempty"`
	Tags               map[string]string `json:"tags,omitempty"`
	Created            time.Time         `json:"created"`
	Modified           time.Time         `json:"modified"`
	Seq                uint64            `json:"seq"`
	Token              string            `json:"token,omitempty"`
	Fingerprint        string            `json:"fingerprint,omitempty"`
	UpdateToken        string            `json:"updateToken,omitempty"`
	UpdateFingerprint  string            `json:"updateFingerprint,omitempty"`
	OwnerARN           string            `json:"ownerArn,omitempty"`
}

func recordKey(parts ...string) string { return strings.Join(parts, "/") }

// put writes a record. Callers write before they change memory, so that a failed write changes nothing.
func (s *Service) put(key string, record any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode record %s: %w", key, err)
	}
	return s.options.Table.Put(key, value)
}

// saveCluster writes a cluster's record. The caller holds mu for writing.
func (s *Service) saveCluster(c *cluster) error {
	err := s.put(recordKey(clusterRecords, c.Name), clusterRecord{
		Name: c.Name, Issuer: c.Issuer, JWKS: c.JWKS, Created: c.Created, Endpoint: c.Endpoint, Version: c.Version,
		CA: c.CertificateAuthority, Services: c.ServiceCIDR, Addons: c.Addons, Tags: c.tags, Made: c.made, Access: c.access,
	})
	if err == nil && c.made != nil {
		s.state.wantedChanged()
	}
	return err
}

func (s *Service) putAssociation(a *Association) error {
	return s.put(associationKey(a), associationRecord{
		Cluster: a.Cluster, Namespace: a.Namespace, ServiceAccount: a.ServiceAccount, ID: a.ID,
		RoleARN: a.RoleARN, TargetRoleARN: a.TargetRoleARN, ExternalID: a.ExternalID,
		DisableSessionTags: a.DisableSessionTags, Policy: a.Policy, Tags: a.Tags,
		Created: a.Created, Modified: a.Modified, Seq: a.seq, Token: a.token, Fingerprint: a.fingerprint,
		UpdateToken: a.updateToken, UpdateFingerprint: a.updateFingerprint, OwnerARN: a.OwnerARN,
	})
}

func associationKey(a *Association) string { return recordKey(associationRecords, a.Cluster, a.ID) }

// load reads all records into an empty state. It reads clusters first, because their content refers to them.
func (s *Service) load() error {
	for _, read := range []func(kind, key string, value []byte) error{s.loadCluster, s.loadContent} {
		err := s.options.Table.Each(func(key string, value []byte) error {
			kind, _, _ := strings.Cut(key, "/")
			if err := read(kind, key, value); err != nil {
				return fmt.Errorf("read record %q: %w", key, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, c := range s.state.clusters {
		s.freeOrphans(c)
	}
	return nil
}

// freeOrphans releases associations whose add-on does not exist. A process that ended between the writes of one change
// leaves them. An owned association could not be deleted.
func (s *Service) freeOrphans(c *cluster) {
	owners := map[string]bool{}
	for _, a := range c.addons {
		owners[s.addonARN(a.Cluster, a.Name, a.ID)] = true
	}
	for _, a := range c.byID {
		if !owners[a.OwnerARN] {
			a.OwnerARN = ""
		}
	}
}

func (s *Service) loadCluster(kind, _ string, value []byte) error {
	if kind != clusterRecords {
		return nil
	}
	var r clusterRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	var keys clusterKeys
	if r.Made == nil || r.Issuer != "" {
		// A cluster that EKS made has no issuer before it is ACTIVE.
		var err error
		if keys, err = readKeys(r.Issuer, r.JWKS); err != nil {
			return err
		}
	}
	c := Cluster{
		Name: r.Name, Issuer: r.Issuer, JWKS: r.JWKS, Created: r.Created, Endpoint: r.Endpoint, Version: r.Version,
		CertificateAuthority: r.CA, ServiceCIDR: r.Services, Addons: r.Addons,
	}
	s.register(c, keys)
	known := s.state.clusters[r.Name]
	known.tags, known.made = r.Tags, r.Made
	if r.Access != nil {
		known.access = r.Access
	}
	if r.Made != nil {
		s.schedule(r.Made.Settled)
	}
	return nil
}

// loadContent reads the content of clusters.
func (s *Service) loadContent(kind, _ string, value []byte) error {
	switch kind {
	case clusterRecords:
		return nil
	case associationRecords:
		return s.loadAssociation(value)
	case addonRecords:
		return s.loadAddon(value)
	case nodegroupRecords:
		return s.loadNodegroup(value)
	}
	return fmt.Errorf("unknown kind of record %q", kind)
}

func (s *Service) loadNodegroup(value []byte) error {
	var g nodegroup
	if err := json.Unmarshal(value, &g); err != nil {
		return err
	}
	c, ok := s.state.clusters[g.Cluster]
	if !ok {
		return ErrNoCluster
	}
	c.nodegroups[g.Name] = &g
	s.schedule(g.Settled)
	return nil
}

func (s *Service) loadAssociation(value []byte) error {
	var r associationRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	c, ok := s.state.clusters[r.Cluster]
	if !ok {
		return ErrNoCluster
	}
	c.add(&Association{
		Cluster: r.Cluster, Namespace: r.Namespace, ServiceAccount: r.ServiceAccount,
		ARN: s.associationARN(r.Cluster, r.ID), ID: r.ID,
		RoleARN: r.RoleARN, TargetRoleARN: r.TargetRoleARN, ExternalID: r.ExternalID,
		DisableSessionTags: r.DisableSessionTags, Policy: r.Policy, Tags: r.Tags,
		Created: r.Created, Modified: r.Modified, seq: r.Seq, token: r.Token, fingerprint: r.Fingerprint,
		updateToken: r.UpdateToken, updateFingerprint: r.UpdateFingerprint, OwnerARN: r.OwnerARN,
	})
	s.state.seq = max(s.state.seq, r.Seq)
	return nil
}
