// Command epi-webhook is epi's reference implementation of the EKS Pod Identity webhook, with the
// flags of the EKS webhook as far as they concern Pod Identity.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		stop()
		os.Exit(1)
	}
}

func command() *cobra.Command {
	options := webhook.Options{Injection: webhook.Injection{Spread: webhook.Spread}}
	var minTLS, verbosity string
	var inCluster bool
	cmd := &cobra.Command{
		Use:           "epi-webhook",
		Short:         "EKS Pod Identity webhook: gives pods what an AWS SDK needs to ask the agent for credentials",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if inCluster {
				return errors.New("flag --in-cluster: certificates signed by the cluster are not supported; use --in-cluster=false with --tls-cert and --tls-key")
			}
			if options.ConfigFile == "" {
				return errors.New("flag --watch-container-credentials-config: no file given")
			}
			version, ok := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13, "VersionTLS12": tls.VersionTLS12, "VersionTLS13": tls.VersionTLS13}[minTLS]
			if !ok {
				return fmt.Errorf("flag --tls-min-version: %q is not 1.2 or 1.3", minTLS)
			}
			options.MinTLSVersion = version
			var level slog.Level
			if err := level.UnmarshalText([]byte(verbosity)); err != nil {
				return fmt.Errorf("flag --log-level: %q is not debug, info, warn or error", verbosity)
			}
			return webhook.Run(cmd.Context(), options, slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
		},
	}
	flags := cmd.Flags()
	in := &options.Injection
	flags.StringVar(&options.ConfigFile, "watch-container-credentials-config", "", "file that lists the service accounts with an association")
	flags.StringVar(&in.Audience, "container-credentials-audience", "pods.eks.amazonaws.com", "audience of the projected token")
	flags.StringVar(&in.MountPath, "container-credentials-token-mount-path", "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount", "folder of the projected token in containers")
	flags.StringVar(&in.VolumeName, "container-credentials-token-volume-name", "eks-pod-identity-token", "name of the projected volume")
	flags.StringVar(&in.TokenFile, "container-credentials-token-path", "eks-pod-identity-token", "file of the projected token")
	flags.StringVar(&in.URI, "container-credentials-full-uri", "http://169.254.170.23/v1/credentials", "where containers ask the agent for credentials")
	flags.Int64Var(&in.Expiration, "token-expiration", 86400, "life of the projected token in seconds; the default is spread over 79200 to 86400")
	flags.StringVar(&in.Region, "aws-default-region", "", "region for containers that set none")
	flags.BoolVar(&in.RegionalSTS, "sts-regional-endpoint", false, "have containers use the STS of their region")
	flags.StringVar(&options.CertFile, "tls-cert", "/etc/webhook/certs/tls.crt", "certificate of the webhook")
	flags.StringVar(&options.KeyFile, "tls-key", "/etc/webhook/certs/tls.key", "key of the certificate")
	flags.StringVar(&minTLS, "tls-min-version", "1.2", "least TLS version: 1.2 or 1.3")
	flags.IntVar(&options.Port, "port", 443, "port of the webhook")
	flags.IntVar(&options.MetricsPort, "metrics-port", 9999, "port of /metrics")
	flags.BoolVar(&inCluster, "in-cluster", false, "must be false: the certificate is given by files")
	flags.StringVar(&verbosity, "log-level", "info", "debug, info, warn or error")
	return cmd
}
