package eks

import (
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

type updateRequest struct {
	RoleARN            *string `json:"roleArn"`
	DisableSessionTags *bool   `json:"disableSessionTags"`
	TargetRoleARN      *string `json:"targetRoleArn"`
	Policy             *string `json:"policy"`
	ClientRequestToken string  `json:"clientRequestToken"`
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
	token := in.ClientRequestToken
	in.ClientRequestToken = ""
	if in == (updateRequest{}) {
		return nil, invalidParameter("At least one of roleArn, targetRoleArn, disableSessionTags and policy is required.")
	}
	if in.RoleARN != nil {
		if err := checkRoleARN("roleArn", *in.RoleARN, s.options.Account); err != nil {
			return nil, err
		}
		if err := s.checkRole(r, name, *in.RoleARN); err != nil {
			return nil, err
		}
	}
	// An empty target role or policy removes the existing one.
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
	if err := checkOwner(known); err != nil {
		return nil, err
	}
	asked := fingerprint(in)
	if token != "" && token == known.updateToken {
		if asked != known.updateFingerprint {
			return nil, tokenReused()
		}
		journal.FromContext(r.Context()).Repeat = true
		return answer(known), nil
	}
	changed := *known
	changed.updateToken, changed.updateFingerprint = token, asked
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
