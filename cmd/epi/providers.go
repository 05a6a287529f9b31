package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/eks"
	"github.com/podidentity/epi/clusters/existing"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/framework"
)

const kindProvider = kind.Name

// providers that a user can choose, with the flags that only they have.
var providers = map[string][]string{
	kindProvider: {
		"nodes", "kubernetes-version", "node-image", "imds-hop-limit", "without-agent", "without-webhook", "redirect-aws",
		"agent-image", "agent-layout", "agent-arg", "agent-env", "webhook-image", "webhook-layout", "webhook-arg", "webhook-env",
	},
	existing.Name: {
		"kubeconfig", "context", "cluster-name", "region", "node-role", "probe-image", "aws-endpoint-url", "pod-aws-endpoint-url", "permissions-boundary",
	},
	eks.Name: {
		"cluster-name", "region", "node-role", "probe-image", "aws-endpoint-url", "pod-aws-endpoint-url", "permissions-boundary",
		"nodes", "kubernetes-version", "imds-hop-limit", "without-agent", "agent-image", "agent-layout", "agent-arg", "agent-env",
		"account", "instance-types", "agent-version", "agent-values", "expires-in", "yes",
	},
}

func registerExisting(flags *pflag.FlagSet, o *existing.Options) {
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "existing: kubeconfig of the cluster (default KUBECONFIG or ~/.kube/config); it is only read")
	flags.StringVar(&o.Context, "context", "", "existing: context in the kubeconfig (default its current one)")
	flags.StringVar(&o.ClusterName, "cluster-name", "", "existing: EKS name of the cluster (required); eks: a cluster that is there (default: epi makes one)")
	flags.StringVar(&o.Region, "region", "", "existing, eks: AWS region (default that of your AWS configuration)")
	flags.StringVar(&o.NodeRole, "node-role", "", "existing, eks: name of the nodes' IAM role (default that of the first managed node group)")
	flags.StringVar(&o.ProbeImage, "probe-image", "", "existing: epi-probe where the nodes can pull it (required; epi images writes it to an archive); eks: default an ECR repository of the environment")
	flags.StringVar(&o.EndpointURL, "aws-endpoint-url", "", "existing, eks: AWS endpoint for this machine (default AWS's own)")
	flags.StringVar(&o.PodEndpointURL, "pod-aws-endpoint-url", "", "existing, eks: AWS endpoint for pods (default AWS's own)")
	flags.StringVar(&o.PermissionsBoundary, "permissions-boundary", "", "existing, eks: ARN of the policy that bounds the IAM roles that the suites make (default none)")
	o.EnvironmentLabel = framework.LabelEnvironment
}

// checkProvider returns every problem of the choice of a provider: one that does not exist, and flags that the chosen one
// does not have.
func (f *environmentFlags) checkProvider(flags *pflag.FlagSet) error {
	if _, known := providers[f.provider]; !known {
		return fmt.Errorf("flag --provider: %q is not %s, %s or %s", f.provider, kindProvider, eks.Name, existing.Name)
	}
	var problems []error
	takers := map[string][]string{}
	for _, provider := range slices.Sorted(maps.Keys(providers)) {
		for _, name := range providers[provider] {
			takers[name] = append(takers[name], provider)
		}
	}
	for name, takes := range takers {
		// The configuration that a run writes has every flag, most with their defaults, and epi aws sets variables that are
		// also flags'.
		flag := flags.Lookup(name)
		if _, ambient := flag.Annotations[fromVariable]; !slices.Contains(takes, f.provider) && !ambient && flag.Value.String() != flag.DefValue {
			problems = append(problems, fmt.Errorf("flag --%s goes with --provider %s, not with %s", name, strings.Join(takes, " or "), f.provider))
		}
	}
	problems = append(problems, f.checkAWS())
	if f.provider == eks.Name {
		problems = append(problems, f.checkEKS())
	}
	if file := f.existing.Kubeconfig; file != "" && f.provider == existing.Name {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			problems = append(problems, fmt.Errorf("flag --kubeconfig: %s is no file that can be read", file))
		}
	}
	if f.provider == existing.Name {
		for name, value := range map[string]string{"cluster-name": f.existing.ClusterName, "probe-image": f.existing.ProbeImage} {
			if value == "" {
				problems = append(problems, fmt.Errorf("flag --%s is required with --provider %s", name, f.provider))
			}
		}
	}
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil })
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

// providerOf returns the provider that the flags choose.
func (a *app) providerOf(f *environmentFlags) (clusters.Provider, error) {
	dirs, err := a.dirs()
	if err != nil {
		return nil, err
	}
	switch f.provider {
	case existing.Name:
		return existing.New(dirs, f.existing), nil
	case eks.Name:
		return a.eks(dirs, f), nil
	}
	return a.kind(dirs), nil
}

// providerUp returns the provider of an environment that is up. For other names it returns this machine's provider, because
// something may be left.
func (a *app) providerUp(name string) (clusters.Provider, error) {
	dirs, err := a.dirs()
	if err != nil {
		return nil, err
	}
	provider, err := clusters.ProviderOf(dirs, name)
	switch {
	case errors.Is(err, clusters.ErrNoEnvironment):
		return a.kind(dirs), nil
	case err != nil:
		return nil, err
	case provider == eks.Name:
		return eks.New(dirs, eks.Options{EnvironmentLabel: framework.LabelEnvironment, Poll: a.poll}), nil
	case provider == existing.Name:
		return existing.New(dirs, existing.Options{EnvironmentLabel: framework.LabelEnvironment}), nil
	case provider == kind.RegionName:
		return regionProvider{kind.NewRegions(dirs)}, nil
	}
	return a.kind(dirs), nil
}

// regionProvider removes regions: epi cloud up brings them up.
type regionProvider struct{ *kind.Regions }

// Up implements clusters.Provider.
func (regionProvider) Up(context.Context, clusters.Spec, clusters.Progress) (*clusters.Environment, error) {
	return nil, usageError("a region is brought up with: epi cloud up")
}
