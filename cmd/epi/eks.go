package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/eks"
	"github.com/podidentity/epi/clusters/ownership"
	"github.com/podidentity/epi/clusters/sweep"
	"github.com/podidentity/epi/cmd/epi/screen"
	"github.com/podidentity/epi/framework"
)

// eksFlags are the flags that only provider eks takes.
type eksFlags struct {
	account, agentVersion, agentValues string
	instanceTypes                      []string
	expiresIn                          time.Duration
	yes                                bool
}

func (f *eksFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.account, "account", "", "eks: the AWS account to use; credentials of another one are refused (default that of the credentials)")
	flags.StringSliceVar(&f.instanceTypes, "instance-types", eks.DefaultInstanceTypes(), "eks: instance types of a new cluster's nodes, which are spot instances")
	flags.StringVar(&f.agentVersion, "agent-version", "", "eks: version of the agent's add-on (default EKS's choice)")
	flags.StringVar(&f.agentValues, "agent-values", "", "eks: configuration values of the agent's add-on, in JSON")
	flags.DurationVar(&f.expiresIn, "expires-in", ownership.Lifetime, "eks: when epi janitor may remove what is made")
	flags.BoolVar(&f.yes, "yes", false, "eks: make what is planned, at its cost, without being asked")
}

// checkEKS returns every problem of the flags of provider eks.
func (f *environmentFlags) checkEKS() error {
	var problems []error
	if values := f.eks.agentValues; values != "" && !json.Valid([]byte(values)) {
		problems = append(problems, fmt.Errorf("flag --agent-values: %q is not JSON", values))
	}
	if f.eks.expiresIn < time.Hour || f.eks.expiresIn > 7*24*time.Hour {
		problems = append(problems, fmt.Errorf("flag --expires-in: %s is not between 1h and 168h", f.eks.expiresIn))
	}
	if f.spec.Agent.Image != "" && f.existing.ClusterName != "" {
		problems = append(problems, errors.New("flag --agent-image: a cluster that is there has its own agent; leave --cluster-name out, and epi makes a cluster for yours"))
	}
	if f.spec.Agent.Image != "" && (f.eks.agentVersion != "" || f.eks.agentValues != "") {
		problems = append(problems, errors.New("flag --agent-image: it takes the place of the add-on, which --agent-version and --agent-values are about"))
	}
	return errors.Join(problems...)
}

// eks is the provider of environments on EKS.
func (a *app) eks(dirs clusters.Dirs, f *environmentFlags) clusters.Provider {
	return eks.New(dirs, eks.Options{
		ClusterName: f.existing.ClusterName, Region: f.existing.Region, Account: f.eks.account, EndpointURL: f.existing.EndpointURL, PodEndpointURL: f.existing.PodEndpointURL,
		NodeRole: f.existing.NodeRole, ProbeImage: f.existing.ProbeImage, PermissionsBoundary: f.existing.PermissionsBoundary,
		InstanceTypes: f.eks.instanceTypes, AgentVersion: f.eks.agentVersion, AgentValues: f.eks.agentValues, Lifetime: f.eks.expiresIn,
		EnvironmentLabel: framework.LabelEnvironment, Token: tokenCommandLine, Poll: a.poll,
		Agree: func(_ context.Context, plan eks.Plan) error { return a.agree(plan, f.eks.yes, os.Stdin) },
	})
}

// agree shows what is about to be created and its cost. It continues with --yes and in CI, asks a user at a terminal, and
// creates nothing otherwise.
func (a *app) agree(plan eks.Plan, yes bool, input *os.File) error {
	if _, err := io.WriteString(a.err, plan.String()); err != nil {
		return err
	}
	if ci, _ := a.lookupEnv("CI"); yes || ci != "" && ci != "false" && ci != "0" {
		return nil
	}
	if !screen.IsTerminal(input) {
		return usageError("nothing is made: it costs money, and nobody can be asked here; to go on, add --yes")
	}
	if _, err := io.WriteString(a.err, "Go on? Type yes: "); err != nil {
		return err
	}
	line, err := bufio.NewReader(input).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err != nil || answer != "yes" && answer != "y" {
		return usageError("nothing is made: the answer was not yes")
	}
	return nil
}

// tokenCommandLine is the command of kubeconfigs for EKS.
func tokenCommandLine(cluster, region, endpointURL string) []string {
	self, err := os.Executable()
	if err != nil {
		self = "epi"
	}
	arguments := []string{self, "token", "--cluster-name", cluster, "--region", region}
	if endpointURL != "" {
		arguments = append(arguments, "--aws-endpoint-url", endpointURL)
	}
	return arguments
}

// tokenCommand is what kubectl runs, by the kubeconfigs that provider eks writes:
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
func (a *app) tokenCommand() *cobra.Command {
	var cluster, region, endpointURL string
	cmd := &cobra.Command{
		Use:    "token",
		Short:  "Print a token for an EKS cluster, as an ExecCredential",
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cluster == "" {
				return usageError("flag --cluster-name: no cluster given")
			}
			cfg, err := sweep.LoadConfig(cmd.Context(), region, endpointURL)
			if err != nil {
				return err
			}
			token, expires, err := eks.Token(cmd.Context(), cfg, cluster)
			if err != nil {
				return &clusters.EnvironmentError{Doing: "let you into the cluster", Err: err, Remedy: "see that your AWS credentials work: aws sts get-caller-identity"}
			}
			return json.NewEncoder(a.out).Encode(map[string]any{
				"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
				"status": map[string]string{"token": token, "expirationTimestamp": expires.UTC().Format(time.RFC3339)},
			})
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster-name", "", "EKS name of the cluster")
	cmd.Flags().StringVar(&region, "region", "", "AWS region")
	cmd.Flags().StringVar(&endpointURL, "aws-endpoint-url", "", "AWS endpoint")
	return cmd
}

//go:embed eks.md
var firstRunOnEKS string

func eksTopic() *cobra.Command {
	return &cobra.Command{Use: "eks", Short: "Your first run on Amazon EKS: account, policy, cost, and how to be sure that nothing is left", Long: firstRunOnEKS}
}
