// Command epi-agent is epi's reference implementation of the EKS Pod Identity Agent, with the
// commands and flags of the EKS agent.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters/agent"
	"github.com/podidentity/epi/clusters/agent/link"
	"github.com/podidentity/epi/clusters/agent/validation"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := command(agent.Run, os.Stderr).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		stop()
		os.Exit(1)
	}
	stop()
}

func command(serve func(context.Context, agent.Options, *slog.Logger) error, logTo io.Writer) *cobra.Command {
	var verbosity string
	logger := func() (*slog.Logger, error) {
		level, err := levelOf(verbosity)
		if err != nil {
			return nil, err
		}
		return slog.New(slog.NewJSONHandler(logTo, &slog.HandlerOptions{Level: level})), nil
	}
	root := &cobra.Command{
		Use:           "epi-agent",
		Short:         "EKS Pod Identity agent: trades a pod's token for AWS credentials",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&verbosity, "verbosity", "v", "info", "log level: trace, debug, info, warn or error")

	options := agent.Options{}
	var compat string
	server := &cobra.Command{
		Use:   "server",
		Short: "Serve credentials to the pods of this node",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logger()
			if err != nil {
				return err
			}
			if options.Upstream = compat == compatUpstream; compat != "" && !options.Upstream {
				return fmt.Errorf("flag --compat: %q is not %s", compat, compatUpstream)
			}
			tune(options)
			return serve(cmd.Context(), options, log)
		},
	}
	flags := server.Flags()
	flags.StringVarP(&options.Cluster, "cluster-name", "c", "", "EKS name of the cluster (required)")
	flags.StringVar(&options.Endpoint, "endpoint", "", "EKS Auth endpoint (default AWS_ENDPOINT_URL_EKS_AUTH, or AWS's own for the region)")
	flags.StringSliceVarP(&options.Hosts, "bind-hosts", "b", nil, "addresses to serve, each of which must be there (default "+validation.IPv4+" and, if there, "+validation.IPv6+")")
	flags.Uint16VarP(&options.Port, "port", "p", 80, "port of the credentials service")
	flags.Uint16Var(&options.ProbePort, "probe-port", 2703, "port of /healthz and /readyz on the loopback addresses")
	flags.StringVar(&options.MetricsAddress, "metrics-address", "0.0.0.0", "address of /metrics")
	flags.Uint16Var(&options.MetricsPort, "metrics-port", 2705, "port of /metrics")
	flags.IntVar(&options.CacheSize, "max-cache-size", 2000, "tokens to keep credentials of; 0 turns caching off")
	flags.DurationVar(&options.Retention, "max-credential-retention-before-renewal", 3*time.Hour, "renew credentials at the latest after this time; 0 turns caching off")
	flags.IntVar(&options.RenewalsPerSecond, "max-service-qps", 3, "renewals a second at most")
	flags.IntVar(&options.Waiting, "max-waiting", 750, "requests at most that wait for EKS Auth, others get 429; 0 means no bound")
	flags.IntVar(&options.Calls, "max-calls", 512, "calls to EKS Auth at once for requests, others wait; 0 means no bound")
	flags.StringVar(&compat, "compat", "", compatUpstream+": do as the EKS agent v0.1.37 does, also where that is worse; to try suites on")

	initialize := &cobra.Command{
		Use:   "initialize",
		Short: "Make or adopt the link " + link.Name + " with the agent's addresses",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logger()
			if err != nil {
				return err
			}
			return link.Setup(cmd.Context(), log)
		},
	}
	version := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			version := "devel"
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version + " " + info.GoVersion
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "epi-agent", version)
			return err
		},
	}
	root.AddCommand(server, initialize, version)
	return root
}

const compatUpstream = "upstream"

func levelOf(name string) (slog.Level, error) {
	if name == "trace" {
		return slog.LevelDebug - 4, nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return 0, fmt.Errorf("flag --verbosity: %q is not trace, debug, info, warn or error", name)
	}
	return level, nil
}
