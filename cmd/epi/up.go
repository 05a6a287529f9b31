package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/eks"
	"github.com/podidentity/epi/clusters/existing"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/clusters/nodeimage"
	"github.com/podidentity/epi/clusters/programs"
	"github.com/podidentity/epi/reports"
)

// environmentFlags are the flags of every command that brings an environment up.
type environmentFlags struct {
	provider string
	spec     clusters.Spec
	existing existing.Options
	eks      eksFlags
}

func (f *environmentFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.provider, "provider", "kind", "where to run: kind (this machine), eks (Amazon EKS, a new cluster or one that is there) or existing (a cluster that you run)")
	nameFlag(flags, &f.spec.Name, "name of the environment; also the EKS name of its cluster")
	flags.IntVar(&f.spec.Nodes, "nodes", 1, "number of nodes, the control plane's included")
	flags.StringVar(&f.spec.KubernetesVersion, "kubernetes-version", "", "Kubernetes version: "+strings.Join(nodeimage.Versions(), " or ")+" (default the first)")
	flags.StringVar(&f.spec.NodeImage, "node-image", "", "node image to use as it is, such as kindest/node:v1.36.3")
	registerGiven(flags, &f.spec.Agent, "agent")
	registerGiven(flags, &f.spec.Webhook, "webhook")
	flags.StringVar((*string)(&f.spec.Compat), "compat", "", "upstream: epi's own agent and webhook behave as AWS's agent v0.1.37 and webhook of August 2026 do, also where that is worse")
	flags.IntVar(&f.spec.IMDSHopLimit, "imds-hop-limit", 1, "hop limit of the nodes' instance metadata: 1 keeps pods out, 2 lets them in")
	flags.BoolVar(&f.spec.RedirectAWS, "redirect-aws", false, "redirect all pods to the emulator, with no change in them: AWS's host names in cluster DNS, and AWS_ENDPOINT_URL")
	flags.StringSliceVar(&f.spec.Clients, "clients", []string{clients.SelectDefault}, "AWS clients for the client matrix: all, none, default (what costs little), or names such as js-v3")
	flags.BoolVar(&f.spec.WithoutAgent, "without-agent", false, "leave the agent out, to see that the suites notice")
	flags.BoolVar(&f.spec.WithoutWebhook, "without-webhook", false, "leave the webhook out, to see that the suites notice")
	registerExisting(flags, &f.existing)
	f.eks.register(flags)
}

// validate returns every problem of the flags together, as a usage error.
func (f *environmentFlags) validate(flags *pflag.FlagSet) error {
	problems := []error{f.checkProvider(flags)}
	if f.spec.Nodes < 1 || f.spec.Nodes > 20 {
		problems = append(problems, fmt.Errorf("flag --nodes: %d is not between 1 and 20", f.spec.Nodes))
	}
	if f.spec.IMDSHopLimit != 1 && f.spec.IMDSHopLimit != 2 {
		problems = append(problems, fmt.Errorf("flag --imds-hop-limit: %d is not 1 or 2", f.spec.IMDSHopLimit))
	}
	problems = append(problems, checkGiven(f.spec.Agent, "agent"), checkGiven(f.spec.Webhook, "webhook"), kind.CheckReference("node-image", f.spec.NodeImage))
	switch {
	case f.spec.Compat == "":
	case f.spec.Compat != clusters.CompatUpstream:
		problems = append(problems, fmt.Errorf("flag --compat: %q is not %s", f.spec.Compat, clusters.CompatUpstream))
	case f.provider != kindProvider:
		problems = append(problems, fmt.Errorf("flag --compat: it is about epi's own agent and webhook, and with --provider %s there are others", f.provider))
	}
	if f.provider == kindProvider {
		problems = append(problems, checkKubernetesVersion(f.spec.KubernetesVersion, f.spec.NodeImage))
	}
	if _, err := clients.Select(f.spec.Clients); err != nil {
		problems = append(problems, fmt.Errorf("flag --clients: %w", err))
	}
	if err := errors.Join(problems...); err != nil {
		return usageError("%w", err)
	}
	return nil
}

func (a *app) upCommand() *cobra.Command {
	var flags environmentFlags
	cmd := &cobra.Command{
		Use:     "up",
		GroupID: "environment",
		Short:   "Bring an environment up and keep it",
		Long: `Up creates a cluster with the Pod Identity agent and webhook and, on kind, an AWS
emulator one hop away from its nodes. It needs a container engine: a running Docker
that can start privileged containers, or root on Debian or Ubuntu, where epi
installs and starts one of its own. Without a registry in reach the node image is
built from source, once: that takes minutes.

The kubeconfig is the environment's own; yours is never touched.

With --provider existing, up creates nothing: it uses the cluster of a kubeconfig, with
the agent and the webhook that are in it, and AWS as your AWS configuration names it.

With --provider eks, up makes an EKS cluster with eksctl in your AWS account, or uses
--cluster-name. First it prints the account, the plan and the cost, and asks. With --yes,
or a CI variable, it does not ask. See: epi help eks.

With --redirect-aws an unchanged manifest reaches the emulator. Cluster DNS resolves
AWS's host names to the emulator, over TLS. The API server gives pods AWS_ENDPOINT_URL,
and the CA to trust in AWS_CA_BUNDLE and NODE_EXTRA_CA_CERTS. The host of a service that
the emulator does not have is refused, with its name; nothing is sent to AWS. A namespace
chooses by the label epi.podidentity.dev/redirect-aws: "off" for nothing, "hosts" for
AWS's host names alone, without AWS_ENDPOINT_URL. epi's suites run in namespaces where
nothing is injected. Some clients cannot be redirected:

  SDKs that read neither AWS_ENDPOINT_URL nor a CA from a variable   get an error
  clients that pin certificates                                      get an error
  clients that pin name servers or addresses                         may leave this machine
  the nodes' own programs, which pull images                         may leave this machine

Your own agent or webhook is an image that your engine has or can pull, or an archive of
docker save. epi starts images that are made like EKS's own as EKS starts them.`,
		Example: `  epi up
  epi up --nodes 2 --imds-hop-limit 2
  epi up --name pr-17 --agent-image my/agent:dev --agent-arg=--max-cache-size=500
  epi up --redirect-aws
  epi up --compat upstream
  epi up --provider eks --yes
  epi up --provider existing --cluster-name blue --probe-image registry/epi-probe:v1`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.validate(cmd.Flags()); err != nil {
				return err
			}
			if err := a.checkOutput(); err != nil {
				return err
			}
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			release, err := a.make(flags.spec.Name, cmd.Name())
			if err != nil {
				return err
			}
			defer release()
			a.interrupts.at(a.makingEnvironment(flags.spec.Name, dirs))
			steps := a.newSteps(nil)
			env, err := a.up(cmd.Context(), &flags, steps)
			steps.Close()
			if err != nil {
				return err
			}
			return a.printEnvironment(env)
		},
	}
	flags.register(cmd)
	a.outputFlag(cmd)
	return cmd
}

func (a *app) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "text", "output: text or json")
}

func (a *app) checkOutput() error {
	if a.output != "text" && a.output != "json" {
		return usageError("flag --output: %q is not text or json", a.output)
	}
	return nil
}

func (a *app) up(ctx context.Context, flags *environmentFlags, steps *steps) (*clusters.Environment, error) {
	provider, err := a.providerOf(flags)
	if err != nil {
		return nil, err
	}
	dirs, err := a.dirs()
	if err != nil {
		return nil, err
	}
	defer a.watchRoom(ctx, statePlace(dirs), cachePlace(dirs))()
	if flags.provider == kindProvider || flags.provider == eks.Name && flags.existing.ProbeImage == "" {
		if flags.spec.Binaries, err = a.binaries(ctx, steps); err != nil {
			return nil, err
		}
	}
	return provider.Up(ctx, flags.spec, steps)
}

// checkKubernetesVersion is the problem of a version for epi's own node image; "" is the default version.
func checkKubernetesVersion(version, nodeImage string) error {
	if version == "" || nodeImage != "" || slices.Contains(nodeimage.Versions(), version) {
		return nil
	}
	return fmt.Errorf("flag --kubernetes-version: %q is not pinned; choose %s, or bring a --node-image", version, strings.Join(nodeimage.Versions(), " or "))
}

// binaries is the folder of the programs for epi's images.
func (a *app) binaries(ctx context.Context, progress clusters.Progress) (string, error) {
	dirs, err := a.dirs()
	if err != nil {
		return "", err
	}
	finder, err := programs.New(dirs.Cache)
	if err != nil {
		return "", err
	}
	return finder.Find(ctx, progress)
}

// wrapper is the OCI runtime for a private engine, one of epi's programs.
func wrapper(binaries string) string { return filepath.Join(binaries, "epi-runc") }

func (a *app) printEnvironment(env *clusters.Environment) error {
	if a.output == "json" {
		public := *env
		public.AWS.AccessKeyID, public.AWS.SecretAccessKey, public.Control = "", "", nil
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(public)
	}
	name := nameSuffix(env.Name)
	where := "AWS emulator at " + env.AWS.EndpointURL
	if !env.Has(clusters.EmulatorControl) {
		where = "AWS account " + env.AccountID + " in " + env.Region
	}
	engineLine := ""
	if dirs, err := a.dirs(); err == nil {
		if host := ownEngine(env, dirs); host != "" {
			engineLine = "\n  export DOCKER_HOST=" + host
		}
	}
	_, err := fmt.Fprintf(a.out, `
Environment %q is up: Kubernetes %s on %s, %s

  epi test%[5]s                                what holds and what does not
  epi aws%[5]s -- kubectl get pods -A          any command, with cluster and AWS set
  epi aws%[5]s -- aws s3 ls
  epi load%[5]s IMAGE                          an image of yours onto the nodes
  epi status%[5]s                              whether it is well
  export KUBECONFIG=%[6]s%[7]s
  epi down%[5]s                                remove it
%[8]s`, env.Name, env.KubernetesVersion, reports.Plural(env.Nodes, "node"), where, name, env.Kubeconfig, engineLine, redirection(env))
	return err
}

// redirection describes the effect on unchanged pods, and what cannot be redirected.
func redirection(env *clusters.Environment) string {
	if !env.RedirectAWS {
		return ""
	}
	return `
Pods that know nothing of epi reach the emulator: AWS's host names lead there,
and new pods get AWS_ENDPOINT_URL and a CA to trust. Namespaces choose:
  kubectl label namespace NAME epi.podidentity.dev/redirect-aws=off   (or hosts)
Out of reach: clients with name servers or addresses of their own, and the
nodes' own programs. SDKs that read neither AWS_ENDPOINT_URL nor AWS_CA_BUNDLE
get a certificate error.
`
}
