package eks

import (
	"net/http"
	"slices"
)

type addonInfo struct {
	AddonName        string             `json:"addonName"`
	Type             string             `json:"type"`
	AddonVersions    []addonVersionInfo `json:"addonVersions"`
	Publisher        string             `json:"publisher"`
	Owner            string             `json:"owner"`
	DefaultNamespace string             `json:"defaultNamespace"`
}

type addonVersionInfo struct {
	AddonVersion           string          `json:"addonVersion"`
	Architecture           []string        `json:"architecture"`
	ComputeTypes           []string        `json:"computeTypes"`
	Compatibilities        []compatibility `json:"compatibilities"`
	RequiresConfiguration  bool            `json:"requiresConfiguration"`
	RequiresIAMPermissions bool            `json:"requiresIamPermissions"`
}

type compatibility struct {
	ClusterVersion   string   `json:"clusterVersion"`
	PlatformVersions []string `json:"platformVersions"`
	DefaultVersion   bool     `json:"defaultVersion"`
}

// describeAddonVersions: https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeAddonVersions.html.
func (s *Service) describeAddonVersions(r *http.Request) (any, error) {
	if err := s.authorize(r.Context(), "eks:DescribeAddonVersions", "*", nil); err != nil {
		return nil, err
	}
	query, infos := r.URL.Query(), []addonInfo{}
	for _, o := range offers() {
		if !matches(query.Get("addonName"), o.name) || !among(query["types"], o.kind) ||
			!among(query["owners"], addonOwner) || !among(query["publishers"], addonPublisher) {
			continue
		}
		if versions := o.infos(query.Get("kubernetesVersion")); len(versions) > 0 {
			infos = append(infos, addonInfo{o.name, o.kind, versions, addonPublisher, addonOwner, o.namespace})
		}
	}
	page, next, err := paginate(s.pages, r, infos, func(info addonInfo) string { return info.AddonName })
	if err != nil {
		return nil, err
	}
	return struct {
		Addons    []addonInfo `json:"addons"`
		NextToken *string     `json:"nextToken"`
	}{page, next}, nil
}

// among says whether value is in the filter. An empty filter accepts all.
func among(filter []string, value string) bool {
	return len(filter) == 0 || slices.Contains(filter, value)
}

// infos returns the versions that run on a Kubernetes version, with that compatibility only; "" returns all.
func (o *offer) infos(cluster string) []addonVersionInfo {
	var infos []addonVersionInfo
	for _, v := range o.versions {
		var fits []compatibility
		for _, c := range slices.Backward(v.clusters) {
			if matches(cluster, c) {
				fits = append(fits, compatibility{c, []string{"*"}, o.isDefault(v.version, c)})
			}
		}
		if len(fits) > 0 {
			infos = append(infos, addonVersionInfo{v.version, []string{"amd64", "arm64"}, []string{"ec2"}, fits, false, len(o.identities) > 0})
		}
	}
	return infos
}

// describeAddonConfiguration: https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeAddonConfiguration.html.
func (s *Service) describeAddonConfiguration(r *http.Request) (any, error) {
	if err := s.authorize(r.Context(), "eks:DescribeAddonConfiguration", "*", nil); err != nil {
		return nil, err
	}
	query := r.URL.Query()
	name, version := query.Get("addonName"), query.Get("addonVersion")
	switch {
	case name == "":
		return nil, invalidParameter("The parameter addonName is required.")
	case version == "":
		return nil, invalidParameter("The parameter addonVersion is required.").With("addonName", name)
	}
	o, version, err := offered(name, version, "")
	if err != nil {
		return nil, err
	}
	identities := []podIdentityConfiguration{}
	return struct {
		AddonName                string                     `json:"addonName"`
		AddonVersion             string                     `json:"addonVersion"`
		ConfigurationSchema      string                     `json:"configurationSchema"`
		PodIdentityConfiguration []podIdentityConfiguration `json:"podIdentityConfiguration"`
	}{name, version, o.schema, append(identities, o.identities...)}, nil
}
