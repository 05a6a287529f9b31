package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters/engine"
)

func (a *app) downCommand() *cobra.Command {
	var name string
	var all, force bool
	cmd := &cobra.Command{
		Use:     "down",
		GroupID: "environment",
		Short:   "Remove an environment and all that it left",
		Long: `Down removes the cluster, the emulator, their network and the folder of an
environment, also after a crash. An environment that does not exist is no error. In
an existing cluster down removes only what the suites left.

Down removes only what is epi's own. A folder without epi's mark and a link stay. So
do your own kind cluster, container or network of the same name.

While another epi uses the environment, down ends with exit code 3 and names that
process. With --force it continues beside a test or a benchmark, and never beside a
command that creates or removes the environment.

With --all it removes every environment of this machine and epi's own container
engine with its images. The cache folder keeps what was expensive to build. Debian
packages that epi installed stay installed.`,
		Example: `  epi down
  epi down --name pr-17
  epi down --all`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && a.typed["name"] {
				return usageError("flags --all and --name exclude each other")
			}
			again := a.commandLine("down", "--name", name)
			if all {
				again = a.commandLine("down", "--all")
			}
			a.interrupts.at(removing(again))
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			if !all {
				// A foreign folder is reported first, and gets no lock.
				provider, err := a.providerUp(name)
				if err != nil {
					return err
				}
				release, err := useToRemove(dirs, name, false, force)
				if err != nil {
					return err
				}
				defer release()
				steps := a.newSteps(nil)
				defer steps.Close()
				return provider.Down(cmd.Context(), name, steps)
			}
			release, err := useToRemove(dirs, "", true, force)
			if err != nil {
				return err
			}
			defer release()
			steps := a.newSteps(nil)
			defer steps.Close()
			return a.downAll(cmd.Context(), steps)
		},
	}
	nameFlag(cmd.Flags(), &name, "name of the environment")
	cmd.Flags().BoolVar(&all, "all", false, "every environment, and epi's own container engine")
	cmd.Flags().BoolVar(&force, "force", false, "also while a test or a benchmark runs in it, which then breaks")
	return cmd
}

// removing is the work of a command that only removes. again is the command that finishes it.
func removing(again string) work {
	unfinished := func() string { return "what is not removed yet stays; finish with: " + again }
	return work{doing: "ending the removal", ended: unfinished, left: unfinished}
}

// downAll removes everything of epi's on this machine except its cache. It continues after errors.
func (a *app) downAll(ctx context.Context, steps *steps) error {
	provider, dirs, err := a.kindProvider()
	if err != nil {
		return err
	}
	names, err := provider.Names(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range names {
		problems = append(problems, a.downOne(ctx, name, steps))
	}
	problems = append(problems, provider.RemoveImages(ctx))
	problems = append(problems, engine.Remove(ctx, engine.Options{Dirs: dirs}, steps))
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("remove everything: %w", err)
	}
	return dirs.RemoveState()
}

func (a *app) downOne(ctx context.Context, name string, steps *steps) error {
	provider, err := a.providerUp(name)
	if err != nil {
		return err
	}
	return provider.Down(ctx, name, steps)
}
