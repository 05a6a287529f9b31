package kind

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/watch"
)

// Inspect returns functions that ask the container engine about the machines and programs of a running environment. The
// engine knows what the API server cannot know, such as that its own node is paused.
func (p *Provider) Inspect(ctx context.Context, env *clusters.Environment) (watch.Inspect, error) {
	found, err := engine.Find(ctx, engine.Options{Dirs: p.dirs})
	if err != nil {
		return nil, environmentError("find container engine", err)
	}
	if found == nil {
		return nil, environmentError("find container engine", errors.New("there is none"))
	}
	client := clientOf(found)
	nodes, err := clusterContainers(ctx, client, env.Name)
	if err != nil {
		return nil, environmentError("list nodes", err)
	}
	// What epi configured in a node, such as its route to instance metadata, is lost when the node restarts. The emulator
	// keeps everything.
	started := map[string]string{}
	for _, node := range nodes {
		if _, started[node], err = inspectContainer(ctx, client, node); err != nil {
			return nil, environmentError("look at nodes", err)
		}
	}
	return func(ctx context.Context, name string) error {
		container := name
		if name == watch.Emulator {
			container = emulatorName(env.Name)
		}
		state, begun, err := inspectContainer(ctx, client, container)
		switch {
		case err != nil:
			return err
		case state == nil && started[name] != "" && begun != started[name]:
			return &watch.AwayError{Why: "its container was started anew, without what epi had set up in it", Final: true}
		case state == nil:
			return nil
		}
		return state
	}, nil
}

// inspectContainer returns the reason why a container does not run, as far as the engine knows it, and the time when it was
// started.
func inspectContainer(ctx context.Context, engine containerEngine, name string) (state *watch.AwayError, started string, _ error) {
	text, err := engine.Output(ctx, "inspect", "--type", "container", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}}", name)
	if err != nil {
		if strings.Contains(strings.ToLower(err.Error()), "no such") {
			return &watch.AwayError{Why: "its container was removed", Final: true}, "", nil
		}
		return nil, "", fmt.Errorf("inspect container %s: %w", name, err)
	}
	state, started = containerState(text)
	return state, started, nil
}

// containerState reads "STATUS EXITCODE STARTED" of a container. state is nil if it runs
// (https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container/operation/ContainerInspect).
func containerState(text string) (state *watch.AwayError, started string) {
	status, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	code, started, _ := strings.Cut(rest, " ")
	switch status {
	case "paused":
		return &watch.AwayError{Why: "its container is paused"}, started
	case "restarting":
		return &watch.AwayError{Why: "its container restarts"}, started
	case "exited", "dead":
		return &watch.AwayError{Why: fmt.Sprintf("its container has ended with code %s", code), Final: true}, started
	case "removing":
		return &watch.AwayError{Why: "its container is being removed", Final: true}, started
	}
	return nil, started
}
