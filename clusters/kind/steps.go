package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/addons"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/images"
	"github.com/podidentity/epi/clusters/nodeimage"
)

const (
	agentProgram    = "epi-agent"
	webhookProgram  = "epi-webhook"
	emulatorProgram = "epi-emulator"
	probeProgram    = "epi-probe"

	// agentUser is root, because the agent creates a network link and binds port 80 on the host network.
	agentUser = "0"
)

// Programs are those that epi brings into its environments. The emulator runs as root, because it adds an address to its
// own.
func Programs() []images.Program {
	return []images.Program{
		{Name: agentProgram, User: agentUser},
		{Name: webhookProgram, User: "65532"},
		{Name: emulatorProgram, User: "0"},
		{Name: probeProgram, User: "65532"},
	}
}

// prepareImages finds or builds the node image and, at the same time, the images of epi's own programs.
func (c *creation) prepareImages(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		c.node, err = nodeimage.Ensure(ctx, nodeimage.Options{
			Dirs: c.dirs, Engine: c.found, Version: c.spec.KubernetesVersion, Given: c.spec.NodeImage, Binaries: c.spec.Binaries,
		}, c.progress)
		return err
	})
	group.Go(func() error {
		task := c.progress.Start("Images of emulator, agent, webhook and probe")
		err := c.buildImages(ctx)
		task.End(err)
		return err
	})
	group.Go(func() (err error) {
		if c.agent, err = c.prepareGiven(ctx, "agent", c.spec.Agent); err != nil {
			return err
		}
		c.webhook, err = c.prepareGiven(ctx, "webhook", c.spec.Webhook)
		return err
	})
	return group.Wait()
}

func (c *creation) buildImages(ctx context.Context) error {
	c.images = map[string]*images.Image{}
	for _, program := range Programs() {
		image, err := images.Build(c.spec.Binaries, program)
		if err != nil {
			return err
		}
		c.images[program.Name] = image
	}
	// The emulator runs beside the nodes, in the engine itself.
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(images.Archive(writer, c.images[emulatorProgram])) }()
	defer func() { _ = reader.Close() }() // ends the writer when the engine stops reading
	return c.engine.Load(ctx, reader)
}

func (c *creation) startEmulator(ctx context.Context) error {
	return c.startEmulatorWith(ctx, serveArgs(c.spec))
}

func (c *creation) startEmulatorWith(ctx context.Context, args []string) error {
	task := c.progress.Start("AWS emulator")
	err := func() (err error) {
		c.emulator, err = startEmulator(ctx, c.engine, c.spec.Name, c.images[emulatorProgram], c.secrets, args)
		if err != nil {
			return err
		}
		if err := c.control().WaitHealthy(ctx, 30*time.Second); err != nil {
			logs, _ := c.engine.Output(ctx, "logs", "--tail", "20", emulatorName(c.spec.Name))
			return fmt.Errorf("%w; its last lines:\n%s", err, logs)
		}
		return nil
	}()
	task.End(err)
	return err
}

func (c *creation) control() *control.Client {
	return control.New(c.emulator.control, c.secrets.controlToken)
}

// creationResult is the result of kind's creation of a cluster.
type creationResult struct{ err error }

// createCluster creates the kind cluster. It loads epi's images as soon as the nodes accept images.
func (c *creation) createCluster(ctx context.Context) error {
	task := c.progress.Start(fmt.Sprintf("Cluster %q, %s, Kubernetes %s", c.spec.Name, count(c.spec.Nodes, "node"), c.node.Version))
	err := func() error {
		network, err := writeNetworkConfig(c.dir)
		if err != nil {
			return err
		}
		config := clusterConfig(c.spec, c.node.Ref, c.node.KubeadmPatches, network)
		if c.spec.RedirectAWS {
			resolver, err := writeResolverConfig(c.dir, c.emulator.ip)
			if err != nil {
				return err
			}
			resolveBy(config, resolver)
		}
		kindProvider := newKindProvider(c.found, c.spec.Name, taskLogger{task: task})
		created := make(chan creationResult, 1)
		go func() {
			created <- creationResult{kindProvider.Create(c.spec.Name,
				cluster.CreateWithV1Alpha4Config(config),
				cluster.CreateWithKubeconfigPath(c.kubeconfig()),
				cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false),
				// After an error the nodes are removed. The reason is read before that.
				cluster.CreateWithRetain(true),
			)}
		}()
		select {
		case result := <-created:
			if result.err != nil {
				// kind's commands are in this process's process group. A terminal's Ctrl-C ends them directly, perhaps
				// before this process gets the signal.
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-time.After(time.Second):
					return c.explain(ctx, result.err)
				}
			}
		case <-ctx.Done():
			// kind knows no context. Without its containers it soon ends with an error. Only then is it certain that
			// nothing is left.
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeoutCleanup)
			defer cancel()
			for {
				_ = removeNodes(cleanup, c.engine, c.spec.Name)
				select {
				case <-created:
					return context.Cause(ctx)
				case <-cleanup.Done():
					return context.Cause(ctx)
				case <-time.After(200 * time.Millisecond):
				}
			}
		}
		c.kube, err = loadKubeconfig(c.kubeconfig())
		if err != nil {
			return err
		}
		c.kube.Wrap(func(next http.RoundTripper) http.RoundTripper { return until{ctx, next} })
		return os.Chmod(c.kubeconfig(), 0o600)
	}()
	task.End(err)
	return err
}

// connectNodes sets up the routes of pods and instance metadata, loads epi's images and waits for the nodes.
func (c *creation) connectNodes(ctx context.Context) error {
	task := c.progress.Start("Nodes Ready")
	err := func() error {
		list, err := newKindProvider(c.found, c.spec.Name, taskLogger{task: task}).ListInternalNodes(c.spec.Name)
		if err != nil {
			return fmt.Errorf("list nodes: %w", err)
		}
		r, err := resources.New(c.kube)
		if err != nil {
			return fmt.Errorf("reach cluster: %w", err)
		}
		enableIPv6(ctx, list)
		if c.agent != nil {
			if err := makeAgentLink(ctx, list); err != nil {
				return err
			}
		}
		if err := routeMetadata(ctx, list, c.emulator.ip); err != nil {
			return err
		}
		group, ctx := errgroup.WithContext(ctx)
		for _, node := range list {
			group.Go(func() error { return errors.Join(c.loadImages(node), c.loadGiven(node)) })
		}
		group.Go(func() error {
			if err := connectPods(ctx, r, list); err != nil {
				return err
			}
			return c.waitNodes(ctx, r, task)
		})
		return group.Wait()
	}()
	task.End(err)
	return err
}

// loadImages loads the images of epi's programs onto a node.
func (c *creation) loadImages(node nodes.Node) error {
	var list []*images.Image
	for _, program := range Programs() {
		list = append(list, c.images[program.Name])
	}
	return loadOnNode(node, list...)
}

// registerCluster registers the cluster's issuer and keys with the emulator, as EKS knows those of its clusters.
func (c *creation) registerCluster(ctx context.Context) error {
	client, err := rest.HTTPClientFor(c.kube)
	if err != nil {
		return fmt.Errorf("reach cluster: %w", err)
	}
	var discovery struct {
		Issuer string `json:"issuer"`
	}
	document, err := get(ctx, client, c.kube.Host+"/.well-known/openid-configuration")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(document, &discovery); err != nil {
		return fmt.Errorf("read issuer of cluster: %w", err)
	}
	keys, err := get(ctx, client, c.kube.Host+"/openid/v1/jwks")
	if err != nil {
		return err
	}
	registered := control.Cluster{
		Issuer: discovery.Issuer, JWKS: keys, Version: c.node.Version, Endpoint: c.kube.Host, CertificateAuthority: c.kube.CAData,
	}
	if !c.spec.WithoutAgent {
		registered.Addons = []string{clusters.AgentName}
	}
	return c.control().RegisterCluster(ctx, c.spec.Name, registered)
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", url, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	return body, nil
}

// installAddons installs agent and webhook at the same time and waits for both.
func (c *creation) installAddons(ctx context.Context) error {
	installer, err := addons.New(c.kube)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if !c.spec.WithoutAgent {
		group.Go(func() error {
			task := c.progress.Start("Pod Identity agent: " + reference(c.spec.Agent.Image))
			err := installer.InstallAgent(ctx, addons.Agent{
				Subject: c.addon(agentProgram, c.spec.Agent, c.agent), ClusterName: c.spec.Name, Region: region, Endpoint: c.podEndpoint(),
			})
			if err == nil {
				err = installer.WaitAgent(ctx, task)
			}
			task.End(err)
			return err
		})
	}
	if !c.spec.WithoutWebhook {
		group.Go(func() error {
			task := c.progress.Start("Pod Identity webhook: " + reference(c.spec.Webhook.Image))
			err := installer.InstallWebhook(ctx, addons.Webhook{
				Subject: c.addon(webhookProgram, c.spec.Webhook, c.webhook), ClusterName: c.spec.Name, Region: region,
				SyncImage: c.images[emulatorProgram].Ref, SyncToken: c.secrets.syncToken,
				ControlURL: "http://" + c.emulator.ip + ":" + emulatorControlPort,
			})
			if err == nil {
				err = installer.WaitWebhook(ctx, task)
			}
			task.End(err)
			return err
		})
	}
	return group.Wait()
}

func reference(given string) string {
	if given == "" {
		return "reference"
	}
	return given
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
