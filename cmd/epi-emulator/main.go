// Command epi-emulator is the AWS side of EKS Pod Identity on one machine: EKS, EKS Auth, IAM, STS
// and S3 on one port, the instance metadata service, and a control API. It needs no Kubernetes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// version and revision are set by the linker; see the Makefile.
var (
	version  = ""
	revision = ""
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a wrong flag, argument or variable: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run returns the exit code: 0, 1 for a failure, 2 for wrong usage.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), out, errOut io.Writer) int {
	root := &cobra.Command{
		Use:   "epi-emulator",
		Short: "The AWS side of EKS Pod Identity on one machine",
		Long: `epi-emulator implements what AWS documents of the APIs that EKS Pod Identity touches:
EKS, EKS Auth, IAM, STS and S3 on one port, what eksctl needs of EC2 and
CloudFormation, and the instance metadata service
(IMDSv2) of the nodes. It verifies signatures, tokens and policies as AWS does.
It is not AWS: what it does not know it refuses.`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	env := func(name string) string { value, _ := lookup(name); return value }
	root.AddCommand(serveCommand(env, errOut), syncCommand(env, errOut), recoverCommand(out), versionCommand()) //nolint:contextcheck // cobra hands the context on
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(errOut, "Error: %v\n", err) // there is no other place for it
	if _, wrong := errors.AsType[usageError](err); wrong || command == root {
		_, _ = fmt.Fprintf(errOut, "Hint: %s --help\n", command.CommandPath())
		return 2
	}
	return 1
}

// noArgs is cobra.NoArgs as a usage error.
func noArgs(command *cobra.Command, args []string) error {
	if err := cobra.NoArgs(command, args); err != nil {
		return usageError{err}
	}
	return nil
}

func newLog(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			v := version
			if info, ok := debug.ReadBuildInfo(); ok && v == "" {
				v = info.Main.Version
			}
			if revision != "" {
				v += " " + revision
			}
			_, err := fmt.Fprintf(command.OutOrStdout(), "epi-emulator %s %s %s/%s\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
