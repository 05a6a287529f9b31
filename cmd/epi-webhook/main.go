// Command epi-webhook is epi's reference implementation of the EKS Pod Identity webhook, with the
// flags of the EKS webhook.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podidentity/epi/clusters/webhook"
	"github.com/podidentity/epi/clusters/webhook/injection"
)

const (
	// gcPercent makes the collector run half as often, because the slowest admissions are those during a collection. It costs
	// some MB of memory with 10,000 identities.
	gcPercent = 200
	// processors that the webhook runs Go code on. A review takes a fraction of a millisecond, and
	// thousands a second fit on one: more are woken for every review, and that costs a sixth of it.
	processors = 1
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := command(webhook.Run, os.Stderr).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// tlsVersions by their names in the flag.
var tlsVersions = map[string]uint16{
	"1.2": tls.VersionTLS12, "VersionTLS12": tls.VersionTLS12,
	"1.3": tls.VersionTLS13, "VersionTLS13": tls.VersionTLS13,
}

// debugVerbosity is the verbosity from which klog logs each unchanged pod.
const debugVerbosity = 4

func command(run func(context.Context, webhook.Options, *slog.Logger) error, logTo io.Writer) *cobra.Command {
	options := webhook.Options{Injection: injection.DefaultSettings()}
	var minTLS, level, compat, kubeconfig string
	var inCluster bool
	var verbosity int
	cmd := &cobra.Command{
		Use:   "epi-webhook",
		Short: "EKS Pod Identity webhook: gives pods what an AWS SDK needs to come to credentials",
		Long: `epi-webhook answers the API server's admission reviews at /mutate. Pods whose service
account is listed in the container-credentials config file get the two variables and
the projected token of EKS Pod Identity, in every container. Pods whose service account
is annotated with a role instead get those of IAM roles for service accounts; for that
it watches service accounts, with the rights of its own.

Flags of the EKS webhook that do nothing here are taken; the log says so.`,
		Version:       version(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case inCluster:
				return errors.New("flag --in-cluster: certificates signed by the cluster are not supported; use --in-cluster=false with --tls-cert and --tls-key")
			case options.ConfigFile == "":
				return errors.New("flag --watch-container-credentials-config: no file given")
			case tlsVersions[minTLS] == 0:
				return fmt.Errorf("flag --tls-min-version: %q is not 1.2 or 1.3", minTLS)
			}
			if options.Upstream = compat == compatUpstream; compat != "" && !options.Upstream {
				return fmt.Errorf("flag --compat: %q is not %s", compat, compatUpstream)
			}
			options.MinTLSVersion = tlsVersions[minTLS]
			var least slog.Level
			if err := least.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("flag --log-level: %q is not debug, info, warn or error", level)
			}
			if verbosity >= debugVerbosity {
				least = slog.LevelDebug
			}
			log := slog.New(slog.NewJSONHandler(logTo, &slog.HandlerOptions{Level: least}))
			cmd.Flags().Visit(func(f *pflag.Flag) {
				if _, ignored := f.Annotations[ignoredFlag]; ignored {
					log.Warn("This flag does nothing here", "flag", f.Name)
				}
			})
			config, err := apiServer(kubeconfig)
			if err != nil && kubeconfig != "" {
				return fmt.Errorf("flag --kubeconfig: %w", err)
			}
			if err != nil {
				log.Warn("The API server is out of reach", "error", err)
			}
			options.API = config
			return run(cmd.Context(), options, log)
		},
	}
	flags := cmd.Flags()
	in := &options.Injection
	flags.StringVar(&options.ConfigFile, "watch-container-credentials-config", "", "file that lists the service accounts with an association")
	flags.StringVar(&in.PodIdentity.Audience, "container-credentials-audience", in.PodIdentity.Audience, "audience of the projected token for the agent")
	flags.StringVar(&in.PodIdentity.MountPath, "container-credentials-token-mount-path", in.PodIdentity.MountPath, "folder of that token in containers")
	flags.StringVar(&in.PodIdentity.VolumeName, "container-credentials-token-volume-name", in.PodIdentity.VolumeName, "name of its volume")
	flags.StringVar(&in.PodIdentity.Path, "container-credentials-token-path", in.PodIdentity.Path, "file of that token")
	flags.StringVar(&in.URI, "container-credentials-full-uri", in.URI, "where containers ask the agent for credentials")
	flags.StringVar(&in.WebIdentity.Audience, "token-audience", in.WebIdentity.Audience, "audience of the projected token for STS, unless the service account names another")
	flags.StringVar(&in.WebIdentity.MountPath, "token-mount-path", in.WebIdentity.MountPath, "folder of that token in containers")
	flags.DurationVar(&options.AccountGrace, "service-account-lookup-grace-period", 0, "how long to ask the API server for a service account that is not known yet")
	flags.StringVar(&in.AnnotationPrefix, "annotation-prefix", in.AnnotationPrefix, "prefix of the annotations and of the label")
	flags.Int64Var(&in.Expiration, "token-expiration", in.Expiration, "life of the projected token in seconds, 600 at least; the agent's of 86400 is spread over 79200 to 86400")
	flags.StringVar(&in.Region, "aws-default-region", "", "region for containers that set none")
	flags.BoolVar(&in.RegionalSTS, "sts-regional-endpoint", false, "have containers use the STS of their region")
	flags.StringVar(&options.CertFile, "tls-cert", "/etc/webhook/certs/tls.crt", "certificate of the webhook; a replaced one is taken without a restart")
	flags.StringVar(&options.KeyFile, "tls-key", "/etc/webhook/certs/tls.key", "key of the certificate")
	flags.StringVar(&minTLS, "tls-min-version", "1.2", "least TLS version: 1.2 or 1.3")
	flags.Uint16Var(&options.Port, "port", 443, "port of /mutate, /healthz and /readyz")
	flags.Uint16Var(&options.MetricsPort, "metrics-port", 9999, "port of /metrics and /healthz, without TLS")
	flags.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the API server, for a webhook that runs in no pod (default the pod's own)")
	flags.BoolVar(&inCluster, "in-cluster", false, "must be false: the certificate is given by files")
	flags.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	flags.IntVarP(&verbosity, "v", "v", 0, "klog's verbosity: 4 and more is --log-level debug")
	flags.StringVar(&compat, "compat", "", compatUpstream+": do as the EKS webhook of August 2026 does, also where that is worse; to try suites on")
	ignore(flags)
	return cmd
}

const compatUpstream = "upstream"

// apiServer returns the configuration for the API server: from a kubeconfig or, without one, that of a pod.
func apiServer(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}

// ignoredFlag annotates the flags that do nothing.
const ignoredFlag = "ignored"

// ignore registers the flags of the EKS webhook that do nothing here, so that its manifests can be used.
func ignore(flags *pflag.FlagSet) {
	texts := "kube-api namespace service-name tls-secret stderrthreshold"
	switches := "enable-debugging-handlers logtostderr alsologtostderr"
	for _, name := range strings.Fields(texts) {
		flags.String(name, "", "")
	}
	for _, name := range strings.Fields(switches) {
		flags.Bool(name, false, "")
	}
	for _, name := range strings.Fields(texts + " " + switches) {
		f := flags.Lookup(name)
		f.Hidden = true
		f.Annotations = map[string][]string{ignoredFlag: nil}
	}
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version + " " + info.GoVersion
	}
	return "devel"
}
