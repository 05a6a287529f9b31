package eks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	addonOwner     = "aws"
	addonPublisher = "eks"
)

// offer is an add-on that can be created. EKS's offer changes every week. These are five of its add-ons, with a few
// versions in EKS's form. They are no record of the real versions.
type offer struct {
	name, kind, namespace string
	// versions are sorted, newest first.
	versions []offeredVersion
	// schema is a JSON schema of the configuration values. It allows no other property at the top.
	schema string
	// identities are the service accounts that need IAM permissions.
	identities []podIdentityConfiguration
}

type offeredVersion struct {
	version string
	// clusters are the Kubernetes versions that it runs on.
	clusters []string
}

// podIdentityConfiguration is AddonPodIdentityConfiguration on the wire.
type podIdentityConfiguration struct {
	ServiceAccount             string   `json:"serviceAccount"`
	RecommendedManagedPolicies []string `json:"recommendedManagedPolicies"`
}

// kubernetesVersions are those that the add-ons run on, oldest first.
func kubernetesVersions() []string {
	return []string{"1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36"}
}

// offers are all add-ons, sorted by name.
func offers() []offer {
	all := kubernetesVersions()
	return []offer{
		{
			name: "adot", kind: "observability", namespace: "opentelemetry-operator-system", schema: schema("admissionWebhooks", "affinity", "collector", "manager", "nodeSelector", "replicaCount", "resources", "tolerations"),
			versions: []offeredVersion{{"v0.141.0-eksbuild.1", all}},
			identities: []podIdentityConfiguration{
				{"adot-col-prom-metrics", []string{"arn:aws:iam::aws:policy/AmazonPrometheusRemoteWriteAccess", "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"}},
				{"adot-col-otlp-ingest", []string{"arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"}},
				{"adot-col-container-logs", []string{"arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"}},
			},
		},
		{
			name: "coredns", kind: "networking", namespace: "kube-system", schema: schema("affinity", "corefile", "nodeSelector", "podAnnotations", "podLabels", "replicaCount", "resources", "tolerations"),
			versions: []offeredVersion{{"v1.12.1-eksbuild.2", all[3:]}, {"v1.11.4-eksbuild.2", all[:5]}},
		},
		{
			name: "eks-pod-identity-agent", kind: "security", namespace: "kube-system", schema: podIdentityAgentSchema,
			versions: podIdentityAgentVersions(all),
		},
		{
			name: "kube-proxy", kind: "networking", namespace: "kube-system", schema: schema("ipvs", "mode", "podAnnotations", "podLabels", "resources"),
			versions: kubeProxyVersions(all),
		},
		{
			// eksctl installs it by default, and creates no cluster without it.
			name: "metrics-server", kind: "observability", namespace: "kube-system", schema: schema("affinity", "args", "nodeSelector", "podAnnotations", "podLabels", "replicas", "resources", "tolerations"),
			versions: []offeredVersion{{"v0.8.0-eksbuild.2", all}},
		},
		{
			name: "vpc-cni", kind: "networking", namespace: "kube-system", schema: schema("affinity", "enableNetworkPolicy", "env", "init", "podAnnotations", "podLabels", "resources", "tolerations"),
			versions:   []offeredVersion{{"v1.20.1-eksbuild.1", all[2:]}, {"v1.19.5-eksbuild.1", all}},
			identities: []podIdentityConfiguration{{"aws-node", []string{"arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"}}},
		},
	}
}

// podIdentityAgentVersions are those that documents and users name, and the first version of all. Each runs on every
// Kubernetes version: nothing is deployed, so none is too old for a cluster.
func podIdentityAgentVersions(clusters []string) []offeredVersion {
	var versions []offeredVersion
	for _, version := range []string{
		"v1.3.10-eksbuild.1", "v1.3.9-eksbuild.3", "v1.3.9-eksbuild.1", "v1.3.8-eksbuild.2", "v1.3.7-eksbuild.2", "v1.3.5-eksbuild.2",
		"v1.3.4-eksbuild.1", "v1.3.2-eksbuild.2", "v1.3.0-eksbuild.1", "v1.2.0-eksbuild.1", "v1.1.0-eksbuild.1", "v1.0.0-eksbuild.1",
	} {
		versions = append(versions, offeredVersion{version, clusters})
	}
	return versions
}

// kubeProxyVersions has one version for each Kubernetes version, because kube-proxy's version follows the control plane's.
func kubeProxyVersions(clusters []string) []offeredVersion {
	var versions []offeredVersion
	for _, cluster := range slices.Backward(clusters) {
		versions = append(versions, offeredVersion{"v" + cluster + ".0-eksbuild.2", []string{cluster}})
	}
	return versions
}

// podIdentityAgentSchema has the values that the chart of https://github.com/aws/eks-pod-identity-agent lets users set.
const podIdentityAgentSchema = `{"$schema":"http://json-schema.org/draft-06/schema#","type":"object","additionalProperties":false,"properties":{` +
	`"affinity":{"type":["object","null"]},` +
	`"agent":{"type":"object","additionalProperties":false,"properties":{"additionalArgs":{"type":"object"}}},` +
	`"podAnnotations":{"type":"object","additionalProperties":{"type":"string"}},` +
	`"podLabels":{"type":"object","additionalProperties":{"type":"string"}},` +
	`"priorityClassName":{"type":"string"},` +
	`"resources":{"type":"object","properties":{"limits":{"type":"object"},"requests":{"type":"object"}}},` +
	`"tolerations":{"type":"array","items":{"type":"object"}},` +
	`"updateStrategy":{"type":"object"}}}`

// schema allows some properties of any type.
func schema(properties ...string) string {
	allowed := map[string]struct{}{}
	for _, property := range properties {
		allowed[property] = struct{}{}
	}
	// Texts and empty structs can always be encoded.
	data, _ := json.Marshal(struct {
		Schema     string              `json:"$schema"`
		Type       string              `json:"type"`
		Additional bool                `json:"additionalProperties"`
		Properties map[string]struct{} `json:"properties"`
	}{"http://json-schema.org/draft-06/schema#", "object", false, allowed})
	return string(data)
}

// unsupported is EKS's error for an add-on that a cluster cannot have. The cluster's version is not always known.
func unsupported(name, cluster string) string {
	if cluster == "" {
		return fmt.Sprintf("Addon %s specified is not supported", name)
	}
	return fmt.Sprintf("Addon %s specified is not supported in %s kubernetes version", name, cluster)
}

// offered finds an add-on and its version for a cluster of a Kubernetes version. An empty version asks for the default one.
// A cluster of unknown version accepts every add-on.
func offered(name, version, cluster string) (*offer, string, error) {
	o, ok := findOffer(name)
	if !ok {
		var names []string
		for _, o := range offers() {
			names = append(names, o.name)
		}
		return nil, "", invalidParameter("%s. The emulator offers the add-ons %s", unsupported(name, cluster), strings.Join(names, ", "))
	}
	for _, v := range o.versions {
		if (version == "" || version == v.version) && (cluster == "" || slices.Contains(v.clusters, cluster)) {
			return o, v.version, nil
		}
	}
	if version == "" {
		return nil, "", invalidParameter("%s", unsupported(name, cluster))
	}
	// AWS's text has only the beginning. The emulator adds the versions that exist.
	var others []string
	for _, v := range o.versions {
		if cluster == "" || slices.Contains(v.clusters, cluster) {
			others = append(others, v.version)
		}
	}
	return nil, "", invalidParameter("Addon version specified is not supported. The emulator offers %s", strings.Join(others, ", "))
}

func findOffer(name string) (*offer, bool) {
	for _, o := range offers() {
		if o.name == name {
			return &o, true
		}
	}
	return nil, false
}

// isDefault says whether the version is the default of clusters of that version, which is the newest.
func (o *offer) isDefault(version, cluster string) bool {
	for _, v := range o.versions {
		if slices.Contains(v.clusters, cluster) {
			return v.version == version
		}
	}
	return false
}

// checkAssociations accepts only service accounts that the add-on names, as EKS was seen to do (aws/containers-roadmap
// issue 2712, terraform-aws-modules/terraform-aws-eks issue 3520).
func (o *offer) checkAssociations(version string, wanted []addonAssociation) error {
	if len(wanted) > 0 && len(o.identities) == 0 {
		return invalidParameter("Pod Identity feature is not supported for addon version: %s", version)
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(o.identities, func(i podIdentityConfiguration) bool { return i.ServiceAccount == w.ServiceAccount }) {
			return invalidParameter("Service account %s in pod identity configuration is not supported for addon %s", w.ServiceAccount, o.name)
		}
	}
	return nil
}

// checkConfiguration requires an object in JSON or YAML whose members are in the schema. It does not check their values,
// because nothing is configured with them.
func (o *offer) checkConfiguration(values string) error {
	if strings.TrimSpace(values) == "" {
		return nil
	}
	data, err := yaml.YAMLToJSONStrict([]byte(values))
	if err != nil || !bytes.HasPrefix(data, []byte("{")) {
		return invalidParameter("ConfigurationValue is not in valid JSON or YAML format.")
	}
	var given map[string]json.RawMessage
	var known struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(data, &given); err != nil {
		return invalidParameter("ConfigurationValue is not in valid JSON or YAML format.")
	}
	if err := json.Unmarshal([]byte(o.schema), &known); err != nil {
		return fmt.Errorf("read schema of %s: %w", o.name, err)
	}
	for name := range given {
		if _, ok := known.Properties[name]; !ok {
			return invalidParameter("ConfigurationValue provided in request is not supported: Json schema validation failed with error: "+
				"[$.%s: is not defined in the schema and the schema does not allow additional properties]", name)
		}
	}
	return nil
}
