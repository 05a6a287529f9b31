package kind

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

// linkLocal is a range that leaves a node only by an explicit route. Otherwise an SDK that looks for instance metadata
// would follow the default route out of the machine.
const linkLocal = "169.254.0.0/16"

const metadataAddress = "169.254.169.254"

// routeMetadata routes requests of a node and its pods for the instance metadata service to the emulator, one hop away, as
// on EC2.
func routeMetadata(ctx context.Context, list []nodes.Node, emulatorIP string) error {
	for _, node := range list {
		for _, route := range [][]string{
			{"blackhole", linkLocal},
			{metadataAddress + "/32", "via", emulatorIP},
		} {
			if err := onNode(ctx, node, "ip", append([]string{"route", "replace"}, route...)...); err != nil {
				return fmt.Errorf("route instance metadata: %w", err)
			}
		}
	}
	return nil
}

// enableIPv6 turns IPv6 on in the nodes. On EC2 it is on for every family of the cluster. The agent can then serve both of
// its addresses. Engines turn it off in containers. On a machine without IPv6 it stays off, and the agent then serves IPv4
// only.
func enableIPv6(ctx context.Context, list []nodes.Node) {
	for _, node := range list {
		_ = onNode(ctx, node, "sysctl", "-w", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0")
	}
}

// connectPods configures the network of each worker, and the routes of each node to the pods of the others.
func connectPods(ctx context.Context, r *resources.Resources, list []nodes.Node) error {
	if len(list) == 1 {
		return nil
	}
	cidrs, err := podCIDRs(ctx, r, len(list))
	if err != nil {
		return err
	}
	for _, node := range list {
		role, err := node.Role()
		if err != nil {
			return fmt.Errorf("read role of node %s: %w", node, err)
		}
		if role == "worker" {
			config, err := networkConfig(cidrs[node.String()])
			if err != nil {
				return err
			}
			if err := nodeutils.WriteFile(node, networkConfigFile, string(config)); err != nil {
				return fmt.Errorf("write network configuration of node %s: %w", node, err)
			}
		} else if cidrs[node.String()] != firstPodCIDR {
			return fmt.Errorf("node %s got the pod range %s, but is configured for %s", node, cidrs[node.String()], firstPodCIDR)
		}
		ip, _, err := node.IP()
		if err != nil {
			return fmt.Errorf("read address of node %s: %w", node, err)
		}
		for _, other := range list {
			if other.String() == node.String() {
				continue
			}
			if err := onNode(ctx, other, "ip", "route", "replace", cidrs[node.String()], "via", ip); err != nil {
				return fmt.Errorf("route pods of node %s: %w", node, err)
			}
		}
	}
	return nil
}

// podCIDRs waits until each of n nodes has its pod range and returns them by node name.
func podCIDRs(ctx context.Context, r *resources.Resources, n int) (map[string]string, error) {
	cidrs := map[string]string{}
	err := wait.For(func(ctx context.Context) (bool, error) {
		var list corev1.NodeList
		if err := r.List(ctx, &list); err != nil {
			return false, nil //nolint:nilerr // the API server may still be settling: ask again
		}
		for _, node := range list.Items {
			if node.Spec.PodCIDR != "" {
				cidrs[node.Name] = node.Spec.PodCIDR
			}
		}
		return len(cidrs) == n, nil
	}, pollOften(ctx, timeoutNodes)...)
	if err != nil {
		return nil, fmt.Errorf("wait for the pod ranges of %d nodes (%d have one): %w", n, len(cidrs), err)
	}
	return cidrs, nil
}

// onNode runs a command in a node's container.
func onNode(ctx context.Context, node nodes.Node, command string, args ...string) error {
	var output bytes.Buffer
	if err := node.CommandContext(ctx, command, args...).SetStdout(&output).SetStderr(&output).Run(); err != nil {
		return fmt.Errorf("run %s %s on node %s: %w: %s", command, strings.Join(args, " "), node, err, bytes.TrimSpace(output.Bytes()))
	}
	return nil
}
