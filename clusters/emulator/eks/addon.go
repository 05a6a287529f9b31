package eks

import (
	"maps"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// addonChange is how long an add-on takes to be created, updated or deleted. EKS takes minutes. The emulator deploys
// nothing, and takes this time so that clients have something to wait for.
const addonChange = 300 * time.Millisecond

// addon is an EKS add-on of a cluster, as the API describes it. The service deploys nothing to the cluster. Where no other
// program does, no add-on is ever degraded and no change fails later.
type addon struct {
	Cluster, Name, ID, Version, Namespace string
	// Configuration is the client's text, JSON or YAML. RoleARN is for IAM roles for service accounts.
	Configuration, RoleARN string
	Tags                   map[string]string
	Created, Modified      time.Time
	// Change is the last requested change. It is done at Settled.
	Change  addonStatus
	Settled time.Time
	Updates []addonUpdate

	// Found is the status that was reported, if it is not ACTIVE. Issues are the reasons.
	Found  addonStatus
	Issues []Issue

	// Token and Fingerprint belong to the request that created it.
	Token, Fingerprint string

	// bundled says that the add-on came with the cluster, and that no client has created or changed it.
	bundled bool
}

// bundledAddon is an add-on that the cluster came with, in the version that is its default.
func bundledAddon(c Cluster, name string) *addon {
	a := &addon{
		Cluster: c.Name, Name: name, ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(c.Name+"/"+name)).String(),
		Created: c.Created, Modified: c.Created, Change: addonCreating, Settled: c.Created, bundled: true,
	}
	if o, version, err := offered(name, "", c.Version); err == nil {
		a.Version, a.Namespace = version, o.namespace
	}
	return a
}

// addonStatus is AddonStatus of the API.
type addonStatus string

const (
	addonCreating addonStatus = "CREATING"
	addonUpdating addonStatus = "UPDATING"
	addonDeleting addonStatus = "DELETING"
	addonActive   addonStatus = "ACTIVE"
	addonDegraded addonStatus = "DEGRADED"
)

// addonUpdate is one change of an add-on.
type addonUpdate struct {
	ID               string
	Created, Settled time.Time
	Params           []updateParam
	// Token and Fingerprint belong to the request.
	Token, Fingerprint string
}

// status is ACTIVE when the last change is done.
func (a *addon) status(now time.Time) addonStatus {
	if now.Before(a.Settled) {
		return a.Change
	}
	if a.Found != "" {
		return a.Found
	}
	return addonActive
}

// gone says that the add-on's deletion is done.
func (a *addon) gone(now time.Time) bool {
	return a.Change == addonDeleting && a.Found == "" && !now.Before(a.Settled)
}

// addon finds an add-on, or returns the API's error. The caller holds the state's mu.
func (c *cluster) addon(name string, now time.Time) (*addon, error) {
	if a, ok := c.addons[name]; ok && !a.gone(now) {
		return a, nil
	}
	return nil, restjson.Errorf(codeNotFound, http.StatusNotFound, "No addon: %s found in cluster: %s", name, c.Name)
}

func (s *Service) addonARN(cluster, name, id string) string {
	return "arn:aws:eks:" + s.options.Region + ":" + s.options.Account + ":addon/" + cluster + "/" + name + "/" + id
}

// findAddon finds the cluster and the add-on of the path. The caller holds mu.
func (s *Service) findAddon(r *http.Request) (*cluster, *addon, error) {
	c, err := s.state.cluster(r.PathValue("clusterName"))
	if err != nil {
		return nil, nil, err
	}
	a, err := c.addon(r.PathValue("addonName"), s.options.Now())
	return c, a, err
}

// authorizeAddon decides about the add-on in the path, with its tags as condition keys. The ARN of an add-on that does not
// exist has * for its ID.
func (s *Service) authorizeAddon(r *http.Request, action string) error {
	keys := map[string][]string{}
	arn := s.addonARN(r.PathValue("clusterName"), r.PathValue("addonName"), "*")
	s.state.mu.RLock()
	if _, a, err := s.findAddon(r); err == nil {
		arn = s.addonARN(a.Cluster, a.Name, a.ID)
		addResourceTags(keys, a.Tags)
	}
	s.state.mu.RUnlock()
	return s.authorize(r.Context(), action, arn, keys)
}

// addonShape is Addon on the wire.
type addonShape struct {
	AddonName               string            `json:"addonName"`
	ClusterName             string            `json:"clusterName"`
	Status                  addonStatus       `json:"status"`
	AddonVersion            string            `json:"addonVersion"`
	Health                  healthShape       `json:"health"`
	AddonARN                string            `json:"addonArn"`
	CreatedAt               restjson.Time     `json:"createdAt"`
	ModifiedAt              restjson.Time     `json:"modifiedAt"`
	ServiceAccountRoleARN   string            `json:"serviceAccountRoleArn,omitempty"`
	Tags                    map[string]string `json:"tags"`
	ConfigurationValues     string            `json:"configurationValues,omitempty"`
	PodIdentityAssociations []string          `json:"podIdentityAssociations,omitempty"`
	NamespaceConfig         namespaceConfig   `json:"namespaceConfig"`
	Owner                   string            `json:"owner"`
	Publisher               string            `json:"publisher"`
}

type namespaceConfig struct {
	Namespace string `json:"namespace"`
}

type addonAnswer struct {
	Addon addonShape `json:"addon"`
}

// answerAddon requires that the caller holds the state's mu.
func (s *Service) answerAddon(c *cluster, a *addon) addonAnswer {
	tags := map[string]string{}
	maps.Copy(tags, a.Tags)
	arn := s.addonARN(a.Cluster, a.Name, a.ID)
	var owned []string
	for _, association := range c.ownedBy(arn) {
		owned = append(owned, association.ARN)
	}
	return addonAnswer{addonShape{
		AddonName: a.Name, ClusterName: a.Cluster, Status: a.status(s.options.Now()), AddonVersion: a.Version,
		Health: health(a.Issues), AddonARN: arn, CreatedAt: restjson.Time(a.Created), ModifiedAt: restjson.Time(a.Modified),
		ServiceAccountRoleARN: a.RoleARN, Tags: tags, ConfigurationValues: a.Configuration, PodIdentityAssociations: owned,
		NamespaceConfig: namespaceConfig{a.Namespace}, Owner: addonOwner, Publisher: addonPublisher,
	}}
}

func (s *Service) describeAddon(r *http.Request) (any, error) {
	if err := s.authorizeAddon(r, "eks:DescribeAddon"); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, a, err := s.findAddon(r)
	if err != nil {
		return nil, err
	}
	return s.answerAddon(c, a), nil
}

func (s *Service) listAddons(r *http.Request) (any, error) {
	name := r.PathValue("clusterName")
	if err := s.authorize(r.Context(), "eks:ListAddons", s.ClusterARN(name), s.clusterTags(name, nil)); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, a := range c.addons {
		if !a.gone(s.options.Now()) {
			names = append(names, a.Name)
		}
	}
	page, next, err := paginate(s.pages, r, names, func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	return struct {
		Addons    []string `json:"addons"`
		NextToken *string  `json:"nextToken"`
	}{page, next}, nil
}
