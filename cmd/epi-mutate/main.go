// Command epi-mutate shows that the suites detect what they claim to detect. It installs each mutant of
// cmd/epi-mutate/mutation/mutants in a running environment and compares the results of specs with the mutant's declaration.
// It is a tool of this repository and not part of a release.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/cmd/epi-mutate/mutation"
	"github.com/podidentity/epi/suites"
)

// Exit codes: those of epi.
const (
	exitHeld        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitError       = 3
	exitInterrupted = 130
)

// suiteProcess is the hidden command that runs specs in its own process.
const suiteProcess = "__suite-process"

func main() {
	// The first interrupt ends the context, and the reference is restored. A second one ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errSurvived ends the program with the matrix's verdict.
var errSurvived = errors.New("a mutant survived")

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := command(out, errOut) //nolint:contextcheck // commands get the context from cobra
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errSurvived) && ctx.Err() == nil {
		_, _ = fmt.Fprintf(errOut, "Error: %s\n", strings.TrimSpace(err.Error()))
		if remedy := clusters.Remedy(err); remedy != "" {
			_, _ = fmt.Fprintf(errOut, "Hint: %s\n", remedy)
		}
	}
	_, usage := errors.AsType[usageError](err)
	if _, wrong := errors.AsType[*clusters.NameError](err); wrong {
		usage = true
	}
	switch {
	case ctx.Err() != nil:
		_, _ = fmt.Fprintln(errOut, "Interrupted.")
		return exitInterrupted
	case err == nil:
		return exitHeld
	case usage:
		return exitUsage
	case errors.Is(err, errSurvived):
		return exitFailed
	default:
		return exitError
	}
}

func command(out, errOut io.Writer) *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:   "epi-mutate",
		Short: "Show that the suites notice each mutant",
		Long: `Epi-mutate builds each mutant of cmd/epi-mutate/mutation/mutants, a small bug in the agent, the
webhook, the emulator or the probe, puts it into a running environment in the place of
the reference, and runs the specs. A mutant is killed when every requirement that it
declares to violate fails; it survives when one of them holds: then a spec is too weak,
or the mutant declares what it does not do. What fails beside that is collateral.

Without a mutant every spec must hold first. In the end the reference is back.

  --scope declared   only the specs of what a mutant declares: while you write it
  --scope reached    also those that execute a statement that it edits, as measured
                     once, on the reference, before the first mutant
  --scope all        every spec

With --sample N the mutants are drawn at random, by --seed, from the source of agent and
webhook: operators, conditions, statements, constants and error paths. They declare
nothing, and are killed by whatever fails, or when the subject does not come up. What does
not compile, and what cmd/epi-mutate/mutation/mechanical/judged.yaml calls equivalent, is left out
of the score. --table FILE keeps what became of each mutant: what is in it is not examined
again, so that --for 10m does what ten minutes allow, and the same command goes on. A line
that is removed from the file has its mutant examined again.

An environment that is up is used as it is, brought to what the source is now; else one
is brought up and removed in the end. Run it in the repository, after make build.`,
		Example: `  epi-mutate --name mine --mutants 'agent-' --scope declared
  epi-mutate --list --mutants webhook
  epi-mutate --name mine --sample 40 --seed 7 --scope all
  epi-mutate --name mine --sample 200 --seed 7 --scope all --table seed7 --for 10m
  make mutate                     the matrix: all mutants, on a cluster of its own`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			mutants, err := f.choose()
			if err != nil {
				return err
			}
			if f.list {
				return list(out, mutants)
			}
			return mutate(cmd.Context(), f, mutants, out, errOut)
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f.register(root)
	root.AddCommand(&cobra.Command{
		Use: suiteProcess, Hidden: true, Short: "Run specs for another process of this program",
		RunE: func(*cobra.Command, []string) error { return suites.RunProcess() },
	})
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

func list(out io.Writer, mutants []mutation.Mutant) error {
	for _, m := range mutants {
		if _, err := fmt.Fprintf(out, "%-40s %-24s it %s\n", m.Name, strings.Join(m.Violates, " "), m.Does); err != nil {
			return err
		}
	}
	return nil
}
