package eks

import (
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

type createAddonRequest struct {
	AddonName               string             `json:"addonName"`
	AddonVersion            string             `json:"addonVersion"`
	ServiceAccountRoleARN   string             `json:"serviceAccountRoleArn"`
	ResolveConflicts        string             `json:"resolveConflicts"`
	ClientRequestToken      string             `json:"clientRequestToken"`
	Tags                    map[string]string  `json:"tags"`
	ConfigurationValues     string             `json:"configurationValues"`
	PodIdentityAssociations []addonAssociation `json:"podIdentityAssociations"`
	NamespaceConfig         *namespaceConfig   `json:"namespaceConfig"`
}

// createAddon: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAddon.html.
func (s *Service) createAddon(r *http.Request) (any, error) {
	var in createAddonRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	answer, err := s.create(r, in)
	if refusal, ok := errors.AsType[*restjson.Error](err); ok && in.AddonName != "" && refusal.Code != codeAccessDenied {
		// The name is in the body, not in the path.
		return nil, refusal.With("addonName", in.AddonName)
	}
	return answer, err
}

func (s *Service) create(r *http.Request, in createAddonRequest) (any, error) {
	name, id := r.PathValue("clusterName"), uuid.NewString()
	if err := s.authorizeCreation(r, "eks:CreateAddon", s.addonARN(name, in.AddonName, id), in.Tags); err != nil {
		return nil, err
	}
	if in.AddonName == "" {
		return nil, invalidParameter("The parameter addonName is required.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := s.checkAddonRoles(r, in.ServiceAccountRoleARN, in.PodIdentityAssociations); err != nil {
		return nil, err
	}

	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	now, asked := s.options.Now(), in
	asked.ClientRequestToken = ""
	// A bundled add-on is replaced, whatever resolveConflicts says: the two cannot differ.
	if known, err := c.addon(in.AddonName, now); err == nil && !known.bundled {
		switch {
		case in.ClientRequestToken == "" || in.ClientRequestToken != known.Token:
			return nil, restjson.Errorf(codeInUse, http.StatusConflict, "Addon already exists.")
		case fingerprint(asked) != known.Fingerprint:
			return nil, tokenReused()
		}
		journal.FromContext(r.Context()).Repeat = true
		return s.answerAddon(c, known), nil
	}
	offer, version, err := offered(in.AddonName, in.AddonVersion, c.Version)
	if err != nil {
		return nil, err
	}
	namespace := offer.namespace
	if in.NamespaceConfig != nil {
		namespace = in.NamespaceConfig.Namespace
	}
	for _, err := range []error{
		checkNamespace(namespace), checkResolveConflicts(in.ResolveConflicts), offer.checkConfiguration(in.ConfigurationValues),
		offer.checkAssociations(version, in.PodIdentityAssociations),
	} {
		if err != nil {
			return nil, err
		}
	}
	a := &addon{
		Cluster: name, Name: in.AddonName, ID: id, Version: version, Namespace: namespace,
		Configuration: in.ConfigurationValues, RoleARN: in.ServiceAccountRoleARN, Tags: in.Tags,
		Created: now, Modified: now, Change: addonCreating, Settled: s.settles(c, now),
		Token: in.ClientRequestToken, Fingerprint: fingerprint(asked),
	}
	undo, err := s.own(c, a, in.PodIdentityAssociations)
	if err != nil {
		return nil, err
	}
	if err := s.putAddon(a); err != nil {
		return nil, undo.because(err)
	}
	c.addons[a.Name] = a
	return s.answerAddon(c, a), nil
}

// checkResolveConflicts checks the value only: nothing on the cluster can be in conflict.
func checkResolveConflicts(how string) error {
	switch how {
	case "", "OVERWRITE", "NONE", "PRESERVE":
		return nil
	}
	return invalidParameter("The parameter resolveConflicts must be OVERWRITE, NONE or PRESERVE.")
}

// checkAddonRoles checks that the caller may pass the add-on's roles. The role for IAM roles for service accounts trusts
// the cluster's issuer. IAM checks that trust when a pod presents a token.
func (s *Service) checkAddonRoles(r *http.Request, roleARN string, associations []addonAssociation) error {
	cluster := r.PathValue("clusterName")
	if roleARN != "" {
		if err := checkRoleARN("serviceAccountRoleArn", roleARN, s.options.Account); err != nil {
			return err
		}
		if err := s.passRole(r, cluster, "eks.amazonaws.com", roleARN); err != nil {
			return err
		}
		if err := s.options.Roles.CheckTrust(r.Context(), roleARN); errors.Is(err, ErrNoRole) {
			return invalidParameter("Role provided in the request does not exist.")
		} else if err != nil && !errors.Is(err, ErrTrust) {
			return err
		}
	}
	seen := map[string]bool{}
	for _, association := range associations {
		if err := checkServiceAccount(association.ServiceAccount); err != nil {
			return err
		}
		if seen[association.ServiceAccount] {
			return invalidParameter("The parameter podIdentityAssociations has the service account %s twice.", association.ServiceAccount)
		}
		seen[association.ServiceAccount] = true
		if err := checkRoleARN("roleArn", association.RoleARN, s.options.Account); err != nil {
			return err
		}
		if err := s.checkRole(r, cluster, association.RoleARN); err != nil {
			return err
		}
	}
	return nil
}
