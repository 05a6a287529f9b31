package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/command"
	"github.com/podidentity/epi/clusters/internal/freezer"
)

const (
	// timeoutRemoval bounds the removal of an environment, with its repeats.
	timeoutRemoval = 2 * time.Minute
	// timeoutCommand bounds one command of the engine, which waits for a container that cannot be killed.
	timeoutCommand = 30 * time.Second
)

// leftover is something of an environment that still exists.
type leftover struct {
	// kind is "container" or "network".
	kind string
	name string
	// by is a foreign container that keeps a network in use.
	by string
	// err is the reason why it could not be removed.
	err error
}

// command removes it. It is shown to the user.
func (l leftover) command(engine []string) string {
	args := []string{"rm", "--force", "--volumes", l.name}
	switch {
	case l.by != "":
		args = []string{"network", "disconnect", "--force", l.name, l.by}
	case l.kind == "network":
		args = []string{"network", "rm", l.name}
	}
	return shellescape.QuoteCommand(slices.Concat(engine, args))
}

// removal removes the containers and networks of an environment, and repeats until they are gone.
type removal struct {
	engine      containerEngine
	environment string
	task        clusters.Task
	// thaw thaws the control groups of containers.
	thaw func(ids ...string) ([]string, error)
	// pause waits before a repeat. Each pause is longer.
	pause func(ctx context.Context, attempt int) error
}

func newRemoval(engine containerEngine, environment string, task clusters.Task) *removal {
	return &removal{engine: engine, environment: environment, task: task, thaw: freezer.Thaw, pause: pauseBeforeRepeat}
}

func pauseBeforeRepeat(ctx context.Context, attempt int) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(min(time.Duration(attempt)*200*time.Millisecond, 2*time.Second)):
		return nil
	}
}

// attempts and timeoutRemoval together bound the repeats.
const attempts = 40

// run returns what is left at the end, with the reasons; nothing if all is gone. Its error says that the engine could not
// be asked.
func (r *removal) run(ctx context.Context) ([]leftover, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeoutRemoval, fmt.Errorf("not done within %v", timeoutRemoval))
	defer cancel()
	var left []leftover
	for attempt := 1; ; attempt++ {
		containers, err := r.containers(ctx)
		if err != nil {
			return left, err
		}
		left = r.removeContainers(ctx, containers)
		if len(left) == 0 {
			if left, err = r.removeNetworks(ctx); err != nil {
				return left, err
			}
		}
		if len(left) == 0 {
			// A container that was being created, or that is restarted, may exist now.
			if containers, err = r.containers(ctx); err != nil || len(containers) == 0 {
				return nil, err
			}
			left = containers
			left[0].err = errors.New("it has come back")
		}
		if attempt == attempts {
			return left, nil
		}
		r.task.Detail("waiting for %s %s: %s", left[0].kind, left[0].name, command.LastLine(left[0].err))
		if err := r.pause(ctx, attempt); err != nil {
			return left, nil // the list of what is left says more
		}
	}
}

// containers are those of the environment: its nodes, and the containers with its label.
func (r *removal) containers(ctx context.Context) ([]leftover, error) {
	nodes, err := ownNodes(ctx, r.engine, r.environment)
	if err != nil {
		return nil, err
	}
	made, err := regionNodes(ctx, r.engine, r.environment)
	if err != nil {
		return nil, err
	}
	listed, err := r.engine.Output(ctx, "ps", "--all", "--no-trunc", "--filter", "label="+environmentLabel+"="+r.environment, "--format", "{{.Names}}")
	if err != nil {
		return nil, fmt.Errorf("list containers of %s: %w", r.environment, err)
	}
	var found []leftover
	for _, name := range slices.Concat(nodes, made, strings.Fields(listed)) {
		// The engine may list several names of a container, separated by commas. The first one is enough.
		name, _, _ = strings.Cut(name, ",")
		if !slices.ContainsFunc(found, func(l leftover) bool { return l.name == name }) {
			found = append(found, leftover{kind: "container", name: name})
		}
	}
	return found, nil
}

// removeContainers removes each container by itself, so that a failure does not affect the others.
func (r *removal) removeContainers(ctx context.Context, containers []leftover) (left []leftover) {
	for _, container := range containers {
		r.release(ctx, container.name)
		ctx, cancel := context.WithTimeoutCause(ctx, timeoutCommand, fmt.Errorf("no answer within %v", timeoutCommand))
		_, err := r.engine.Output(ctx, "rm", "--force", "--volumes", container.name)
		cancel()
		if err == nil || isGone(err) {
			continue
		}
		container.err = err
		left = append(left, container)
	}
	return left
}

// release makes it possible to end a container. A paused container takes no signal, and neither does one with a frozen
// control group, which a pod whose creation was interrupted may have.
func (r *removal) release(ctx context.Context, container string) {
	ctx, cancel := context.WithTimeout(ctx, timeoutCommand)
	defer cancel()
	described, err := r.engine.Output(ctx, "container", "inspect", container)
	if err != nil {
		return // the removal returns the reason
	}
	var list []struct {
		ID    string `json:"Id"`
		State struct{ Paused bool }
	}
	if json.Unmarshal([]byte(described), &list) != nil || len(list) != 1 {
		return
	}
	if list[0].State.Paused {
		_, _ = r.engine.Output(ctx, "unpause", container) // thawing ends the pause too
	}
	// An engine in a virtual machine has its control groups there, so none are found here.
	if thawed, err := r.thaw(list[0].ID); err == nil && len(thawed) > 0 {
		r.task.Detail("thawed %d control groups of container %s", len(thawed), container)
	}
}

// isGone says whether the error means that there is nothing to remove.
func isGone(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "no such container") || strings.Contains(text, "no such network") ||
		strings.Contains(text, "no container with name or id") || strings.Contains(text, "network not found") || strings.Contains(text, "unable to find network")
}

// removeNetworks removes the networks that have the environment's label.
func (r *removal) removeNetworks(ctx context.Context) (left []leftover, err error) {
	listed, err := r.engine.Output(ctx, "network", "ls", "--filter", "label="+environmentLabel+"="+r.environment, "--format", "{{.Name}}")
	if err != nil {
		return nil, fmt.Errorf("list networks of %s: %w", r.environment, err)
	}
	for _, name := range strings.Fields(listed) {
		_, err := r.engine.Output(ctx, "network", "rm", name)
		if err != nil && !isGone(err) {
			left = append(left, leftover{kind: "network", name: name, by: r.holder(ctx, name), err: err})
		}
	}
	return left, nil
}

// holder returns a foreign container that is connected to a network. It disconnects a container that the engine lists and
// that is gone.
func (r *removal) holder(ctx context.Context, network string) string {
	connected, err := r.engine.Output(ctx, "network", "inspect", "--format", "{{range .Containers}}{{.Name}} {{end}}", network)
	if err != nil {
		return ""
	}
	for _, name := range strings.Fields(connected) {
		if _, err := r.engine.Output(ctx, "container", "inspect", name); err == nil {
			return name
		} else if isGone(err) {
			_, _ = r.engine.Output(ctx, "network", "disconnect", "--force", network, name) // the next removal returns the reason
		}
	}
	return ""
}

// leftError says what is left of an environment and how to remove it by hand.
func leftError(environment string, left []leftover, engine []string, err error) error {
	if len(left) == 0 {
		return err
	}
	var names []string
	for _, l := range left {
		names = append(names, l.kind+" "+l.name)
	}
	if left[0].by != "" {
		names[0] += ", which container " + left[0].by + " is connected to,"
	}
	reason := left[0].err
	if reason == nil {
		reason = err
	}
	return &clusters.EnvironmentError{
		Doing:  fmt.Sprintf("remove environment %q", environment),
		Err:    fmt.Errorf("%s is left: %s", strings.Join(names, ", "), command.LastLine(reason)),
		Remedy: "remove it with: " + left[0].command(engine),
	}
}
