package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/exec"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
)

// kindLabel is kind's label of its nodes' containers. Its value is the cluster's name.
const kindLabel = "io.x-k8s.kind.cluster"

// Down removes everything that the named environment left; see clusters.Provider.
func (p *Provider) Down(ctx context.Context, name string, progress clusters.Progress) error {
	if err := clusters.CheckName(name); err != nil {
		return err
	}
	// A folder at the environment's place that is not epi's is reported before anything is removed.
	if _, err := clusters.ProviderOf(p.dirs, name); err != nil && !errors.Is(err, clusters.ErrNoEnvironment) {
		return err
	}
	found, err := engine.Find(ctx, engine.Options{Dirs: p.dirs})
	if err != nil {
		return environmentError("find container engine", err)
	}
	if found == nil {
		return p.withoutEngine(ctx, name)
	}
	return p.remove(ctx, found, name, progress)
}

func (p *Provider) remove(ctx context.Context, found *engine.Engine, name string, progress clusters.Progress) error {
	task := progress.Start(fmt.Sprintf("Remove cluster %q, its emulator and its network", name))
	client := clientOf(found)
	err := func() error {
		left, err := newRemoval(client, name, task).run(ctx)
		if err != nil || len(left) > 0 {
			return leftError(name, left, commandLine(found), err)
		}
		return clusters.RemoveEnvironmentDir(p.dirs, name)
	}()
	task.End(err)
	if err != nil && clusters.Remedy(err) == "" {
		return &clusters.EnvironmentError{
			Doing:  fmt.Sprintf("remove environment %q", name),
			Remedy: "see what the engine says: " + shellescape.QuoteCommand(append(commandLine(found), "ps", "--all")),
			Err:    err,
		}
	}
	return err
}

// commandLine is the beginning of a command of the engine, as a user types it.
func commandLine(found *engine.Engine) []string {
	if found.Host == "" {
		return []string{found.Name}
	}
	return []string{"env", "DOCKER_HOST=" + found.Host, found.Name}
}

// withoutEngine removes the folder of an environment while no engine answers. It does not if an engine may hold containers
// of it.
func (p *Provider) withoutEngine(ctx context.Context, name string) error {
	there, err := clusters.HasEnvironmentDir(p.dirs, name)
	if err != nil || !there {
		return err
	}
	reason := engine.Unanswered(ctx)
	if reason == nil {
		return clusters.RemoveEnvironmentDir(p.dirs, name)
	}
	dir, err := p.dirs.EnvironmentDir(name)
	if err != nil {
		return err
	}
	return &clusters.EnvironmentError{
		Doing: fmt.Sprintf("remove environment %q", name), Err: fmt.Errorf("its container engine does not answer: %w", reason),
		Remedy: "start the engine and try again; or, if it is gone for good, remove what epi keeps: rm -r " + shellescape.Quote(dir),
	}
}

// clusterContainers returns the names of the containers of the kind cluster.
func clusterContainers(ctx context.Context, engine containerEngine, name string) ([]string, error) {
	names, err := engine.Output(ctx, "ps", "--all", "--filter", "label="+kindLabel+"="+name, "--format", "{{.Names}}")
	if err != nil {
		return nil, fmt.Errorf("list nodes of %s: %w", name, err)
	}
	return strings.Fields(names), nil
}

// ownNodes returns those of the kind cluster's containers that epi created. kind does not let its users label them. epi's
// are on the environment's own network, and those of a user's own cluster of the same name are not.
func ownNodes(ctx context.Context, engine containerEngine, name string) ([]string, error) {
	names, err := clusterContainers(ctx, engine, name)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	foreign, err := hasForeignNetwork(ctx, engine, name)
	if err != nil || foreign {
		return nil, err
	}
	return onNetwork(ctx, engine, names, networkName(name))
}

// regionNodes returns the containers of the kind clusters of a region: those whose names begin with the region's, and that
// were created on the region's own network.
func regionNodes(ctx context.Context, engine containerEngine, region string) ([]string, error) {
	listed, err := engine.Output(ctx, "ps", "--all", "--filter", "label="+kindLabel, "--format", `{{.Names}}`+"\t"+`{{.Label "`+kindLabel+`"}}`)
	if err != nil {
		return nil, fmt.Errorf("list clusters of region %s: %w", region, err)
	}
	var names []string
	for line := range strings.Lines(listed) {
		container, cluster, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if id, ok := strings.CutPrefix(cluster, region+"-"); ok && regionClusterID.MatchString(id) {
			names = append(names, container)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	foreign, err := hasForeignNetwork(ctx, engine, region)
	if err != nil || foreign {
		return nil, err
	}
	return onNetwork(ctx, engine, names, networkName(region))
}

// regionClusterID is the text that follows a region's name in the names of its kind clusters.
var regionClusterID = regexp.MustCompile(`^[0-9a-f]{8}$`)

// onNetwork returns those of the containers that were created on a network.
func onNetwork(ctx context.Context, engine containerEngine, names []string, network string) ([]string, error) {
	var own []string
	for _, container := range names {
		described, err := engine.Output(ctx, "container", "inspect", container)
		if err != nil {
			if listed, listErr := engine.Output(ctx, "ps", "--all", "--format", "{{.Names}}"); listErr == nil && !slices.Contains(strings.Fields(listed), container) {
				continue // it was just removed
			}
			return nil, fmt.Errorf("look at node %s: %w", container, err)
		}
		made, err := madeOnNetwork(described, network)
		if err != nil {
			return nil, fmt.Errorf("look at node %s: %w", container, err)
		}
		if made {
			own = append(own, container)
		}
	}
	return own, nil
}

// madeOnNetwork says whether a container was created on the network, by an engine's `container inspect`. Docker has the
// network in the network mode. podman and nerdctl, whose mode is only "bridge", have it elsewhere.
func madeOnNetwork(described, network string) (bool, error) {
	var list []struct {
		Config struct {
			Labels map[string]string
		}
		HostConfig struct {
			NetworkMode string
		}
		NetworkSettings struct {
			Networks map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(described), &list); err != nil || len(list) != 1 {
		return false, fmt.Errorf("read the description of a container: %d described, %w", len(list), err)
	}
	container := list[0]
	mode := container.HostConfig.NetworkMode
	if mode != "" && mode != "bridge" && mode != "default" {
		return mode == network, nil
	}
	if labelled, ok := container.Config.Labels["nerdctl/networks"]; ok {
		var names []string
		return json.Unmarshal([]byte(labelled), &names) == nil && slices.Contains(names, network), nil
	}
	_, on := container.NetworkSettings.Networks[network]
	return on && len(container.NetworkSettings.Networks) == 1, nil
}

// removeNodes removes the nodes' containers. kind leaves nothing else: the kubeconfig is in the environment's folder.
func removeNodes(ctx context.Context, engine containerEngine, name string) error {
	names, err := ownNodes(ctx, engine, name)
	if err != nil || len(names) == 0 {
		return err
	}
	if _, err := engine.Output(ctx, append([]string{"rm", "--force", "--volumes"}, names...)...); err != nil {
		return fmt.Errorf("remove nodes of %s: %w", name, err)
	}
	return nil
}

// Names lists the environments of this machine, also those that are incomplete.
func (p *Provider) Names(ctx context.Context) ([]string, error) {
	names, err := clusters.EnvironmentNames(p.dirs)
	if err != nil {
		return nil, err
	}
	add := func(name string) {
		// A label that is no valid name of an environment is not epi's.
		if clusters.CheckName(name) == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	found, err := engine.Find(ctx, engine.Options{Dirs: p.dirs})
	if err != nil {
		return nil, environmentError("find container engine", err)
	}
	if found == nil {
		return names, nil
	}
	for _, kind := range []string{"ps --all", "network ls"} {
		args := append(strings.Fields(kind), "--filter", "label="+environmentLabel, "--format", `{{.Label "`+environmentLabel+`"}}`)
		labels, err := clientOf(found).Output(ctx, args...)
		if err != nil {
			return nil, fmt.Errorf("list environments: %w", err)
		}
		for _, name := range strings.Fields(labels) {
			add(name)
		}
	}
	return names, nil
}

// newKindProvider returns kind's own provider. kind finds the engine only through the environment of this process, so it is
// set there. One process brings up one environment.
func newKindProvider(found *engine.Engine, environment string, logger taskLogger) *cluster.Provider {
	for _, variable := range append(found.Env(), "KIND_EXPERIMENTAL_DOCKER_NETWORK="+networkName(environment),
		"KIND_EXPERIMENTAL_PODMAN_NETWORK="+networkName(environment)) {
		key, value, _ := strings.Cut(variable, "=")
		_ = os.Setenv(key, value) // fails only on a name with '=' or NUL
	}
	var runtime cluster.ProviderOption
	switch found.Name {
	case "podman":
		runtime = cluster.ProviderWithPodman()
	case "nerdctl":
		runtime = cluster.ProviderWithNerdctl("nerdctl")
	default:
		runtime = cluster.ProviderWithDocker()
	}
	return cluster.NewProvider(runtime, cluster.ProviderWithLogger(logger))
}

// explain adds the failed command's output and the last lines of the nodes to kind's error.
func (c *creation) explain(ctx context.Context, err error) error {
	if command := exec.RunErrorForError(err); command != nil {
		err = fmt.Errorf("%w\n%s", err, lastLines(string(command.Output), 20))
	}
	names, listErr := clusterContainers(ctx, c.engine, c.spec.Name)
	if listErr != nil {
		return err
	}
	for _, name := range names {
		if logs, logErr := c.engine.Output(ctx, "logs", "--tail", "15", name); logErr == nil {
			err = fmt.Errorf("%w\nlast lines of node %s:\n%s", err, name, lastLines(logs, 15))
		}
	}
	if strings.Contains(err.Error(), "Too many open files") {
		// Every node runs an init system, a container runtime and a kubelet, which all watch files.
		err = &clusters.EnvironmentError{
			Doing: "create cluster", Err: err,
			Remedy: "the machine allows too few watches of files for one more node: sysctl fs.inotify.max_user_instances=512, or remove another environment",
		}
	}
	return err
}

// controls are the sequences with which a program moves the cursor and sets colours on a terminal (ECMA-48). systemd in a
// node writes them.
var controls = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f]`)

// lastLines returns the last n lines of a program's output, as text.
func lastLines(text string, n int) string {
	text = controls.ReplaceAllString(text, "")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// ownImage matches the names of images that epi makes: of the emulator, a node, or the trial of an engine. Each has a tag
// of its own form. An image with another tag is the user's.
var ownImage = regexp.MustCompile(`^localhost/(epi-emulator:[0-9a-f]{12}|epi-node:v[0-9.]+-[0-9a-f]{12}|epi-engine-check:[0-9]+)$`)

// RemoveImages removes epi's own images from the container engine, also from a user's. They can be built again from the
// cache folder. Images that the user chose stay.
func (p *Provider) RemoveImages(ctx context.Context) error {
	found, err := engine.Find(ctx, engine.Options{Dirs: p.dirs})
	if err != nil {
		return environmentError("find container engine", err)
	}
	if found == nil {
		return nil
	}
	client := clientOf(found)
	var refs []string
	for _, repository := range []string{"localhost/" + emulatorProgram, "localhost/epi-node", "localhost/epi-engine-check"} {
		listed, err := client.Output(ctx, "image", "ls", "--filter", "reference="+repository, "--format", "{{.Repository}}:{{.Tag}}")
		if err != nil {
			return fmt.Errorf("list images of %s: %w", repository, err)
		}
		for _, ref := range strings.Fields(listed) {
			if ownImage.MatchString(ref) {
				refs = append(refs, ref)
			}
		}
	}
	if len(refs) == 0 {
		return nil
	}
	if _, err := client.Output(ctx, append([]string{"image", "rm", "--force"}, refs...)...); err != nil {
		return fmt.Errorf("remove images: %w", err)
	}
	return nil
}
