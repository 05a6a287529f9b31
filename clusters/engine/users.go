package engine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
)

// clients are the command lines that kind supports, in its order of preference.
var clients = []string{"docker", "podman", "nerdctl"}

// findUsers returns the first of the user's own engines that answers, or the reason why none does.
func findUsers(ctx context.Context) (*Engine, error) {
	var reasons []error
	for _, name := range clients {
		if _, err := exec.LookPath(name); err != nil {
			continue
		}
		found := &Engine{Name: name}
		if err := found.ping(ctx); err != nil {
			reasons = append(reasons, fmt.Errorf("%s does not answer: %w", name, err))
			continue
		}
		return found, nil
	}
	if len(reasons) == 0 {
		return nil, errors.New("there is no docker, podman or nerdctl")
	}
	return nil, errors.Join(reasons...)
}

// Unanswered returns the reason why none of the user's own engines answers although one's command line is installed; nil if
// none is installed, or if one answers.
func Unanswered(ctx context.Context) error {
	for _, name := range clients {
		if _, err := exec.LookPath(name); err == nil {
			_, err := findUsers(ctx)
			return err
		}
	}
	return nil
}

// ping asks the engine for its version and sets it.
func (e *Engine) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	format := "{{.Server.Version}}"
	if e.Name == "podman" {
		format = "{{.Client.Version}}" // podman has no server, unless it is remote
	}
	version, err := e.Output(ctx, "version", "--format", format)
	if err != nil {
		return err
	}
	e.Version = strings.TrimSpace(version)
	if e.Version == "" || e.Version == "<no value>" {
		return errors.New("it reports no version")
	}
	return nil
}

// remedy says how to get a container engine on this platform.
func remedy() string {
	switch runtime.GOOS {
	case "darwin":
		return "install and start Docker Desktop, colima or podman machine, then try again"
	case "linux":
		return "start a Docker that can run `docker run --privileged`; or run epi as root on Debian or Ubuntu, where it installs and starts one of its own"
	default:
		return "use Linux (on Windows: WSL 2) with a running Docker"
	}
}
