// Package kind brings up an environment on this machine: a kind cluster, an AWS emulator one hop away from its nodes, and
// the agent and webhook under test.
package kind

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"
	"sigs.k8s.io/e2e-framework/klient/wait/conditions"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/images"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/clusters/nodeimage"
)

// Name of the provider.
const Name = "kind"

const (
	region    = "us-west-2"
	accountID = "123456789012"
	// memberAccountID is a second account, for target roles of associations.
	memberAccountID = "210987654321"
	// memberAccessRole is the role that the emulator creates in each of its accounts.
	memberAccessRole = "OrganizationAccountAccessRole"
	nodeRole         = "epi-node"

	timeoutNodes = 2 * time.Minute
	// timeoutCleanup bounds a removal after an error.
	timeoutCleanup = timeoutRemoval + 30*time.Second
)

// containerEngine runs commands of the container engine and returns their output.
type containerEngine interface {
	Output(ctx context.Context, args ...string) (string, error)
	// Load loads the images of an archive.
	Load(ctx context.Context, archive io.Reader) error
	// With returns the engine with additional variables in its client's environment, as KEY=value.
	With(env ...string) containerEngine
}

// Provider brings environments up on this machine.
type Provider struct {
	dirs clusters.Dirs
}

var _ clusters.Provider = (*Provider)(nil)

// New returns a provider that keeps its state in dirs.
func New(dirs clusters.Dirs) *Provider { return &Provider{dirs: dirs} }

// Up creates the environment; see clusters.Provider.
func (p *Provider) Up(ctx context.Context, spec clusters.Spec, progress clusters.Progress) (*clusters.Environment, error) {
	if err := clusters.CheckName(spec.Name); err != nil {
		return nil, err
	}
	if err := checkReferences(spec); err != nil {
		return nil, err
	}
	found, err := engine.Ensure(ctx, engine.Options{Dirs: p.dirs, RuntimeWrapper: filepath.Join(spec.Binaries, "epi-runc")}, progress)
	if err != nil {
		return nil, environmentError("start container engine", err)
	}
	c := &creation{
		dirs: p.dirs, spec: spec,
		found: found, engine: clientOf(found), progress: progress,
	}
	if err := c.refuseIfUp(ctx); err != nil {
		return nil, err
	}
	if c.dir, err = clusters.MakeEnvironmentDir(p.dirs, spec.Name, Name); err != nil {
		return nil, environmentError("make folder of environment", err)
	}
	env, err := c.run(ctx)
	if err != nil {
		if !c.claimed {
			return nil, errors.Join(err, clusters.RemoveEnvironmentDir(p.dirs, spec.Name))
		}
		// What was created before the error or the interruption must not stay. The context may have ended, so another one
		// is used.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeoutCleanup)
		defer cancel()
		return nil, errors.Join(err, p.remove(cleanup, found, spec.Name, progress))
	}
	return env, nil
}

// creation is an environment that is being created.
type creation struct {
	dirs     clusters.Dirs
	dir      string
	spec     clusters.Spec
	found    *engine.Engine
	engine   containerEngine
	progress clusters.Progress
	// claimed says that the things with the environment's name in the engine were created here.
	claimed bool

	secrets secrets
	images  map[string]*images.Image
	// agent and webhook are the user's images; nil for epi's own.
	agent, webhook *images.Given

	node     nodeimage.Image
	clients  *clientImages
	emulator *emulator
	kube     *rest.Config
}

// run lists the steps of the creation.
func (c *creation) run(ctx context.Context) (*clusters.Environment, error) {
	c.secrets = newSecrets()
	if err := c.prepareClients(ctx); err != nil {
		return nil, err
	}
	defer c.clients.stop()
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"prepare images", c.prepareImages},
		{"create network", c.claim},
		{"start AWS emulator", c.startEmulator},
		{"create cluster", c.createCluster},
		{"connect nodes", c.connectNodes},
		{"register cluster with AWS emulator", c.registerCluster},
		{"install agent and webhook", c.installAddons},
		{"redirect AWS", c.redirectAWS},
		{"load AWS clients", c.loadClients},
	} {
		if err := step.do(ctx); err != nil {
			return nil, environmentError(step.doing, err)
		}
	}
	if err := c.linkKubectl(); err != nil {
		return nil, environmentError("offer kubectl", err)
	}
	env := c.environment()
	c.clients.addTo(env)
	if err := clusters.SaveEnvironment(c.dirs, env); err != nil {
		return nil, environmentError("write down environment", err)
	}
	return env, nil
}

// refuseIfUp refuses an `up` if an environment of that name runs, or if a user's own kind cluster has that name.
func (c *creation) refuseIfUp(ctx context.Context) error {
	names, err := clusterContainers(ctx, c.engine, c.spec.Name)
	if err != nil {
		return environmentError("look for a cluster of the same name", err)
	}
	if len(names) == 0 {
		return c.refuseLeftovers(ctx)
	}
	own, err := ownNodes(ctx, c.engine, c.spec.Name)
	if err != nil {
		return environmentError("look for a cluster of the same name", err)
	}
	if len(own) == 0 {
		return &clusters.EnvironmentError{
			Doing:  fmt.Sprintf("create cluster %q", c.spec.Name),
			Remedy: "choose another --name, or remove your own cluster with: kind delete cluster --name " + c.spec.Name,
			Err:    fmt.Errorf("a kind cluster of that name exists that epi did not make (containers %q)", names),
		}
	}
	return &clusters.EnvironmentError{
		Doing:  fmt.Sprintf("create cluster %q", c.spec.Name),
		Remedy: fmt.Sprintf("use it as it is, remove it with: epi down --name %s, or choose another --name", c.spec.Name),
		Err:    fmt.Errorf("a kind cluster of that name exists (containers %q)", names),
	}
}

// claim creates the network, whose name is unique in an engine. Another epi with another state folder may have created it
// since the last check. The network, and all that follows, then belongs to that one.
func (c *creation) claim(ctx context.Context) error {
	if err := c.refuseIfUp(ctx); err != nil {
		return err
	}
	err := createNetwork(ctx, c.engine, c.spec.Name)
	c.claimed = err == nil || !strings.Contains(err.Error(), "already exists")
	return err
}

// refuseLeftovers refuses `up` if an environment of that name without nodes exists: it was left by a killed process, or
// another state folder's epi is creating it.
func (c *creation) refuseLeftovers(ctx context.Context) error {
	name := c.spec.Name
	foreign, err := hasForeignNetwork(ctx, c.engine, name)
	if err != nil {
		return environmentError("look for an environment of the same name", err)
	}
	if foreign {
		return &clusters.EnvironmentError{
			Doing: fmt.Sprintf("create network %s", networkName(name)), Err: errors.New("there is one that epi did not make"),
			Remedy: "choose another --name",
		}
	}
	var there []string
	for _, kind := range []struct{ word, list string }{{"container", "ps --all"}, {"network", "network ls"}} {
		format := "{{.Names}}"
		if kind.word == "network" {
			format = "{{.Name}}"
		}
		args := append(strings.Fields(kind.list), "--filter", "label="+environmentLabel+"="+name, "--format", format)
		listed, err := c.engine.Output(ctx, args...)
		if err != nil {
			return environmentError("look for an environment of the same name", err)
		}
		for _, found := range strings.Fields(listed) {
			there = append(there, kind.word+" "+found)
		}
	}
	if len(there) == 0 {
		return nil
	}
	return &clusters.EnvironmentError{
		Doing: fmt.Sprintf("create environment %q", name), Err: fmt.Errorf("%s is left of one of that name", strings.Join(there, ", ")),
		Remedy: fmt.Sprintf("remove it with: epi down --name %s, or choose another --name", name),
	}
}

// environmentError marks err as the environment's fault, unless it is marked already.
func environmentError(doing string, err error) error {
	if known, ok := errors.AsType[*clusters.EnvironmentError](err); ok && known != nil {
		return err
	}
	return &clusters.EnvironmentError{Doing: doing, Err: err}
}

func newSecrets() secrets {
	return secrets{
		accessKeyID:     "AKIA" + randomBase32(16),
		secretAccessKey: randomHex(20),
		controlToken:    randomHex(20),
		syncToken:       randomHex(20),
	}
}

func randomHex(bytes int) string {
	data := make([]byte, bytes)
	_, _ = rand.Read(data) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(data)
}

// Capabilities are those of environments on kind, with the one AWS client that all have: the probe.
func Capabilities() []clusters.Capability {
	list := []clusters.Capability{clusters.EmulatorControl, clusters.HostNetworkPods, clusters.IMDS, clusters.SecondAccount, clusters.WebhookInCluster}
	for _, client := range clients.All() {
		if client.Kind == clients.Probe {
			list = append(list, clusters.ClientCapability(client.Name))
		}
	}
	return list
}

func randomBase32(length int) string { return rand.Text()[:length] }

func (c *creation) environment() *clusters.Environment {
	return &clusters.Environment{
		Provider:          Name,
		Name:              c.spec.Name,
		Created:           time.Now().UTC().Truncate(time.Second),
		ClusterName:       c.spec.Name,
		ClusterARN:        fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", region, accountID, c.spec.Name),
		AccountID:         accountID,
		Region:            region,
		Kubeconfig:        c.kubeconfig(),
		KubernetesVersion: c.node.Version,
		NodeImage:         c.node.Ref,
		NodeImageOrigin:   c.node.Origin,
		Nodes:             c.spec.Nodes,
		NodeRole:          nodeRole,
		IMDSHopLimit:      c.spec.IMDSHopLimit,
		RedirectAWS:       c.spec.RedirectAWS,
		Engine:            c.found.String(),
		Capabilities:      Capabilities(),
		Subjects: []clusters.Subject{
			c.subject("agent", agentProgram, c.agent, c.spec.WithoutAgent),
			c.subject("webhook", webhookProgram, c.webhook, c.spec.WithoutWebhook),
		},
		ProbeImage: c.images[probeProgram].Ref,
		AWS: clusters.AWS{
			EndpointURL:     c.emulator.endpoint,
			PodEndpointURL:  c.podEndpoint(),
			AccessKeyID:     c.secrets.accessKeyID,
			SecretAccessKey: c.secrets.secretAccessKey,
		},
		SecondAccount: &clusters.Account{ID: memberAccountID, AdministratorRole: memberAccessRole},
		Control:       &clusters.Control{URL: c.emulator.control, Token: c.secrets.controlToken},
	}
}

func (c *creation) subject(role, program string, given *images.Given, absent bool) clusters.Subject {
	if given != nil {
		return clusters.Subject{Role: role, Image: given.Ref, Digest: given.Digest, Absent: absent}
	}
	image := c.images[program]
	subject := clusters.Subject{Role: role, Image: image.Ref, Digest: image.Digest, Reference: true, Absent: absent}
	if c.spec.Compat == clusters.CompatUpstream {
		like := clusters.Upstream()[role]
		subject.Compat, subject.Product, subject.Version = c.spec.Compat, like.Product, like.Version
	}
	return subject
}

// linkKubectl links the kubectl of a built node image in the folder that `epi aws` adds to the path.
func (c *creation) linkKubectl() error {
	if c.node.Kubectl == "" {
		return nil
	}
	bin := filepath.Join(c.dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return err
	}
	return os.Symlink(c.node.Kubectl, filepath.Join(bin, "kubectl"))
}

func (c *creation) kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

func (c *creation) podEndpoint() string { return "http://" + c.emulator.ip + ":" + emulatorPort }

// waitNodes waits until every node is Ready.
func (c *creation) waitNodes(ctx context.Context, r *resources.Resources, task clusters.Task) error {
	var list corev1.NodeList
	ready := 0
	err := wait.For(conditions.New(r).ResourceListMatchN(&list, c.spec.Nodes, func(object k8s.Object) bool {
		node, ok := object.(*corev1.Node)
		return ok && isReady(node)
	}), pollOften(ctx, timeoutNodes)...)
	for i := range list.Items {
		if isReady(&list.Items[i]) {
			ready++
		}
	}
	if err != nil {
		return fmt.Errorf("wait for %d nodes to be Ready: %w; last seen: %d Ready", c.spec.Nodes, err, ready)
	}
	task.Detail("%d of %d nodes Ready", ready, c.spec.Nodes)
	return nil
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func pollOften(ctx context.Context, timeout time.Duration) []wait.Option {
	return []wait.Option{wait.WithContext(ctx), wait.WithTimeout(timeout), wait.WithInterval(200 * time.Millisecond), wait.WithImmediate()}
}

func loadKubeconfig(file string) (*rest.Config, error) {
	config, err := kubeconfig.Read(file)
	if err != nil {
		return nil, err
	}
	// epi is the only client that matters on this cluster, so client-side throttling would only slow the start.
	config.QPS, config.Burst = 200, 400
	return config, nil
}
