package eks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// Association is a pod identity association.
type Association struct {
	Cluster, Namespace, ServiceAccount string
	ARN, ID                            string
	RoleARN                            string
	// TargetRoleARN and ExternalID are empty without a target role.
	TargetRoleARN, ExternalID string
	DisableSessionTags        bool
	// Policy is the session policy; empty for none.
	Policy            string
	Tags              map[string]string
	Created, Modified time.Time
	// OwnerARN is the ARN of the add-on that owns the association; empty for none.
	OwnerARN string

	// seq orders associations by their creation.
	seq uint64
	// token and fingerprint are those of the request that created it. The other two are those of its last update.
	token, fingerprint             string
	updateToken, updateFingerprint string
}

// identity is the service account of an association.
type identity struct{ namespace, serviceAccount string }

// state is all that the service keeps.
type state struct {
	// boot makes revisions of this process differ from those of an earlier one.
	boot string

	mu       sync.RWMutex
	seq      uint64
	clusters map[string]*cluster
	// associationLimit of a cluster.
	associationLimit int
	// wanted counts changes of the wanted state of clusters. The next change closes wantedNews.
	wanted     uint64
	wantedNews chan struct{}
}

type cluster struct {
	Cluster
	keys clusterKeys
	// made is nil for a cluster that was registered.
	made *made
	// access has the access entries by principal, and nodegroups the node groups by name.
	access     map[string]accessEntry
	nodegroups map[string]*nodegroup
	tags       map[string]string
	byID       map[string]*Association
	byPod      map[identity]*Association
	// bySeq has the associations in the order of their creation, which is the order of lists. So the cost of a page depends
	// on the page alone.
	bySeq btree.Map[uint64, *Association]
	// byToken has the associations that were created with a client request token.
	byToken map[string]*Association
	// addons by name. A deleted add-on stays until the name is used again.
	addons map[string]*addon
	// revision counts changes of the set of identities. The next change closes changed.
	revision uint64
	changed  chan struct{}
}

// register adds or changes a cluster. The caller holds mu for writing.
func (st *state) register(c Cluster, keys clusterKeys) {
	if known, ok := st.clusters[c.Name]; ok {
		known.Cluster, known.keys = c, keys
		return
	}
	st.clusters[c.Name] = newCluster(c, keys)
}

func newCluster(c Cluster, keys clusterKeys) *cluster {
	return &cluster{
		Cluster: c, keys: keys,
		byID: map[string]*Association{}, byPod: map[identity]*Association{}, byToken: map[string]*Association{},
		addons: map[string]*addon{}, access: map[string]accessEntry{}, nodegroups: map[string]*nodegroup{},
		changed: make(chan struct{}),
	}
}

// cluster finds a cluster, or returns the API's error. The caller holds mu.
func (st *state) cluster(name string) (*cluster, error) {
	if c, ok := st.clusters[name]; ok {
		return c, nil
	}
	return nil, restjson.Errorf(codeNotFound, http.StatusNotFound, "No cluster found for name: %s.", name)
}

// made counts the clusters that EKS made. Registered clusters do not count against its quota. The caller holds mu.
func (st *state) made() (n int) {
	for _, c := range st.clusters {
		if c.made != nil {
			n++
		}
	}
	return n
}

// association finds an association, or returns the API's error. The caller holds the state's mu.
func (c *cluster) association(id string) (*Association, error) {
	if a, ok := c.byID[id]; ok {
		return a, nil
	}
	return nil, restjson.Errorf(codeNotFound, http.StatusNotFound,
		"No pod identity association found for id %s in cluster %s.", id, c.Name)
}

// add and remove keep the indexes and end waits. The caller holds the state's mu for writing.
func (c *cluster) add(a *Association) {
	c.byID[a.ID] = a
	c.bySeq.Set(a.seq, a)
	c.byPod[identity{a.Namespace, a.ServiceAccount}] = a
	if a.token != "" {
		c.byToken[a.token] = a
	}
	c.announce()
}

func (c *cluster) remove(a *Association) {
	delete(c.byID, a.ID)
	c.bySeq.Delete(a.seq)
	delete(c.byPod, identity{a.Namespace, a.ServiceAccount})
	delete(c.byToken, a.token)
	c.announce()
}

func (c *cluster) announce() {
	c.revision++
	close(c.changed)
	c.changed = make(chan struct{})
}

// AssociationLimit is the number of associations a cluster may have.
func (s *Service) AssociationLimit() int {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	return s.state.associationLimit
}

// SetAssociationLimit changes it. Associations above a smaller limit stay.
func (s *Service) SetAssociationLimit(limit int) error {
	if limit < 1 || limit > maxAssociationLimit {
		return fmt.Errorf("limit of %d associations: must be 1 to %d", limit, maxAssociationLimit)
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.associationLimit = limit
	return nil
}

// maxAssociationLimit bounds the memory that associations can take.
const maxAssociationLimit = 100_000

// Association returns the association of a service account; false if there is none.
func (s *Service) Association(cluster, namespace, serviceAccount string) (Association, bool) {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, ok := s.state.clusters[cluster]
	if !ok {
		return Association{}, false
	}
	a, ok := c.byPod[identity{namespace, serviceAccount}]
	if !ok {
		return Association{}, false
	}
	return *a, true
}

// Identity is a service account that has an association.
type Identity struct{ Namespace, ServiceAccount string }

// Identities returns the service accounts of a cluster that have associations, sorted, and the revision of that set. If
// after is the current revision, it first waits for another one. When ctx ends, it returns the current set. Any other value
// of after is answered at once.
func (s *Service) Identities(ctx context.Context, cluster, after string) (revision string, identities []Identity, err error) {
	for {
		s.state.mu.RLock()
		c, ok := s.state.clusters[cluster]
		if !ok {
			s.state.mu.RUnlock()
			return "", nil, fmt.Errorf("list identities of %s: %w", cluster, ErrNoCluster)
		}
		revision, changed := s.state.boot+"-"+strconv.FormatUint(c.revision, 10), c.changed
		if revision != after || ctx.Err() != nil {
			identities = make([]Identity, 0, len(c.byPod))
			for who := range c.byPod {
				identities = append(identities, Identity{who.namespace, who.serviceAccount})
			}
			s.state.mu.RUnlock()
			slices.SortFunc(identities, func(a, b Identity) int {
				if n := strings.Compare(a.Namespace, b.Namespace); n != 0 {
					return n
				}
				return strings.Compare(a.ServiceAccount, b.ServiceAccount)
			})
			return revision, identities, nil
		}
		s.state.mu.RUnlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// Clusters returns the registered clusters, without those that EKS made, in no order.
func (s *Service) Clusters() []Cluster {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	var clusters []Cluster
	for _, c := range s.state.clusters {
		if c.made == nil {
			clusters = append(clusters, c.Cluster)
		}
	}
	return clusters
}

// Close ends all waits for identities with the current set, because another service takes over.
func (s *Service) Close() {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	for _, c := range s.state.clusters {
		c.announce()
	}
}
