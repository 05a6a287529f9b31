// Package engine finds a container engine that can start privileged containers, which nodes need. If there is none, it
// starts a private one: a Docker engine of epi's own, with its own socket, data and networks. The private engine is
// independent of a user's engine and can be removed completely.
package engine

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/command"
)

// Options say where a private engine is and what it needs.
type Options struct {
	Dirs clusters.Dirs
	// RuntimeWrapper is the path of epi-runc. It is the OCI runtime of a private engine (see package ociruntime), and the
	// program of the trial container. Ensure needs it.
	RuntimeWrapper string
}

// Engine is a container engine that answers.
type Engine struct {
	// Name is "docker", "podman" or "nerdctl": the name of its command line.
	Name    string
	Version string
	// Host is the value of DOCKER_HOST; "" for the engine of the user's own environment.
	Host string
	// Private distinguishes epi's own engine from the user's.
	Private bool
}

// String returns the name and version, such as "docker 28.2.2" or "docker 20.10.24 (epi's own)".
func (e *Engine) String() string {
	text := e.Name + " " + e.Version
	if e.Private {
		text += " (epi's own)"
	}
	return text
}

// Env returns the variables for a client, as KEY=value.
func (e *Engine) Env() []string {
	if e.Host == "" {
		return nil
	}
	// With a user's settings for another host, the client would use TLS for this one.
	return []string{"DOCKER_HOST=" + e.Host, "DOCKER_TLS_VERIFY=", "DOCKER_CERT_PATH="}
}

// Command returns a command of the engine's command line, such as Command("image", "ls").
func (e *Engine) Command(args ...string) *command.Command {
	cmd := command.New(e.Name, args...)
	cmd.Env = e.Env()
	return cmd
}

// Output runs a command of the engine's command line and returns its standard output.
func (e *Engine) Output(ctx context.Context, args ...string) (string, error) {
	return e.Command(args...).Output(ctx)
}

// Load loads an archive of images, as `docker save` writes it and not compressed.
func (e *Engine) Load(ctx context.Context, archive io.Reader) error {
	load := e.Command("load")
	load.Stdin = archive
	if err := load.Run(ctx); err != nil {
		return fmt.Errorf("load images into %s: %w", e, err)
	}
	return nil
}

// HasImage says whether the engine has an image of that name, which may have a digest.
func (e *Engine) HasImage(ctx context.Context, ref string) (bool, error) {
	_, err := e.Output(ctx, "image", "inspect", "--format", "{{.Id}}", ref)
	if err == nil {
		return true, nil
	}
	// The clients report a missing image by a text only, and each has its own. A client that can list images would have
	// found it.
	if pingErr := (&Engine{Name: e.Name, Host: e.Host}).ping(ctx); pingErr != nil {
		return false, fmt.Errorf("look for image %s: %w", ref, err)
	}
	return false, nil
}

// Find returns the engine for environments of this machine: the private one if there is one, and otherwise the user's. It
// starts a private engine that has ended, because its content is out of reach otherwise, but creates none. Without an
// engine it returns nil and no error.
func Find(ctx context.Context, options Options) (*Engine, error) {
	private := newPrivate(options)
	if private.exists() {
		release, err := private.lock(ctx, func() {})
		if err != nil {
			return nil, err
		}
		defer release()
		return private.ensureRunning(ctx, func(string, ...any) {})
	}
	found, _ := findUsers(ctx)
	return found, ctx.Err()
}

// Ensure returns an engine that starts privileged containers: the private one if there is one, otherwise the user's,
// otherwise a new private one. The error is a *clusters.EnvironmentError.
func Ensure(ctx context.Context, options Options, progress clusters.Progress) (*Engine, error) {
	task := progress.Start("Container engine")
	found, err := ensure(ctx, options, task)
	if err == nil {
		task.Detail("%s", found)
	}
	task.End(err)
	return found, err
}

func ensure(ctx context.Context, options Options, task clusters.Task) (*Engine, error) {
	private := newPrivate(options)
	if _, err := private.ours(); err != nil {
		return nil, err
	}
	release, err := private.lock(ctx, func() { task.Detail("waiting for another epi to start the engine") })
	if err != nil {
		return nil, err
	}
	defer release()
	if private.proven() {
		return private.ensureRunning(ctx, task.Detail)
	}
	task.Detail("looking for Docker, podman or nerdctl")
	found, why := findUsers(ctx)
	if found != nil {
		task.Detail("trying a privileged container with %s", found)
		if err := found.probe(ctx, options.RuntimeWrapper); err == nil {
			return found, nil
		} else if ctx.Err() != nil {
			return nil, err
		} else {
			why = fmt.Errorf("%s does not start privileged containers: %w", found, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := private.possible(); err != nil {
		return nil, &clusters.EnvironmentError{
			Doing:  "find a container engine",
			Remedy: remedy(),
			Err:    fmt.Errorf("%w; and epi cannot start its own: %w", why, err),
		}
	}
	started, err := private.create(ctx, task.Detail)
	if err != nil && ctx.Err() == nil {
		return nil, &clusters.EnvironmentError{
			Doing:  "start epi's own container engine",
			Remedy: "see the engine's last lines above; or start a Docker of your own that can run: docker run --privileged",
			Err:    err,
		}
	}
	return started, err
}

// pingTimeout is how long an engine may take to answer.
const pingTimeout = 10 * time.Second

// CgroupVersion returns the version of control groups that containers of the engine see: "1" or "2".
func (e *Engine) CgroupVersion(ctx context.Context) (string, error) {
	format := "{{.CgroupVersion}}"
	if e.Name == "podman" {
		format = "{{.Host.CgroupsVersion}}" // as "v1" or "v2"
	}
	version, err := e.Output(ctx, "info", "--format", format)
	if err != nil {
		return "", fmt.Errorf("ask %s for its control groups: %w", e, err)
	}
	return strings.TrimPrefix(strings.TrimSpace(version), "v"), nil
}
