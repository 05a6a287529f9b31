package eks

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

type updateAddonRequest struct {
	AddonVersion          string `json:"addonVersion"`
	ServiceAccountRoleARN string `json:"serviceAccountRoleArn"`
	ResolveConflicts      string `json:"resolveConflicts"`
	ClientRequestToken    string `json:"clientRequestToken"`
	ConfigurationValues   string `json:"configurationValues"`
	// PodIdentityAssociations: nil keeps them, an empty list deletes them.
	PodIdentityAssociations *[]addonAssociation `json:"podIdentityAssociations"`
}

// params are the parameters of the request that the update reports. Associations have the add-on's namespace, as EKS was
// seen to answer (hashicorp/terraform-provider-aws issue 30645).
func (in *updateAddonRequest) params(namespace string) []updateParam {
	params := []updateParam{}
	for _, p := range []updateParam{
		{"AddonVersion", in.AddonVersion}, {"ServiceAccountRoleArn", in.ServiceAccountRoleARN},
		{"ResolveConflicts", in.ResolveConflicts}, {"ConfigurationValues", in.ConfigurationValues},
	} {
		if p.Value != "" {
			params = append(params, p)
		}
	}
	if in.PodIdentityAssociations != nil {
		type placed struct {
			addonAssociation
			Namespace string `json:"namespace"`
		}
		all := []placed{}
		for _, association := range *in.PodIdentityAssociations {
			all = append(all, placed{association, namespace})
		}
		// A list of structs of texts can always be encoded.
		list, _ := json.Marshal(all)
		params = append(params, updateParam{"PodIdentityAssociations", string(list)})
	}
	return params
}

// updateAddon: https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateAddon.html.
func (s *Service) updateAddon(r *http.Request) (any, error) {
	var in updateAddonRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	if err := s.authorizeAddon(r, "eks:UpdateAddon"); err != nil {
		return nil, err
	}
	if err := checkResolveConflicts(in.ResolveConflicts); err != nil {
		return nil, err
	}
	var wanted []addonAssociation
	if in.PodIdentityAssociations != nil {
		wanted = *in.PodIdentityAssociations
	}
	if err := s.checkAddonRoles(r, in.ServiceAccountRoleARN, wanted); err != nil {
		return nil, err
	}

	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, known, err := s.findAddon(r)
	if err != nil {
		return nil, err
	}
	now, asked := s.options.Now(), in
	asked.ClientRequestToken = ""
	for _, update := range known.Updates {
		if in.ClientRequestToken == "" || in.ClientRequestToken != update.Token {
			continue
		}
		if fingerprint(asked) != update.Fingerprint {
			return nil, tokenReused()
		}
		journal.FromContext(r.Context()).Repeat = true
		return update.answer(now), nil
	}
	// As EKS was seen to answer (eksctl-io/eksctl issue 8091).
	if status := known.status(now); status == addonCreating || status == addonUpdating || status == addonDeleting {
		return nil, restjson.Errorf(codeInUse, http.StatusConflict, "Addon %s cannot be updated as it is currently in %s state", known.Name, status)
	}
	changed := *known
	if err := changed.apply(in, c.Version); err != nil {
		return nil, err
	}
	update := addonUpdate{
		ID: uuid.NewString(), Created: now, Settled: s.settles(c, now), Params: in.params(known.Namespace),
		Token: in.ClientRequestToken, Fingerprint: fingerprint(asked),
	}
	changed.Modified, changed.Change, changed.Settled = now, addonUpdating, update.Settled
	changed.Found, changed.Issues = "", nil
	changed.Updates = append(changed.Updates[:len(changed.Updates):len(changed.Updates)], update)
	var undo changes
	if in.PodIdentityAssociations != nil {
		if undo, err = s.own(c, known, wanted); err != nil {
			return nil, err
		}
	}
	if err := s.putAddon(&changed); err != nil {
		return nil, undo.because(err)
	}
	*known = changed
	return update.answer(now), nil
}

// apply sets what the request gives. What the request leaves out stays.
func (a *addon) apply(in updateAddonRequest, cluster string) error {
	version := in.AddonVersion
	if version == "" {
		version = a.Version
	}
	offer, version, err := offered(a.Name, version, cluster)
	if err != nil {
		return err
	}
	if err := offer.checkConfiguration(in.ConfigurationValues); err != nil {
		return err
	}
	if in.PodIdentityAssociations != nil {
		if err := offer.checkAssociations(version, *in.PodIdentityAssociations); err != nil {
			return err
		}
	}
	a.Version = version
	if in.ConfigurationValues != "" {
		a.Configuration = in.ConfigurationValues
	}
	if in.ServiceAccountRoleARN != "" {
		a.RoleARN = in.ServiceAccountRoleARN
	}
	return nil
}

// updateShape is Update on the wire.
type updateShape struct {
	ID        string        `json:"id"`
	Status    string        `json:"status"`
	Type      string        `json:"type"`
	Params    []updateParam `json:"params"`
	CreatedAt restjson.Time `json:"createdAt"`
	Errors    []struct{}    `json:"errors"`
}

type updateParam struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type updateAnswer struct {
	Update updateShape `json:"update"`
}

func (u *addonUpdate) answer(now time.Time) updateAnswer {
	status := "Successful"
	if now.Before(u.Settled) {
		status = "InProgress"
	}
	return updateAnswer{updateShape{
		ID: u.ID, Status: status, Type: "AddonUpdate", Params: u.Params, CreatedAt: restjson.Time(u.Created), Errors: []struct{}{},
	}}
}

// deleteAddon: https://docs.aws.amazon.com/eks/latest/APIReference/API_DeleteAddon.html. It also deletes the add-on's
// associations at once. With preserve they stay, without an owner.
func (s *Service) deleteAddon(r *http.Request) (any, error) {
	if err := s.authorizeAddon(r, "eks:DeleteAddon"); err != nil {
		return nil, err
	}
	preserve := false
	switch r.URL.Query().Get("preserve") {
	case "", "false":
	case "true":
		preserve = true
	default:
		return nil, invalidParameter("The parameter preserve must be true or false.")
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, known, err := s.findAddon(r)
	if err != nil {
		return nil, err
	}
	now := s.options.Now()
	if known.status(now) == addonDeleting {
		return s.answerAddon(c, known), nil
	}
	changed := *known
	changed.Modified, changed.Change, changed.Settled = now, addonDeleting, s.settles(c, now)
	changed.Found, changed.Issues = "", nil
	if preserve {
		// What runs in the cluster stays, so nothing has to be done there.
		changed.Settled = now.Add(addonChange)
	}
	var undo changes
	if preserve {
		undo, err = s.disown(c, s.addonARN(known.Cluster, known.Name, known.ID))
	} else {
		undo, err = s.own(c, known, nil)
	}
	if err != nil {
		return nil, err
	}
	if err := s.putAddon(&changed); err != nil {
		return nil, undo.because(err)
	}
	*known = changed
	return s.answerAddon(c, known), nil
}
