package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/addons"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/images"
)

// RegionClusters has the EKS clusters of a region, which are kind clusters. It is a backend for package region's maker.
//
// As on EKS, a control plane has no Node: its kubelet runs the static pods and registers nothing. EKS's webhook runs beside
// the API server. Nodes join as node groups ask for them, in the way of kind's workers.
type RegionClusters struct {
	dirs   clusters.Dirs
	dir    string
	record regionRecord
	found  *engine.Engine
	engine containerEngine
	log    *slog.Logger
	own    []*images.Image
	agent  *images.Given
	lost   error
	noSuch error

	mu    sync.Mutex
	reach map[string]*rest.Config
}

// Clusters opens the clusters of a region for its maker. Errors about clusters that are lost wrap lost, and errors about
// requests that cannot be fulfilled wrap unsupported.
func (r *Regions) Clusters(ctx context.Context, name string, log *slog.Logger, lost, unsupported error) (*RegionClusters, error) {
	record, dir, err := r.record(name)
	if err != nil {
		return nil, err
	}
	found, err := engine.Find(ctx, engine.Options{Dirs: r.dirs})
	if err != nil {
		return nil, environmentError("find container engine", err)
	}
	if found == nil {
		return nil, environmentError("find container engine", errors.New("none answers"))
	}
	own, agent, err := openImages(record)
	if err != nil {
		return nil, environmentError("open images", err)
	}
	return &RegionClusters{
		dirs: r.dirs, dir: dir, record: record, found: found, engine: clientOf(found), log: log, own: own, agent: agent,
		lost: lost, noSuch: unsupported, reach: map[string]*rest.Config{},
	}, nil
}

// Control is the control API of the region's emulator.
func (c *RegionClusters) Control() *control.Client {
	return control.New(c.record.ControlURL, c.record.ControlToken)
}

const (
	// shortID is the length of a cluster's or a node group's ID in names of containers.
	shortID = 8
	// wholeFile marks a container whose creation is complete. It is on the container's own file system.
	wholeFile = "/kind/epi-whole"
	// hostedFolder is on control planes. It has the files of the API server and of the programs beside it.
	hostedFolder = "/etc/epi-hosted"

	clusterIDLabel   = "epi.podidentity.dev/eks-cluster"
	nodegroupIDLabel = "epi.podidentity.dev/eks-nodegroup"
)

// kindName is kind's name for the cluster with an ID.
func (c *RegionClusters) kindName(id string) string {
	return c.record.Name + "-" + strings.ToLower(id[:min(shortID, len(id))])
}

func controlPlane(kindName string) string { return kindName + "-control-plane" }

// clusterFolder holds the files of a cluster on this machine.
func (c *RegionClusters) clusterFolder(id string) string { return filepath.Join(c.dir, "clusters", id) }

// Clusters implements region.Backend. A cluster has a folder as long as any of its containers may exist.
func (c *RegionClusters) Clusters(context.Context) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(c.dir, "clusters"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	var ids []string
	for _, entry := range entries {
		ids = append(ids, entry.Name())
	}
	return ids, nil
}

// containerIs returns the engine's word for a container's state, such as "running"; "" if there is no container.
func (c *RegionClusters) containerIs(ctx context.Context, name string) (string, error) {
	// The engine's filter is a regular expression that matches any part.
	listed, err := c.engine.Output(ctx, "ps", "--all", "--filter", "name=^/?"+name+"$", "--format", "{{.Names}}\t{{.State}}")
	if err != nil {
		return "", fmt.Errorf("look for container %s: %w", name, err)
	}
	for line := range strings.Lines(listed) {
		if found, state, _ := strings.Cut(strings.TrimSpace(line), "\t"); found == name {
			return state, nil
		}
	}
	return "", nil
}

// isWhole says whether the creation of a running container is complete.
func (c *RegionClusters) isWhole(ctx context.Context, name string) bool {
	_, err := c.engine.Output(ctx, "exec", name, "test", "-e", wholeFile)
	return err == nil
}

// start makes sure that a container runs, and says whether its creation is complete.
func (c *RegionClusters) start(ctx context.Context, name string) (there, whole bool, err error) {
	state, err := c.containerIs(ctx, name)
	if err != nil || state == "" {
		return false, false, err
	}
	switch state {
	case "running":
	case "created", "removing", "dead":
		return true, false, nil // it never ran, or cannot run again
	case "paused":
		if _, err := c.engine.Output(ctx, "unpause", name); err != nil {
			return true, false, fmt.Errorf("let %s go on: %w", name, err)
		}
	default:
		c.log.Info("Starting a container that has stopped", "container", name, "state", state)
		if _, err := c.engine.Output(ctx, "start", name); err != nil {
			return true, false, fmt.Errorf("start %s: %w", name, err)
		}
	}
	return true, c.isWhole(ctx, name), nil
}

// Cluster implements region.Backend.
func (c *RegionClusters) Cluster(ctx context.Context, wanted control.WantedCluster, anew bool) (control.Cluster, error) {
	name := controlPlane(c.kindName(wanted.ID))
	there, whole, err := c.start(ctx, name)
	if err != nil && !anew {
		return control.Cluster{}, err
	}
	switch {
	case whole:
	case !anew:
		return control.Cluster{}, fmt.Errorf("%w: the container of its control plane is gone", c.lost)
	default:
		if there {
			c.log.Info("Removing a cluster that was made half way", "cluster", wanted.Name)
		}
		if err := c.Remove(ctx, wanted.ID); err != nil {
			return control.Cluster{}, err
		}
		if err := c.create(ctx, wanted); err != nil {
			return control.Cluster{}, err
		}
	}
	config, err := c.config(ctx, wanted.ID)
	if err != nil {
		return control.Cluster{}, err
	}
	described, err := describe(ctx, config)
	if err != nil {
		c.forgetConfig(wanted.ID)
		return control.Cluster{}, err
	}
	described.Version, described.ServiceCIDR = wanted.Version, wanted.ServiceCIDR
	return described, nil
}

// describe asks a cluster for the data that EKS has of it.
func describe(ctx context.Context, config *rest.Config) (control.Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return control.Cluster{}, fmt.Errorf("reach cluster: %w", err)
	}
	if _, err := get(ctx, client, config.Host+"/readyz"); err != nil {
		return control.Cluster{}, err
	}
	document, err := get(ctx, client, config.Host+"/.well-known/openid-configuration")
	if err != nil {
		return control.Cluster{}, err
	}
	var discovery struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(document, &discovery); err != nil {
		return control.Cluster{}, fmt.Errorf("read issuer of cluster: %w", err)
	}
	keys, err := get(ctx, client, config.Host+"/openid/v1/jwks")
	if err != nil {
		return control.Cluster{}, err
	}
	return control.Cluster{Issuer: discovery.Issuer, JWKS: keys, Endpoint: config.Host, CertificateAuthority: config.CAData}, nil
}

// config returns the configuration of a client with an administrator's permissions.
func (c *RegionClusters) config(ctx context.Context, id string) (*rest.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.reach[id]; ok {
		return known, nil
	}
	kubeconfig, err := c.engine.Output(ctx, "exec", controlPlane(c.kindName(id)), "cat", "/etc/kubernetes/admin.conf")
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig of cluster: %w", err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(kubeconfig))
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig of cluster: %w", err)
	}
	published, err := c.engine.Output(ctx, "port", controlPlane(c.kindName(id)), "6443/tcp")
	if err != nil {
		return nil, fmt.Errorf("read port of cluster: %w", err)
	}
	address, _, _ := strings.Cut(strings.TrimSpace(published), "\n")
	config.Host = "https://" + strings.TrimSpace(address)
	config.QPS, config.Burst, config.Timeout = 200, 400, 30*time.Second
	c.reach[id] = config
	return config, nil
}

func (c *RegionClusters) forgetConfig(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.reach, id)
}

func (c *RegionClusters) client(ctx context.Context, id string) (kubernetes.Interface, *rest.Config, error) {
	config, err := c.config(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("reach cluster: %w", err)
	}
	return client, config, nil
}

// issuer is EKS's issuer for a cluster with an ID.
func (c *RegionClusters) issuer(id string) string {
	return "https://oidc.eks." + c.record.Region + ".amazonaws.com/id/" + strings.ToUpper(strings.ReplaceAll(id, "-", ""))
}

// create creates the control plane of a new cluster.
func (c *RegionClusters) create(ctx context.Context, wanted control.WantedCluster) error {
	if !strings.HasPrefix(strings.TrimPrefix(c.record.Node.Version, "v")+".", wanted.Version+".") {
		return fmt.Errorf("%w: Kubernetes %s, as its nodes are of %s; for another one: epi cloud up --kubernetes-version or --node-image", c.noSuch, wanted.Version, c.record.Node.Version)
	}
	folder := c.clusterFolder(wanted.ID)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make folder of cluster: %w", err)
	}
	hosted, err := c.writeHosted(folder, wanted)
	if err != nil {
		return err
	}
	config, err := c.clusterConfig(folder, wanted, hosted.folder)
	if err != nil {
		return err
	}
	c.log.Info("Making a control plane", "cluster", wanted.Name, "id", wanted.ID, "kubernetes", c.record.Node.Version)
	if err := c.createKind(ctx, config, filepath.Join(folder, "kubeconfig")); err != nil {
		return err
	}
	name := controlPlane(config.Name)
	if err := c.startHosted(ctx, name); err != nil {
		return err
	}
	if err := c.withoutNode(ctx, name, wanted.ID); err != nil {
		return err
	}
	if err := c.furnish(ctx, wanted, hosted); err != nil {
		return err
	}
	if _, err := c.engine.Output(ctx, "exec", name, "touch", wholeFile); err != nil {
		return fmt.Errorf("mark control plane as whole: %w", err)
	}
	return nil
}

// clusterConfig returns the kind cluster: only a control plane, on the region's network.
func (c *RegionClusters) clusterConfig(folder string, wanted control.WantedCluster, hosted string) (*v1alpha4.Cluster, error) {
	network, err := writeNetworkConfig(folder)
	if err != nil {
		return nil, err
	}
	resolver, err := writeResolverConfig(folder, c.record.EmulatorIP)
	if err != nil {
		return nil, err
	}
	config := clusterConfig(clusters.Spec{Name: c.kindName(wanted.ID), Nodes: 1}, c.record.Node.Ref, slices.Clone(c.record.Node.KubeadmPatches), network)
	resolveBy(config, resolver)
	config.Networking.APIServerAddress = "127.0.0.1"
	config.Networking.ServiceSubnet = wanted.ServiceCIDR
	node := &config.Nodes[0]
	node.ExtraMounts = append(node.ExtraMounts, v1alpha4.Mount{HostPath: hosted, ContainerPath: hostedFolder, Readonly: true})
	patch, err := apiServerPatch(c.issuer(wanted.ID))
	if err != nil {
		return nil, err
	}
	config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, patch)
	return config, nil
}

// apiServerPatch makes the API server accept EKS's tokens, issue tokens as EKS's issuer, and call webhooks at the addresses
// of their pods, because the control plane has no kube-proxy.
func apiServerPatch(issuer string) (string, error) {
	type object = map[string]any
	patch := object{
		"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration",
		"apiServer": object{
			"extraArgs": []object{
				{"name": "runtime-config", "value": ""},
				{"name": "service-account-issuer", "value": issuer},
				{"name": "service-account-jwks-uri", "value": issuer + "/keys"},
				{"name": "api-audiences", "value": "https://kubernetes.default.svc," + issuer},
				{"name": "enable-aggregator-routing", "value": "true"},
				{"name": "authentication-token-webhook-config-file", "value": hostedFolder + "/" + tokenReviewFile},
				{"name": "authentication-token-webhook-version", "value": "v1"},
				{"name": "authentication-token-webhook-cache-ttl", "value": "20s"},
			},
			"extraVolumes": []object{{"name": "epi", "hostPath": hostedFolder, "mountPath": hostedFolder, "readOnly": true, "pathType": "Directory"}},
		},
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return "", fmt.Errorf("encode configuration of API server: %w", err)
	}
	return string(data), nil
}

// createKind lets kind create a cluster. kind knows no context, but ends soon once its containers are gone.
func (c *RegionClusters) createKind(ctx context.Context, config *v1alpha4.Cluster, kubeconfig string) error {
	provider := newKindProvider(c.found, c.record.Name, taskLogger{task: logTask{log: c.log, cluster: config.Name}})
	created := make(chan creationResult, 1)
	go func() {
		created <- creationResult{provider.Create(config.Name,
			cluster.CreateWithV1Alpha4Config(config), cluster.CreateWithKubeconfigPath(kubeconfig), cluster.CreateWithRetain(true),
			cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false),
		)}
	}()
	select {
	case result := <-created:
		if result.err == nil {
			return nil
		}
		explainer := &creation{engine: c.engine, spec: clusters.Spec{Name: config.Name}}
		return explainer.explain(ctx, result.err)
	case <-ctx.Done():
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeoutCleanup)
	defer cancel()
	for {
		_ = c.removeContainers(cleanup, config.Name) // repeated until kind ends
		select {
		case <-created:
			return context.Cause(ctx)
		case <-cleanup.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// withoutNode deletes the control plane's Node, and keeps its kubelet from registering one again.
func (c *RegionClusters) withoutNode(ctx context.Context, name, id string) error {
	const script = `set -e
grep -q '^registerNode:' /var/lib/kubelet/config.yaml || echo 'registerNode: false' >> /var/lib/kubelet/config.yaml
systemctl restart kubelet`
	if _, err := c.engine.Output(ctx, "exec", name, "sh", "-c", script); err != nil {
		return fmt.Errorf("take the Node of the control plane away: %w", err)
	}
	client, _, err := c.client(ctx, id)
	if err != nil {
		return err
	}
	if err := client.CoreV1().Nodes().Delete(ctx, name, deleteNow()); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("take the Node of the control plane away: %w", err)
	}
	return removePodsOf(ctx, client, name)
}

// furnish installs EKS's objects in a cluster, and redirects its pods to the emulator.
func (c *RegionClusters) furnish(ctx context.Context, wanted control.WantedCluster, hosted hostedFiles) error {
	client, config, err := c.client(ctx, wanted.ID)
	if err != nil {
		return err
	}
	if err := bindAccessPolicies(ctx, client); err != nil {
		return err
	}
	installer, err := addons.New(config)
	if err != nil {
		return err
	}
	if err := installer.RegisterHostedWebhook(ctx, hostedWebhookURL, hosted.certificate); err != nil {
		return err
	}
	authority, err := fileIn(ctx, c.engine, emulatorName(c.record.Name), emulatorCA)
	if err != nil {
		return err
	}
	endpoint := "http://" + c.record.EmulatorIP + ":" + emulatorPort
	return installer.InstallRedirect(ctx, addons.Redirect{Endpoint: endpoint, CA: authority})
}

// Remove implements region.Backend.
func (c *RegionClusters) Remove(ctx context.Context, id string) error {
	c.forgetConfig(id)
	if err := c.removeContainers(ctx, c.kindName(id)); err != nil {
		return err
	}
	if err := os.RemoveAll(c.clusterFolder(id)); err != nil {
		return fmt.Errorf("remove folder of cluster: %w", err)
	}
	return nil
}

// removeContainers removes all containers of one of this region's kind clusters, with the control plane.
func (c *RegionClusters) removeContainers(ctx context.Context, kindName string) error {
	names, err := clusterContainers(ctx, c.engine, kindName)
	if err != nil || len(names) == 0 {
		return err
	}
	own, err := onNetwork(ctx, c.engine, names, networkName(c.record.Name))
	if err != nil || len(own) == 0 {
		return err
	}
	if _, err := c.engine.Output(ctx, append([]string{"rm", "--force", "--volumes"}, own...)...); err != nil && !isGone(err) {
		return fmt.Errorf("remove nodes of %s: %w", kindName, err)
	}
	return nil
}

// nodesOf returns kind's nodes of a cluster, with the control plane.
func (c *RegionClusters) nodesOf(id string) ([]nodes.Node, error) {
	name := c.kindName(id)
	list, err := newKindProvider(c.found, c.record.Name, taskLogger{task: logTask{log: c.log, cluster: name}}).ListInternalNodes(name)
	if err != nil {
		return nil, fmt.Errorf("list nodes of %s: %w", name, err)
	}
	return list, nil
}

// logTask writes kind's messages to a log.
type logTask struct {
	log     *slog.Logger
	cluster string
}

var _ clusters.Task = logTask{}

// Detail implements clusters.Task.
func (t logTask) Detail(format string, args ...any) {
	t.log.Debug(fmt.Sprintf(format, args...), "cluster", t.cluster)
}

// End implements clusters.Task.
func (t logTask) End(error) {}
