package eks

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// associationShape is PodIdentityAssociation on the wire.
type associationShape struct {
	ClusterName        string            `json:"clusterName"`
	Namespace          string            `json:"namespace"`
	ServiceAccount     string            `json:"serviceAccount"`
	RoleARN            string            `json:"roleArn"`
	AssociationARN     string            `json:"associationArn"`
	AssociationID      string            `json:"associationId"`
	Tags               map[string]string `json:"tags"`
	CreatedAt          restjson.Time     `json:"createdAt"`
	ModifiedAt         restjson.Time     `json:"modifiedAt"`
	DisableSessionTags bool              `json:"disableSessionTags"`
	TargetRoleARN      string            `json:"targetRoleArn,omitempty"`
	ExternalID         string            `json:"externalId,omitempty"`
	Policy             string            `json:"policy,omitempty"`
}

type associationAnswer struct {
	Association associationShape `json:"association"`
}

func answer(a *Association) associationAnswer {
	tags := map[string]string{}
	maps.Copy(tags, a.Tags)
	return associationAnswer{associationShape{
		ClusterName: a.Cluster, Namespace: a.Namespace, ServiceAccount: a.ServiceAccount, RoleARN: a.RoleARN,
		AssociationARN: a.ARN, AssociationID: a.ID, Tags: tags,
		CreatedAt: restjson.Time(a.Created), ModifiedAt: restjson.Time(a.Modified),
		DisableSessionTags: a.DisableSessionTags, TargetRoleARN: a.TargetRoleARN, ExternalID: a.ExternalID, Policy: a.Policy,
	}}
}

type createRequest struct {
	Namespace          string            `json:"namespace"`
	ServiceAccount     string            `json:"serviceAccount"`
	RoleARN            string            `json:"roleArn"`
	ClientRequestToken string            `json:"clientRequestToken"`
	Tags               map[string]string `json:"tags"`
	DisableSessionTags bool              `json:"disableSessionTags"`
	TargetRoleARN      string            `json:"targetRoleArn"`
	Policy             string            `json:"policy"`
}

// fingerprint tells whether two requests with one token ask the same. Map keys encode sorted.
func (c createRequest) fingerprint() string {
	c.ClientRequestToken = ""
	// A struct of strings, booleans and a map of strings always encodes.
	data, _ := json.Marshal(c)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (s *Service) createAssociation(r *http.Request) (any, error) {
	name := r.PathValue("clusterName")
	var in createRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	keys := map[string][]string{}
	for key, value := range in.Tags {
		keys["aws:RequestTag/"+key] = []string{value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
	}
	slices.Sort(keys["aws:TagKeys"])
	if err := s.authorize(r.Context(), "eks:CreatePodIdentityAssociation", s.ClusterARN(name), keys); err != nil {
		return nil, err
	}
	if err := s.checkCreate(in); err != nil {
		return nil, err
	}
	if err := s.checkRole(r, in.RoleARN); err != nil {
		return nil, err
	}

	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	if known, ok := c.byPod[identity{in.Namespace, in.ServiceAccount}]; ok {
		// The reference says only that the token makes the request idempotent; returning the first
		// association for an equal request is what other AWS APIs with such a token do.
		if in.ClientRequestToken != "" && in.ClientRequestToken == known.token && in.fingerprint() == known.fingerprint {
			return answer(known), nil
		}
		return nil, restjson.Errorf(codeInUse, http.StatusConflict, "Association already exists: %s", known.ID).With("clusterName", name)
	}
	if len(c.byID) >= s.options.AssociationLimit {
		return nil, restjson.Errorf(codeLimitExceeded, http.StatusBadRequest,
			"The cluster has reached the limit of %d pod identity associations.", s.options.AssociationLimit).With("clusterName", name)
	}
	now := s.options.Now()
	s.state.seq++ // a number that a failed write leaves out is no loss
	a := &Association{
		Cluster: name, Namespace: in.Namespace, ServiceAccount: in.ServiceAccount, ID: newAssociationID(),
		RoleARN: in.RoleARN, TargetRoleARN: in.TargetRoleARN, DisableSessionTags: in.DisableSessionTags, Policy: in.Policy,
		Tags: in.Tags, Created: now, Modified: now,
		seq: s.state.seq, token: in.ClientRequestToken, fingerprint: in.fingerprint(),
	}
	a.ARN = s.associationARN(name, a.ID)
	a.ExternalID = s.externalID(a)
	if err := s.putAssociation(a); err != nil {
		return nil, err
	}
	c.add(a)
	return answer(a), nil
}

func (s *Service) checkCreate(in createRequest) error {
	for _, err := range []error{
		checkNamespace(in.Namespace), checkServiceAccount(in.ServiceAccount),
		checkRoleARN("roleArn", in.RoleARN, s.options.Account), checkTags(in.Tags),
	} {
		if err != nil {
			return err
		}
	}
	if in.TargetRoleARN != "" {
		if err := checkRoleARN("targetRoleArn", in.TargetRoleARN, ""); err != nil {
			return err
		}
	}
	return s.checkPolicy(in.Policy, in.DisableSessionTags)
}

// checkPolicy: a session policy needs disableSessionTags
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html).
func (s *Service) checkPolicy(policy string, disableSessionTags bool) error {
	switch {
	case policy == "":
		return nil
	case !disableSessionTags:
		return invalidParameter("The parameter policy can only be used when disableSessionTags is true.")
	case len(policy) > maxSessionPolicy:
		return invalidParameter("The parameter policy has more than %d characters.", maxSessionPolicy)
	}
	if err := s.options.Roles.CheckSessionPolicy(policy); err != nil {
		return invalidParameter("The parameter policy is not valid: %s", err)
	}
	return nil
}

// checkRole: the caller may pass the role, and the role trusts EKS
// (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html).
func (s *Service) checkRole(r *http.Request, arn string) error {
	passed := map[string][]string{"iam:PassedToService": {Principal}}
	if err := s.authorize(r.Context(), "iam:PassRole", arn, passed); err != nil {
		return err
	}
	err := s.options.Roles.CheckTrust(r.Context(), arn)
	switch {
	case errors.Is(err, ErrNoRole):
		return invalidParameter("Role provided in the request does not exist.")
	case errors.Is(err, ErrTrust):
		return invalidParameter("Trust policy of the role provided is invalid")
	}
	return err
}

type updateRequest struct {
	RoleARN            *string `json:"roleArn"`
	DisableSessionTags *bool   `json:"disableSessionTags"`
	TargetRoleARN      *string `json:"targetRoleArn"`
	Policy             *string `json:"policy"`
}

func (s *Service) updateAssociation(r *http.Request) (any, error) {
	name, id := r.PathValue("clusterName"), r.PathValue("associationId")
	var in updateRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	if err := s.authorizeAssociation(r, "eks:UpdatePodIdentityAssociation"); err != nil {
		return nil, err
	}
	if in == (updateRequest{}) {
		return nil, invalidParameter("At least one of roleArn, targetRoleArn, disableSessionTags and policy is required.")
	}
	if in.RoleARN != nil {
		if err := checkRoleARN("roleArn", *in.RoleARN, s.options.Account); err != nil {
			return nil, err
		}
		if err := s.checkRole(r, *in.RoleARN); err != nil {
			return nil, err
		}
	}
	// An empty target role or policy takes the one there is away.
	if in.TargetRoleARN != nil && *in.TargetRoleARN != "" {
		if err := checkRoleARN("targetRoleArn", *in.TargetRoleARN, ""); err != nil {
			return nil, err
		}
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	known, err := c.association(id)
	if err != nil {
		return nil, err
	}
	changed := *known
	set(&changed.RoleARN, in.RoleARN)
	set(&changed.TargetRoleARN, in.TargetRoleARN)
	set(&changed.DisableSessionTags, in.DisableSessionTags)
	set(&changed.Policy, in.Policy)
	if err := s.checkPolicy(changed.Policy, changed.DisableSessionTags); err != nil {
		return nil, err
	}
	changed.ExternalID = s.externalID(&changed)
	changed.Modified = s.options.Now()
	if err := s.putAssociation(&changed); err != nil {
		return nil, err
	}
	*known = changed
	return answer(known), nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

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
		for key, value := range a.Tags {
			keys["aws:ResourceTag/"+key] = []string{value}
		}
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
}

func (s *Service) listAssociations(r *http.Request) (any, error) {
	name, query := r.PathValue("clusterName"), r.URL.Query()
	if err := s.authorize(r.Context(), "eks:ListPodIdentityAssociations", s.ClusterARN(name), nil); err != nil {
		return nil, err
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	var found []*Association
	for _, a := range c.byID {
		if matches(query.Get("namespace"), a.Namespace) && matches(query.Get("serviceAccount"), a.ServiceAccount) {
			found = append(found, a)
		}
	}
	order := func(a *Association) string { return fmt.Sprintf("%020d", a.seq) }
	slices.SortFunc(found, func(a, b *Association) int { return strings.Compare(order(a), order(b)) })
	page, next, err := paginate(query, found, order)
	if err != nil {
		return nil, err
	}
	summaries := make([]associationSummary, 0, len(page))
	for _, a := range page {
		summaries = append(summaries, associationSummary{a.Cluster, a.Namespace, a.ServiceAccount, a.ARN, a.ID})
	}
	return struct {
		Associations []associationSummary `json:"associations"`
		NextToken    *string              `json:"nextToken"`
	}{summaries, next}, nil
}

func matches(filter, value string) bool { return filter == "" || filter == value }

func (s *Service) associationARN(cluster, id string) string {
	return fmt.Sprintf("arn:aws:eks:%s:%s:podidentityassociation/%s/%s", s.options.Region, s.options.Account, cluster, id)
}

// externalID has the form of the example in
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
func (s *Service) externalID(a *Association) string {
	if a.TargetRoleARN == "" {
		return ""
	}
	return strings.Join([]string{s.options.Region, s.options.Account, a.Cluster, a.Namespace, a.ServiceAccount}, "/")
}

// newAssociationID is "a-" and 17 random characters of a-z and 0-9, as EKS forms them. rand.Text
// is base32 of at least 128 bits, of which these are 85.
func newAssociationID() string { return "a-" + strings.ToLower(rand.Text()[:17]) }
