package eks

import (
	"cmp"
	"net/http"
	"strconv"
)

func (s *Service) describeAssociation(r *http.Request) (any, error) {
	if err := s.authorizeAssociation(r, "eks:DescribePodIdentityAssociation"); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	_, a, err := s.find(r)
	if err != nil {
		return nil, err
	}
	return answer(a), nil
}

func (s *Service) deleteAssociation(r *http.Request) (any, error) {
	if err := s.authorizeAssociation(r, "eks:DeletePodIdentityAssociation"); err != nil {
		return nil, err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, a, err := s.find(r)
	if err != nil {
		return nil, err
	}
	if err := checkOwner(a); err != nil {
		return nil, err
	}
	if err := s.options.Table.Delete(associationKey(a)); err != nil {
		return nil, err
	}
	c.remove(a)
	return answer(a), nil
}

// find looks up the cluster and the association of the path. The caller holds mu.
func (s *Service) find(r *http.Request) (*cluster, *Association, error) {
	c, err := s.state.cluster(r.PathValue("clusterName"))
	if err != nil {
		return nil, nil, err
	}
	a, err := c.association(r.PathValue("associationId"))
	return c, a, err
}

// authorizeAssociation decides about the association in the path, with its tags as condition keys.
func (s *Service) authorizeAssociation(r *http.Request, action string) error {
	name, id := r.PathValue("clusterName"), r.PathValue("associationId")
	keys := map[string][]string{}
	s.state.mu.RLock()
	if _, a, err := s.find(r); err == nil {
		addResourceTags(keys, a.Tags)
	}
	s.state.mu.RUnlock()
	if err := s.authorize(r.Context(), action, s.associationARN(name, id), keys); err != nil {
		return err
	}
	return checkAssociationID(id)
}

type associationSummary struct {
	ClusterName    string `json:"clusterName"`
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
	AssociationARN string `json:"associationArn"`
	AssociationID  string `json:"associationId"`
	OwnerARN       string `json:"ownerArn,omitempty"`
}

func (s *Service) listAssociations(r *http.Request) (any, error) {
	name, query := r.PathValue("clusterName"), r.URL.Query()
	if err := s.authorize(r.Context(), "eks:ListPodIdentityAssociations", s.ClusterARN(name), s.clusterTags(name, nil)); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	asked, err := s.pages.page(r)
	if err != nil {
		return nil, err
	}
	// A valid token of this list holds a number.
	after, err := strconv.ParseUint(cmp.Or(asked.after, "0"), 10, 64)
	if err != nil {
		return nil, invalidParameter("The parameter nextToken is not one that this list returned.")
	}
	var next *string
	namespace, account := query.Get("namespace"), query.Get("serviceAccount")
	summaries := make([]associationSummary, 0, asked.limit)
	last := after
	c.bySeq.Ascend(after+1, func(seq uint64, a *Association) bool {
		if !matches(namespace, a.Namespace) || !matches(account, a.ServiceAccount) {
			return true
		}
		if len(summaries) == asked.limit {
			token := s.pages.token(r, strconv.FormatUint(last, 10))
			next = &token
			return false
		}
		last = seq
		summaries = append(summaries, associationSummary{a.Cluster, a.Namespace, a.ServiceAccount, a.ARN, a.ID, a.OwnerARN})
		return true
	})
	return struct {
		Associations []associationSummary `json:"associations"`
		NextToken    *string              `json:"nextToken"`
	}{summaries, next}, nil
}

func matches(filter, value string) bool { return filter == "" || filter == value }
