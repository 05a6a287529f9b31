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

// Inspect returns how to ask the container engine about the machines and programs of a running environment:
// what the API server cannot tell, such as that its own node is paused.
func (p *Provider) Inspect(ctx context.Context, env *clusters.Environment) (watch.Inspect, error) {
	found, err := engine.Find(ctx, engine.Options{Dirs: p.dirs})
	if err != nil {
		return nil, environmentError("find container engine", err)
	}
	if found == nil {
		return nil, environmentError("find container engine", errors.New("there is none"))
	}
	client := clientOf(found)
	return func(ctx context.Context, name string) error {
		if name == watch.Emulator {
			name = emulatorName(env.Name)
		}
		return inspectContainer(ctx, client, name)
	}, nil
}

// inspectContainer returns a *watch.AwayError if the engine knows that the container does not run.
func inspectContainer(ctx context.Context, engine containerEngine, name string) error {
	state, err := engine.Output(ctx, "inspect", "--type", "container", "--format", "{{.State.Status}} {{.State.ExitCode}}", name)
	if err != nil {
		if strings.Contains(strings.ToLower(err.Error()), "no such") {
			return &watch.AwayError{Why: "its container was removed", Final: true}
		}
		return fmt.Errorf("inspect container %s: %w", name, err)
	}
	return containerState(state)
}

// containerState judges "STATUS EXITCODE" of a container
// (https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container/operation/ContainerInspect).
func containerState(state string) error {
	status, code, _ := strings.Cut(strings.TrimSpace(state), " ")
	switch status {
	case "paused":
		return &watch.AwayError{Why: "its container is paused"}
	case "restarting":
		return &watch.AwayError{Why: "its container restarts"}
	case "exited", "dead":
		return &watch.AwayError{Why: fmt.Sprintf("its container has ended with code %s", code), Final: true}
	case "removing":
		return &watch.AwayError{Why: "its container is being removed", Final: true}
	}
	return nil
}
