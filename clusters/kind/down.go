package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/exec"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
)

// kindLabel is what kind marks its nodes' containers with: the value is the cluster's name.
const kindLabel = "io.x-k8s.kind.cluster"

// Down removes everything the named environment left; see clusters.Provider.
func (p *Provider) Down(ctx context.Context, name string, progress clusters.Progress) error {
	found, err := engine.Find(ctx, engine.Options{Dirs: p.dirs})
	if err != nil {
		return environmentError("find container engine", err)
	}
	if found == nil {
		// Without an engine there are no containers: what is left is the folder.
		return p.forget(name)
	}
	return p.remove(ctx, found, name, progress)
}

func (p *Provider) remove(ctx context.Context, found *engine.Engine, name string, progress clusters.Progress) error {
	task := progress.Start(fmt.Sprintf("Remove cluster %q, its emulator and its network", name))
	client := clientOf(found)
	err := func() error {
		ours, err := isOurs(ctx, client, p.dirs, name)
		if err != nil {
			return err
		}
		var left []error
		if ours {
			left = append(left, removeNodes(ctx, client, name))
		}
		// Each removal goes on past the error of another: what can be removed is.
		left = append(left, removeContainers(ctx, client, name))
		if err := errors.Join(left...); err != nil {
			return err
		}
		if err := removeNetworks(ctx, client, name); err != nil {
			return err
		}
		return p.forget(name)
	}()
	task.End(err)
	if err != nil {
		return &clusters.EnvironmentError{
			Doing:  fmt.Sprintf("remove environment %q", name),
			Remedy: fmt.Sprintf("something of it is left: remove it with: epi down --name %s", name),
			Err:    err,
		}
	}
	return nil
}

func (p *Provider) forget(name string) error {
	if err := os.RemoveAll(p.dirs.EnvironmentDir(name)); err != nil {
		return fmt.Errorf("remove folder of environment %s: %w", name, err)
	}
	return nil
}

// isOurs tells a cluster of epi's from a user's own kind cluster of the same name: ours has a
// folder, which is made before anything else, or stands on its own network.
func isOurs(ctx context.Context, engine containerEngine, dirs clusters.Dirs, name string) (bool, error) {
	if _, err := os.Stat(dirs.EnvironmentDir(name)); err == nil {
		return true, nil
	}
	networks, err := engine.Output(ctx, "network", "ls", "--quiet", "--filter", "label="+environmentLabel+"="+name)
	if err != nil {
		return false, fmt.Errorf("list networks of %s: %w", name, err)
	}
	return strings.TrimSpace(networks) != "", nil
}

// clusterContainers returns the names of the containers of the kind cluster.
func clusterContainers(ctx context.Context, engine containerEngine, name string) ([]string, error) {
	names, err := engine.Output(ctx, "ps", "--all", "--filter", "label="+kindLabel+"="+name, "--format", "{{.Names}}")
	if err != nil {
		return nil, fmt.Errorf("list nodes of %s: %w", name, err)
	}
	return strings.Fields(names), nil
}

// removeNodes removes the nodes' containers, which is all that kind leaves: the kubeconfig is in
// the environment's folder.
func removeNodes(ctx context.Context, engine containerEngine, name string) error {
	names, err := clusterContainers(ctx, engine, name)
	if err != nil || len(names) == 0 {
		return err
	}
	if _, err := engine.Output(ctx, append([]string{"rm", "--force", "--volumes"}, names...)...); err != nil {
		return fmt.Errorf("remove nodes of %s: %w", name, err)
	}
	return nil
}

// Tidy removes the folders of state that are empty once every environment and the engine are gone.
func (p *Provider) Tidy() {
	for _, dir := range []string{p.dirs.EnvironmentDir(""), p.dirs.State} {
		_ = os.Remove(dir) // fails where something is left, and then it must stay
	}
}

// Names lists the environments of this machine, also those that are half up or half down.
func (p *Provider) Names(ctx context.Context) ([]string, error) {
	seen := map[string]bool{}
	var names []string
	add := func(name string) {
		if name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	entries, err := os.ReadDir(p.dirs.EnvironmentDir(""))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list environments: %w", err)
	}
	for _, entry := range entries {
		add(entry.Name())
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

// newKindProvider returns kind's own provider. kind finds the engine through the environment of
// this process and through nothing else, so that is where it is told; one process brings up one
// environment.
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

// explain adds to kind's error what the failed command printed and the last lines of the nodes.
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
			err = fmt.Errorf("%w\nlast lines of node %s:\n%s", err, name, logs)
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

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// RemoveImages removes epi's own images from the container engine, also from a user's: they can be
// made again from the cache folder. Images of the user's choice are left alone.
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
	for _, repository := range []string{"localhost/" + emulatorProgram, "localhost/epi-node"} {
		listed, err := client.Output(ctx, "image", "ls", "--filter", "reference="+repository, "--format", "{{.Repository}}:{{.Tag}}")
		if err != nil {
			return fmt.Errorf("list images of %s: %w", repository, err)
		}
		refs = append(refs, strings.Fields(listed)...)
	}
	if len(refs) == 0 {
		return nil
	}
	if _, err := client.Output(ctx, append([]string{"image", "rm", "--force"}, refs...)...); err != nil {
		return fmt.Errorf("remove images: %w", err)
	}
	return nil
}
