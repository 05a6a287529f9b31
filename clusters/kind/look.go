package kind

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/engine"
)

// The roles of containers.
const (
	RoleNode     = "node"
	RoleEmulator = "emulator"
)

// Container is a container of an environment, as the container engine describes it.
type Container struct {
	Name string
	// Role is RoleNode or RoleEmulator.
	Role string
	// State in the engine's words, such as "running", "paused" or "exited".
	State string
	// Since in the engine's words, such as "Up 5 minutes".
	Since string
}

// Containers returns the containers of an environment, the nodes first. It returns none if nothing is left.
func Containers(ctx context.Context, found *engine.Engine, environment string) ([]Container, error) {
	return containersOf(ctx, clientOf(found), environment)
}

func containersOf(ctx context.Context, engine containerEngine, environment string) ([]Container, error) {
	var list []Container
	for _, of := range []struct{ role, label string }{{RoleNode, kindLabel}, {RoleEmulator, environmentLabel}} {
		output, err := engine.Output(ctx, "ps", "--all", "--filter", "label="+of.label+"="+environment, "--format", "{{.Names}}\t{{.State}}\t{{.Status}}")
		if err != nil {
			return nil, fmt.Errorf("list containers of %s: %w", environment, err)
		}
		for line := range strings.Lines(output) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if len(fields) != 3 || slices.ContainsFunc(list, func(c Container) bool { return c.Name == fields[0] }) {
				continue
			}
			list = append(list, Container{Name: fields[0], Role: of.role, State: fields[1], Since: fields[2]})
		}
	}
	return list, nil
}

// Labelled returns the names of the environments that have something in the engine.
func Labelled(ctx context.Context, found *engine.Engine) ([]string, error) {
	var names []string
	for _, what := range [][]string{{"ps", "--all"}, {"network", "ls"}} {
		args := slices.Concat(what, []string{"--filter", "label=" + environmentLabel, "--format", `{{.Label "` + environmentLabel + `"}}`})
		labels, err := clientOf(found).Output(ctx, args...)
		if err != nil {
			return nil, fmt.Errorf("list environments: %w", err)
		}
		names = append(names, strings.Fields(labels)...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
