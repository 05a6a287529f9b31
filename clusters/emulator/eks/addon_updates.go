package eks

import (
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// Updates are those of add-ons. The emulator updates no clusters.

// describeUpdate: https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeUpdate.html.
func (s *Service) describeUpdate(r *http.Request) (any, error) {
	if err := s.authorizeUpdates(r, "eks:DescribeUpdate"); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	updates, err := s.updates(r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("updateId")
	for _, update := range updates {
		if update.ID == id {
			return update.answer(s.options.Now()), nil
		}
	}
	return nil, restjson.Errorf(codeNotFound, http.StatusNotFound, "No update found for ID: %s", id)
}

// listUpdates: https://docs.aws.amazon.com/eks/latest/APIReference/API_ListUpdates.html.
func (s *Service) listUpdates(r *http.Request) (any, error) {
	if err := s.authorizeUpdates(r, "eks:ListUpdates"); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	updates, err := s.updates(r)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, update := range updates {
		ids = append(ids, update.ID)
	}
	// The reference gives no order.
	page, next, err := paginate(s.pages, r, ids, func(id string) string { return id })
	if err != nil {
		return nil, err
	}
	return struct {
		UpdateIDs []string `json:"updateIds"`
		NextToken *string  `json:"nextToken"`
	}{page, next}, nil
}

// updates returns the updates of the add-on in the query. Without an add-on it returns the cluster's, of which there are
// none. The caller holds mu.
func (s *Service) updates(r *http.Request) ([]addonUpdate, error) {
	c, err := s.state.cluster(r.PathValue("clusterName"))
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	if nodegroup := query.Get("nodegroupName"); nodegroup != "" {
		return nil, restjson.Errorf(codeNotFound, http.StatusNotFound, "No node group found for name: %s.", nodegroup).With("nodegroupName", nodegroup)
	}
	name := query.Get("addonName")
	if name == "" {
		return nil, nil
	}
	a, err := c.addon(name, s.options.Now())
	if err != nil {
		return nil, err
	}
	return a.Updates, nil
}

// authorizeUpdates decides about the add-on in the query, or about the cluster if the query has none. Both are resources of
// the actions (list_amazonelastickubernetesservice).
func (s *Service) authorizeUpdates(r *http.Request, action string) error {
	cluster, name := r.PathValue("clusterName"), r.URL.Query().Get("addonName")
	arn, keys := s.ClusterARN(cluster), s.clusterTags(cluster, nil)
	if name != "" {
		arn, keys = s.addonARN(cluster, name, "*"), map[string][]string{}
		s.state.mu.RLock()
		if c, ok := s.state.clusters[cluster]; ok {
			if a, err := c.addon(name, s.options.Now()); err == nil {
				arn = s.addonARN(cluster, name, a.ID)
				addResourceTags(keys, a.Tags)
			}
		}
		s.state.mu.RUnlock()
	}
	return s.authorize(r.Context(), action, arn, keys)
}
