package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
)

func (a *app) loadCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "load IMAGE|ARCHIVE",
		GroupID: "environment",
		Short:   "Load your own image onto the nodes of an environment",
		Long: `Load loads a container image onto all nodes of an environment, so that pods can run it
without a registry. The image is in your container engine or in an archive. An archive is
of docker save, or an OCI layout in a tar archive, and may be compressed with gzip. Load
pulls nothing.

Pods use the image by the printed name, with imagePullPolicy IfNotPresent or Never. For a
tag :latest the default is to pull. The exit code is 2 if the image does not exist or does
not run on the nodes, and 3 if the environment is not up or cannot load it.

One epi uses an environment at a time. While a test or a benchmark runs in it, load ends
with exit code 3.

If epi runs a container engine of its own, epi aws sets DOCKER_HOST to it.`,
		Example: `  docker build -t my/app:dev . && epi load my/app:dev
  epi load app.tar --name pr-17
  epi aws -- docker build -t my/app:dev . && epi load my/app:dev`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			env, release, err := use(dirs, name, cmd.Name())
			if err != nil {
				return err
			}
			defer release()
			if env.Provider != kindProvider {
				return usageError("environment %q is a cluster of yours (provider %s): push the image to a registry that its nodes pull from", env.Name, env.Provider)
			}
			return a.load(cmd.Context(), dirs, env, args[0], kind.New(dirs).Load)
		},
		ValidArgsFunction: completeImage,
	}
	nameFlag(cmd.Flags(), &name, "name of the environment")
	return cmd
}

// oneImage checks the arguments of a command that loads an image.
func oneImage(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("no image given: its name, or an archive of docker save")
	case len(args) > 1:
		return fmt.Errorf("one image at a time, not %d", len(args))
	case strings.TrimSpace(args[0]) == "" || strings.HasPrefix(args[0], "-"):
		return fmt.Errorf("%q is no image and no archive", args[0])
	}
	return nil
}

func completeImage(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// loader loads an image onto nodes and returns the names under which pods use it.
type loader func(ctx context.Context, env *clusters.Environment, image, scratch string, progress clusters.Progress) ([]string, error)

// load lets an image be loaded into an environment that no other command uses, and prints its names.
func (a *app) load(ctx context.Context, dirs clusters.Dirs, env *clusters.Environment, image string, with loader) error {
	scratch, err := scratchFolder(dirs, env.Name)
	if err != nil {
		return err
	}
	steps := a.newSteps(nil)
	refs, err := with(ctx, env, image, scratch, steps)
	steps.Close()
	if err := os.RemoveAll(scratch); err != nil {
		return fmt.Errorf("remove what was unpacked of the image: %w", err)
	}
	if refused, ok := errors.AsType[*kind.ImageError](err); ok && findDiskError(err) == nil {
		return usageError("%w%s", refused, asHint(refused.Remedy))
	}
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if _, err := fmt.Fprintln(a.out, ref); err != nil {
			return err
		}
	}
	return nil
}

// scratchFolder makes a folder for unpacked images, below the environment's own, so that down removes what a killed load
// leaves. The caller holds the environment's lock.
func scratchFolder(dirs clusters.Dirs, name string) (string, error) {
	dir, err := dirs.EnvironmentDir(name)
	if err != nil {
		return "", err
	}
	scratch := filepath.Join(dir, "load")
	if err := os.RemoveAll(scratch); err != nil {
		return "", fmt.Errorf("remove what an earlier load left: %w", err)
	}
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for the image: %w", err)
	}
	return scratch, nil
}

// asHint is a remedy on a line of its own below an error.
func asHint(remedy string) string {
	if remedy == "" {
		return ""
	}
	return "\nHint: " + remedy
}
