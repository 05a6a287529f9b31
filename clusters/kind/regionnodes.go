package kind

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/e2e-framework/klient/wait"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/internal/command"
)

const (
	timeoutBoot = 90 * time.Second
	timeoutJoin = 3 * time.Minute
	// atOnce is the number of nodes that are created at the same time.
	atOnce = 2

	codeNodeNotReady = "NodeCreationFailure"
)

// worker is a node of a node group.
type worker struct {
	container string
	// index is its place in the node group, from 0.
	index int
}

// workerName is the name of a node's container: the kind cluster's name with the node group's ID and the index.
func (c *RegionClusters) workerName(clusterID, groupID string, index int) string {
	return fmt.Sprintf("%s-%s-%d", c.kindName(clusterID), strings.ToLower(groupID[:min(shortID, len(groupID))]), index)
}

// instanceID derives a node's instance ID from the name of its container, which no other node ever has.
func instanceID(container string) string {
	sum := sha256.Sum256([]byte(container))
	return "i-" + hex.EncodeToString(sum[:])[:17]
}

// privateDNS is the name of an instance with an address
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/hostname-types.html).
func privateDNS(ip, region string) string {
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(ip, ".", "-") + "." + domain
}

// workersOf returns the nodes of a node group that have a container, by their index.
func (c *RegionClusters) workersOf(ctx context.Context, clusterID, groupID string) ([]worker, error) {
	listed, err := c.engine.Output(ctx, "ps", "--all", "--filter", "label="+nodegroupIDLabel+"="+groupID, "--format", "{{.Names}}")
	if err != nil {
		return nil, fmt.Errorf("list nodes of node group: %w", err)
	}
	var list []worker
	prefix := strings.TrimSuffix(c.workerName(clusterID, groupID, 0), "0")
	for _, name := range strings.Fields(listed) {
		number, _ := strings.CutPrefix(name, prefix)
		if index, err := strconv.Atoi(number); err == nil {
			list = append(list, worker{name, index})
		}
	}
	slices.SortFunc(list, func(a, b worker) int { return a.index - b.index })
	return list, nil
}

// Nodegroup implements region.Backend.
func (c *RegionClusters) Nodegroup(ctx context.Context, wanted control.WantedCluster, group control.WantedNodegroup) ([]control.ObservedInstance, []control.Issue, error) {
	there, err := c.workersOf(ctx, wanted.ID, group.ID)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range there {
		if w.index >= group.Size {
			if err := c.removeNode(ctx, wanted.ID, w.container); err != nil {
				return nil, nil, err
			}
		}
	}
	making, makingCtx := errgroup.WithContext(ctx)
	making.SetLimit(atOnce)
	for index := range group.Size {
		making.Go(func() error { return c.ensureNode(makingCtx, wanted, group, index) })
	}
	if err := making.Wait(); err != nil {
		return nil, nil, err
	}
	if err := c.connect(ctx, wanted); err != nil {
		return nil, nil, err
	}
	return c.observeNodes(ctx, wanted, group)
}

// ensureNode creates a node that is missing or incomplete, and starts one that has stopped.
func (c *RegionClusters) ensureNode(ctx context.Context, wanted control.WantedCluster, group control.WantedNodegroup, index int) error {
	name := c.workerName(wanted.ID, group.ID, index)
	there, whole, err := c.start(ctx, name)
	if err != nil || whole {
		return err
	}
	if there {
		c.log.Info("Removing a node that was made half way", "cluster", wanted.Name, "node", name)
		if err := c.removeNode(ctx, wanted.ID, name); err != nil {
			return err
		}
	}
	c.log.Info("Making a node", "cluster", wanted.Name, "nodegroup", group.Name, "node", name)
	if err := c.makeNode(ctx, wanted, group, name); err != nil {
		return fmt.Errorf("make node %s: %w", name, err)
	}
	return nil
}

// makeNode lists the steps of creating a node.
func (c *RegionClusters) makeNode(ctx context.Context, wanted control.WantedCluster, group control.WantedNodegroup, name string) error {
	if _, err := c.engine.Output(ctx, c.runNodeArgs(wanted, group, name)...); err != nil {
		return err
	}
	if err := c.waitBooted(ctx, name); err != nil {
		return err
	}
	list, err := c.nodesOf(wanted.ID)
	if err != nil {
		return err
	}
	index := slices.IndexFunc(list, func(n nodes.Node) bool { return n.String() == name })
	if index < 0 {
		return errors.New("kind does not see its container")
	}
	node := list[index]
	ip, err := addressOf(ctx, c.engine, name)
	if err != nil {
		return err
	}
	if err := nodeutils.WriteFile(node, resolverConfigFile, "nameserver "+c.record.EmulatorIP+"\n"); err != nil {
		return fmt.Errorf("write configuration of the resolver: %w", err)
	}
	enableIPv6(ctx, []nodes.Node{node})
	if err := routeMetadata(ctx, []nodes.Node{node}, c.record.EmulatorIP); err != nil {
		return err
	}
	// This happens before there is any pod.
	if err := onNode(ctx, node, "sh", "-c", hopLimitScript(group.HopLimit)); err != nil {
		return err
	}
	loading, loadingCtx := errgroup.WithContext(ctx)
	loading.Go(func() error { return c.loadImages(loadingCtx, node) })
	loading.Go(func() error { return c.join(loadingCtx, wanted, group, node, ip) })
	if err := loading.Wait(); err != nil {
		return err
	}
	if _, err := c.engine.Output(ctx, "exec", name, "touch", wholeFile); err != nil {
		return fmt.Errorf("mark it as whole: %w", err)
	}
	return nil
}

// runNodeArgs are kind's own arguments for its workers.
func (c *RegionClusters) runNodeArgs(wanted control.WantedCluster, group control.WantedNodegroup, name string) []string {
	return []string{
		"run", "--detach", "--tty", "--hostname", name, "--name", name,
		"--label", kindLabel + "=" + c.kindName(wanted.ID), "--label", "io.x-k8s.kind.role=worker",
		"--label", environmentLabel + "=" + c.record.Name, "--label", clusterIDLabel + "=" + wanted.ID, "--label", nodegroupIDLabel + "=" + group.ID,
		"--net", networkName(c.record.Name), "--restart=on-failure:1", "--init=false", "--cgroupns=private",
		"--privileged", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--tmpfs", "/tmp", "--tmpfs", "/run", "--volume", "/var", "--volume", "/lib/modules:/lib/modules:ro",
		c.record.Node.Ref,
	}
}

// waitBooted waits until a node's container runtime answers.
func (c *RegionClusters) waitBooted(ctx context.Context, name string) error {
	seen := "nothing"
	err := wait.For(func(ctx context.Context) (bool, error) {
		_, err := c.engine.Output(ctx, "exec", name, "ctr", "version")
		if err != nil {
			seen = command.LastLine(err)
		}
		return err == nil, nil
	}, pollOften(ctx, timeoutBoot)...)
	if err != nil {
		return fmt.Errorf("wait for its container runtime: %w; last seen: %s", err, seen)
	}
	return nil
}

// join makes a node join its cluster, and configures its network.
func (c *RegionClusters) join(ctx context.Context, wanted control.WantedCluster, group control.WantedNodegroup, node nodes.Node, ip string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeoutJoin, fmt.Errorf("not joined within %v", timeoutJoin))
	defer cancel()
	plane := controlPlane(c.kindName(wanted.ID))
	printed, err := c.engine.Output(ctx, "exec", plane, "kubeadm", "token", "create", "--ttl", "15m", "--print-join-command")
	if err != nil {
		return fmt.Errorf("make a token to join: %w", err)
	}
	token, hash, err := parseJoin(printed)
	if err != nil {
		return err
	}
	registered := privateDNS(ip, c.record.Region)
	config, err := joinConfig(joinSettings{
		server: plane + ":6443", token: token, hash: hash, name: registered, ip: ip, labels: nodeLabels(group, c.record.Region, instanceID(node.String())),
		taints: group.Taints, providerID: "aws:///" + zone(c.record.Region) + "/" + instanceID(node.String()),
	})
	if err != nil {
		return err
	}
	if err := nodeutils.WriteFile(node, "/kind/kubeadm.conf", config); err != nil {
		return fmt.Errorf("write configuration to join: %w", err)
	}
	if err := onNode(ctx, node, "kubeadm", "join", "--config", "/kind/kubeadm.conf", "--skip-phases=preflight"); err != nil {
		return err
	}
	client, _, err := c.client(ctx, wanted.ID)
	if err != nil {
		return err
	}
	cidr, err := podCIDR(ctx, client, registered)
	if err != nil {
		return err
	}
	network, err := networkConfig(cidr)
	if err != nil {
		return err
	}
	if err := nodeutils.WriteFile(node, networkConfigFile, string(network)); err != nil {
		return fmt.Errorf("write network configuration: %w", err)
	}
	return nil
}

// zone is the availability zone in the nodes' labels.
func zone(region string) string { return region + "a" }

// nodeLabels are those of EKS's nodes
// (https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html).
func nodeLabels(group control.WantedNodegroup, region, instance string) map[string]string {
	labels := map[string]string{
		"eks.amazonaws.com/nodegroup": group.Name, "eks.amazonaws.com/capacityType": "ON_DEMAND", "topology.kubernetes.io/region": region,
		"topology.kubernetes.io/zone": zone(region), "epi.podidentity.dev/instance": instance,
	}
	if group.Spot {
		labels["eks.amazonaws.com/capacityType"] = "SPOT"
	}
	if len(group.InstanceTypes) > 0 {
		labels["node.kubernetes.io/instance-type"] = group.InstanceTypes[0]
	}
	maps.Copy(labels, group.Labels)
	return labels
}

// parseJoin reads the output of `kubeadm token create --print-join-command`.
func parseJoin(printed string) (token, hash string, err error) {
	fields := strings.Fields(printed)
	for n, field := range fields[:max(0, len(fields)-1)] {
		switch field {
		case "--token":
			token = fields[n+1]
		case "--discovery-token-ca-cert-hash":
			hash = fields[n+1]
		}
	}
	if token == "" || hash == "" {
		return "", "", errors.New("kubeadm printed no command to join by")
	}
	return token, hash, nil
}

type joinSettings struct {
	server, token, hash, name, ip, providerID string
	labels                                    map[string]string
	taints                                    []control.Taint
}

// joinConfig is kubeadm's JoinConfiguration (https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/).
func joinConfig(s joinSettings) (string, error) {
	type object = map[string]any
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(s.labels)) {
		labels = append(labels, key+"="+s.labels[key])
	}
	taints := []object{}
	for _, t := range s.taints {
		effect, ok := taintEffects[t.Effect]
		if !ok {
			return "", fmt.Errorf("effect %q of a taint is not known", t.Effect)
		}
		taints = append(taints, object{"key": t.Key, "value": t.Value, "effect": effect})
	}
	data, err := json.Marshal(object{
		"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "JoinConfiguration",
		"discovery": object{"bootstrapToken": object{"apiServerEndpoint": s.server, "token": s.token, "caCertHashes": []string{s.hash}}},
		"nodeRegistration": object{
			"name": s.name, "criSocket": "unix:///run/containerd/containerd.sock", "taints": taints,
			"kubeletExtraArgs": []object{
				{"name": "node-ip", "value": s.ip}, {"name": "provider-id", "value": s.providerID}, {"name": "node-labels", "value": strings.Join(labels, ",")},
			},
		},
	})
	if err != nil {
		return "", fmt.Errorf("encode configuration to join: %w", err)
	}
	return string(data), nil
}

// taintEffects maps EKS's effects to those of Kubernetes
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_Taint.html).
var taintEffects = map[string]string{"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}

// podCIDR waits until a node has its pod range.
func podCIDR(ctx context.Context, client kubernetes.Interface, name string) (cidr string, err error) {
	err = wait.For(func(ctx context.Context) (bool, error) {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, nil //nolint:nilerr // it has just joined, or the API server is still settling: ask again
		}
		cidr = node.Spec.PodCIDR
		return cidr != "", nil
	}, pollOften(ctx, timeoutNodes)...)
	if err != nil {
		return "", fmt.Errorf("wait for the pod range of node %s: %w", name, err)
	}
	return cidr, nil
}

// loadImages loads the images that a node's pods need: the agent's, and the user's.
func (c *RegionClusters) loadImages(ctx context.Context, node nodes.Node) error {
	if err := loadOnNode(node, c.own...); err != nil {
		return err
	}
	if c.agent != nil {
		if err := makeAgentLink(ctx, []nodes.Node{node}); err != nil {
			return err
		}
		if err := loadArchive(node, c.agent); err != nil {
			return err
		}
	}
	return c.loadAllKept(ctx, node)
}

// connect routes between the control plane and all nodes of a cluster, and makes each node apply its hop limit to instance
// metadata. A restart of a container removes routes and rules, so this is repeated each time.
func (c *RegionClusters) connect(ctx context.Context, wanted control.WantedCluster) error {
	client, _, err := c.client(ctx, wanted.ID)
	if err != nil {
		return err
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	limits := c.hopLimits(wanted)
	containers, err := c.nodesOf(wanted.ID)
	if err != nil {
		return err
	}
	for _, container := range containers {
		state, err := c.containerIs(ctx, container.String())
		if err != nil {
			return err
		}
		if state != "running" {
			continue
		}
		script := connectScript(c.record.EmulatorIP, list.Items, instanceID(container.String()), limits[instanceID(container.String())])
		if err := onNode(ctx, container, "sh", "-c", script); err != nil {
			return err
		}
	}
	return nil
}

// hopLimits are the limits of instances: the limit that was set for the instance, or otherwise the node group's.
func (c *RegionClusters) hopLimits(wanted control.WantedCluster) map[string]int {
	limits := map[string]int{}
	for _, group := range wanted.Nodegroups {
		for index := range group.Size {
			limits[instanceID(c.workerName(wanted.ID, group.ID, index))] = group.HopLimit
		}
		for _, instance := range group.Instances {
			limits[instance.ID] = instance.HopLimit
		}
	}
	return limits
}

// connectScript configures a node with the routes to the other nodes and with a hop limit; 0 is for the control plane.
func connectScript(emulatorIP string, list []corev1.Node, self string, hopLimit int) string {
	var script bytes.Buffer
	fmt.Fprintf(&script, "set -e\nip route replace blackhole %s\nip route replace %s/32 via %s\n", linkLocal, metadataAddress, emulatorIP)
	for n := range list {
		node := &list[n]
		ip := internalIP(node)
		if node.Spec.PodCIDR == "" || ip == "" || strings.HasSuffix(node.Spec.ProviderID, "/"+self) {
			continue
		}
		fmt.Fprintf(&script, "ip route replace %s via %s\n", node.Spec.PodCIDR, ip)
	}
	script.WriteString(hopLimitScript(hopLimit))
	return script.String()
}

// hopLimitScript makes a node apply a hop limit. Pods are one hop behind their node, so with a hop limit of 1 no answer of
// instance metadata is forwarded to them. The rule is in the table that is evaluated before filter: there kube-proxy and
// others accept packets of established connections, and insert their rules at the beginning.
func hopLimitScript(hopLimit int) string {
	const rule = "FORWARD -s " + metadataAddress + "/32 -m comment --comment epi-hop-limit -j DROP"
	if hopLimit == 1 {
		return "iptables -w -t mangle -C " + rule + " 2>/dev/null || iptables -w -t mangle -I " + rule + "\n"
	}
	return "while iptables -w -t mangle -D " + rule + " 2>/dev/null; do :; done\n"
}

func internalIP(node *corev1.Node) string {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address
		}
	}
	return ""
}

// observeNodes returns the current nodes of a node group.
func (c *RegionClusters) observeNodes(ctx context.Context, wanted control.WantedCluster, group control.WantedNodegroup) (instances []control.ObservedInstance, issues []control.Issue, err error) {
	there, err := c.workersOf(ctx, wanted.ID, group.ID)
	if err != nil {
		return nil, nil, err
	}
	client, _, err := c.client(ctx, wanted.ID)
	if err != nil {
		return nil, nil, err
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("list nodes: %w", err)
	}
	for _, w := range there {
		id := instanceID(w.container)
		index := slices.IndexFunc(list.Items, func(n corev1.Node) bool { return strings.HasSuffix(n.Spec.ProviderID, "/"+id) })
		if index < 0 {
			issues = append(issues, control.Issue{Code: codeNodeNotReady, Message: "the node has not joined the cluster", ResourceIDs: []string{id}})
			continue
		}
		node := &list.Items[index]
		instances = append(instances, control.ObservedInstance{ID: id, PrivateIP: internalIP(node), PrivateDNS: node.Name})
		if !isReady(node) {
			issues = append(issues, control.Issue{Code: codeNodeNotReady, Message: "node " + node.Name + " is not ready: " + whyNotReady(node), ResourceIDs: []string{id}})
		}
	}
	if len(there) < group.Size {
		issues = append(issues, control.Issue{Code: codeNodeNotReady, Message: fmt.Sprintf("%d of %d nodes are there", len(there), group.Size)})
	}
	return instances, issues, nil
}

func whyNotReady(node *corev1.Node) string {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Message
		}
	}
	return "it does not say"
}

// RemoveNodegroup implements region.Backend.
func (c *RegionClusters) RemoveNodegroup(ctx context.Context, wanted control.WantedCluster, id string) error {
	there, err := c.workersOf(ctx, wanted.ID, id)
	if err != nil {
		return err
	}
	for _, w := range there {
		if err := c.removeNode(ctx, wanted.ID, w.container); err != nil {
			return err
		}
	}
	return nil
}

// removeNode removes a node's container, and then its Kubernetes objects.
func (c *RegionClusters) removeNode(ctx context.Context, clusterID, container string) error {
	if _, err := c.engine.Output(ctx, "rm", "--force", "--volumes", container); err != nil && !isGone(err) {
		return fmt.Errorf("remove node %s: %w", container, err)
	}
	if state, err := c.containerIs(ctx, controlPlane(c.kindName(clusterID))); err != nil || state != "running" {
		return err // Kubernetes does not know the node any more
	}
	client, _, err := c.client(ctx, clusterID)
	if err != nil {
		return err
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for n := range list.Items {
		node := &list.Items[n]
		if !strings.HasSuffix(node.Spec.ProviderID, "/"+instanceID(container)) {
			continue
		}
		if err := client.CoreV1().Nodes().Delete(ctx, node.Name, deleteNow()); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete node %s: %w", node.Name, err)
		}
		if err := removePodsOf(ctx, client, node.Name); err != nil {
			return err
		}
	}
	return nil
}

// removePodsOf deletes the pods of a removed node, because no kubelet ends them any more.
func removePodsOf(ctx context.Context, client kubernetes.Interface, node string) error {
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return fmt.Errorf("list pods of node %s: %w", node, err)
	}
	for n := range pods.Items {
		pod := &pods.Items[n]
		if err := client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, deleteNow()); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	return nil
}
