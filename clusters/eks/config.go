package eks

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/ownership"
)

// request describes the cluster to create.
type request struct {
	name, region, version string
	nodes                 int
	instanceTypes         []string
	owner                 ownership.Owner
	boundary              string
	hopLimit              int
	// withAgent says that the cluster gets the agent's add-on, maybe in a given version and with given values.
	withAgent                 bool
	agentVersion, agentValues string
}

// nodeGroup is the name of the node group of a cluster that epi creates. volumeSize is the size of its disks in GiB.
const (
	nodeGroup  = "epi"
	volumeSize = 20
)

type object = map[string]any

// clusterConfig returns the request without its nodes as eksctl's ClusterConfig
// (https://docs.aws.amazon.com/eks/latest/eksctl/schema.html). It is as small as possible, without a NAT gateway. Auto Mode
// is off, because with it the agent is no DaemonSet.
func (r request) clusterConfig() ([]byte, error) {
	addonList := []object{{"name": "vpc-cni"}, {"name": "kube-proxy"}, {"name": "coredns"}}
	if r.withAgent {
		agent := object{"name": clusters.AgentName}
		if r.agentVersion != "" {
			agent["version"] = r.agentVersion
		}
		if r.agentValues != "" {
			agent["configurationValues"] = r.agentValues
		}
		addonList = append(addonList, agent)
	}
	config := r.base()
	config["metadata"].(object)["tags"] = r.owner.Tags() //nolint:forcetypeassert // made by base
	config["vpc"] = object{"nat": object{"gateway": "Disable"}}
	config["addonsConfig"] = object{"disableDefaultAddons": true}
	config["addons"] = addonList
	return encode(config)
}

// nodeGroupConfig returns the request's nodes as eksctl's ClusterConfig: spot nodes in public subnets. They are not in
// clusterConfig, because eksctl gives the stack of a managed node group the cluster's tags twice, which CloudFormation has
// refused since March 2026 (https://github.com/cilium/cilium/issues/44695): here only the group has them.
func (r request) nodeGroupConfig() ([]byte, error) {
	group := object{
		"name": nodeGroup, "instanceTypes": r.instanceTypes, "spot": true, "minSize": r.nodes, "desiredCapacity": r.nodes, "maxSize": r.nodes,
		"volumeSize": volumeSize, "disablePodIMDS": r.hopLimit == 1, "tags": r.owner.Tags(),
	}
	if r.boundary != "" {
		group["iam"] = object{"instanceRolePermissionsBoundary": r.boundary}
	}
	config := r.base()
	config["managedNodeGroups"] = []object{group}
	return encode(config)
}

// base returns the parts that both have.
func (r request) base() object {
	iam := object{"withOIDC": false}
	if r.boundary != "" {
		iam["serviceRolePermissionsBoundary"] = r.boundary
	}
	return object{
		"apiVersion": "eksctl.io/v1alpha5", "kind": "ClusterConfig",
		"metadata":       object{"name": r.name, "region": r.region, "version": r.version},
		"autoModeConfig": object{"enabled": false},
		"iam":            iam,
	}
}

func encode(config object) ([]byte, error) {
	data, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("write eksctl's configuration: %w", err)
	}
	return data, nil
}
