package kind

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/podidentity/epi/clusters"
)

const (
	podSubnet = "10.244.0.0/16"
	// firstPodCIDR is the range that the controller manager gives the first node to register, which is the control plane.
	// Its network is configured before it starts, so that it is Ready at once.
	firstPodCIDR = "10.244.0.0/24"

	networkConfigFile = "/etc/cni/net.d/10-epi.conflist"
)

// clusterConfig returns the kind cluster of spec. It disables kind's own network plugin, because a node image that is built
// from source does not contain its image. With one network for both kinds of node image, a test sees the same hops on
// either.
func clusterConfig(spec clusters.Spec, image string, patches []string, networkConfig string) *v1alpha4.Cluster {
	config := &v1alpha4.Cluster{
		TypeMeta:             v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Name:                 spec.Name,
		KubeadmConfigPatches: patches,
		Networking: v1alpha4.Networking{
			PodSubnet:         podSubnet,
			DisableDefaultCNI: true,
			KubeProxyMode:     v1alpha4.IPTablesProxyMode,
		},
	}
	for i := range spec.Nodes {
		node := v1alpha4.Node{Role: v1alpha4.WorkerRole, Image: image}
		if i == 0 {
			node.Role = v1alpha4.ControlPlaneRole
			node.ExtraMounts = []v1alpha4.Mount{{HostPath: networkConfig, ContainerPath: networkConfigFile, Readonly: true}}
		}
		config.Nodes = append(config.Nodes, node)
	}
	return config
}

// networkConfig is the CNI configuration of a node: a point-to-point link for each pod, routed by the node. So the node's
// kernel forwards what a pod sends to a link-local address. That is the hop that the instance metadata's hop limit counts.
func networkConfig(podCIDR string) ([]byte, error) {
	type object = map[string]any
	config := object{
		"cniVersion": "1.0.0",
		"name":       "epi",
		"plugins": []object{
			{
				"type":   "ptp",
				"ipMasq": true,
				"ipam": object{
					"type":    "host-local",
					"dataDir": "/run/cni-ipam-state",
					"ranges":  [][]object{{{"subnet": podCIDR}}},
					"routes":  []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode network configuration of %s: %w", podCIDR, err)
	}
	return append(data, '\n'), nil
}

// writeNetworkConfig writes the control plane's network configuration to dir and returns the file.
func writeNetworkConfig(dir string) (string, error) {
	data, err := networkConfig(firstPodCIDR)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "control-plane.conflist")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return "", fmt.Errorf("write network configuration: %w", err)
	}
	return file, nil
}
