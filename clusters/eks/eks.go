// Package eks brings up environments on Amazon EKS: on an existing cluster, or on a new one that eksctl creates. Everything
// that is created has the tags of package ownership and is first written to the journal. Package sweep removes it without
// eksctl. The SDK's configuration says where AWS is.
package eks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/existing"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/clusters/ownership"
	"github.com/podidentity/epi/clusters/sweep"
)

// Name of the provider.
const Name = "eks"

// DefaultInstanceTypes are spot types that almost every zone has.
func DefaultInstanceTypes() []string { return []string{"t3.medium", "t3a.medium"} }

// Options of a Provider.
type Options struct {
	// ClusterName is an existing cluster; if it is empty, a new one is created.
	ClusterName string
	// Region is AWS's; empty means the AWS configuration's. Account is the expected one; empty means the caller's.
	Region, Account string
	// EndpointURL of AWS for this machine and PodEndpointURL for pods; empty means AWS's own.
	EndpointURL, PodEndpointURL string
	// NodeRole is the name of the IAM role of the nodes; empty means that of the cluster's first node group.
	NodeRole string
	// ProbeImage is an epi-probe that the nodes can pull. If it is empty, the image is pushed to a repository of the
	// environment.
	ProbeImage string
	// InstanceTypes of the nodes of a new cluster; nil for the default.
	InstanceTypes []string
	// PermissionsBoundary is the ARN of the permissions boundary of all created roles; empty for none.
	PermissionsBoundary string
	// AgentVersion is the add-on's version, and AgentValues its configuration values in JSON; empty for EKS's default.
	AgentVersion, AgentValues string
	// Lifetime is how long the environment is to exist; 0 means ownership.Lifetime.
	Lifetime time.Duration
	// EnvironmentLabel marks the namespaces of suites.
	EnvironmentLabel string
	// Agree is called before anything is created. If it returns an error, nothing is created.
	Agree func(context.Context, Plan) error
	// Token is the command that prints a token for a cluster as an ExecCredential. It gets the cluster's name, the region
	// and the endpoint.
	Token func(cluster, region, endpointURL string) []string
	// Poll is the time between two reads of AWS's state; 0 means 10 s.
	Poll time.Duration
	// Run is the run's name in tags; empty means the environment's name.
	Run string
}

// Provider brings environments up on EKS.
type Provider struct {
	dirs    clusters.Dirs
	options Options
}

var _ clusters.Provider = (*Provider)(nil)

// New returns a provider that keeps its state in dirs.
func New(dirs clusters.Dirs, options Options) *Provider {
	options.Poll = cmp.Or(options.Poll, 10*time.Second)
	options.Lifetime = cmp.Or(options.Lifetime, ownership.Lifetime)
	if len(options.InstanceTypes) == 0 {
		options.InstanceTypes = DefaultInstanceTypes()
	}
	return &Provider{dirs: dirs, options: options}
}

// NewClusterName is the EKS name of an environment's new cluster.
func NewClusterName(environment string) string {
	if strings.HasPrefix(environment, ownership.Prefix) {
		return environment
	}
	return ownership.Prefix + environment
}

// creation is one call of Up.
type creation struct {
	*Provider
	spec     clusters.Spec
	progress clusters.Progress
	dir      string

	cfg    aws.Config // of clients that set tags
	eks    *awseks.Client
	stamp  ownership.Stamp
	env    *clusters.Environment
	config *rest.Config
	client kubernetes.Interface
}

// Up brings the environment up. After an error it removes what it created.
func (p *Provider) Up(ctx context.Context, spec clusters.Spec, progress clusters.Progress) (*clusters.Environment, error) {
	if err := clusters.CheckName(spec.Name); err != nil {
		return nil, err
	}
	switch there, err := clusters.HasEnvironmentDir(p.dirs, spec.Name); {
	case err != nil:
		return nil, err
	case there:
		return nil, &clusters.EnvironmentError{
			Doing: fmt.Sprintf("bring up environment %q", spec.Name), Err: errors.New("there is one of that name, whole or in part"),
			Remedy: fmt.Sprintf("use it as it is, remove it with: epi down --name %s, or choose another --name", spec.Name),
		}
	}
	c := &creation{Provider: p, spec: spec, progress: progress}
	if err := c.prepare(ctx); err != nil {
		return nil, explain(err) // nothing was created yet
	}
	err := c.make(ctx)
	if err == nil {
		return c.env, nil
	}
	err = explain(err)
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(cause, err)
	}
	// This happens also if ctx has ended, because the resources cost money.
	if removal := p.Down(context.WithoutCancel(ctx), spec.Name, progress); removal != nil {
		remedy := clusters.Remedy(removal)
		if first := clusters.Remedy(err); first != "" {
			// What is left costs money, so the remedy says what to do about it.
			remedy = first + "; then remove what is left: epi down --name " + spec.Name
		}
		return nil, &clusters.EnvironmentError{Doing: fmt.Sprintf("bring up environment %q", spec.Name), Err: errors.Join(err, removal), Remedy: remedy}
	}
	return nil, err
}

// prepare finds out who the caller is and what is to be created, and asks for the agreement.
func (c *creation) prepare(ctx context.Context) error {
	task := c.progress.Start("AWS")
	cfg, err := sweep.LoadConfig(ctx, c.options.Region, c.options.EndpointURL)
	if err != nil {
		task.End(err)
		return err
	}
	looker, err := sweep.New(ctx, cfg, sweep.Options{Account: c.options.Account})
	if err != nil {
		task.End(err)
		return err
	}
	task.Detail("account %s, %s, as %s", looker.Account(), looker.Region(), looker.Caller())
	task.End(nil)
	// Later commands must use the endpoint too, from a shell without the variable.
	c.options.EndpointURL = cmp.Or(c.options.EndpointURL, aws.ToString(cfg.BaseEndpoint))
	name := cmp.Or(c.options.ClusterName, NewClusterName(c.spec.Name))
	c.env = &clusters.Environment{
		Provider: Name, Name: c.spec.Name, Created: time.Now().UTC().Truncate(time.Second), ClusterName: name,
		AccountID: looker.Account(), Region: looker.Region(), PermissionsBoundary: c.options.PermissionsBoundary, IMDSHopLimit: c.spec.IMDSHopLimit,
		OwnCluster: c.options.ClusterName == "", AWS: clusters.AWS{EndpointURL: c.options.EndpointURL, PodEndpointURL: c.options.PodEndpointURL},
	}
	c.env.Expires = c.env.Created.Add(c.options.Lifetime)
	c.eks = awseks.NewFromConfig(cfg)
	found, err := describe(ctx, c.eks, name)
	switch {
	case err != nil:
		return err
	case !c.env.OwnCluster && found == nil:
		return &clusters.EnvironmentError{
			Doing: "use cluster " + name, Err: fmt.Errorf("account %s has no cluster of that name in %s", c.env.AccountID, c.env.Region),
			Remedy: "aws eks list-clusters lists them; without --cluster-name epi makes one",
		}
	case !c.env.OwnCluster:
		return nil
	case found != nil:
		return &clusters.EnvironmentError{
			Doing: "make cluster " + name, Err: fmt.Errorf("there is one of that name (%s)", found.Status),
			Remedy: "use it as it is: --cluster-name " + name + ", or choose another --name",
		}
	}
	version, extended, err := c.version(ctx)
	if err != nil {
		return err
	}
	c.env.KubernetesVersion = version
	return c.options.Agree(ctx, Plan{
		Account: looker.Account(), Caller: looker.Caller(), Region: looker.Region(), Cluster: name, Version: version, Extended: extended,
		Nodes: c.spec.Nodes, InstanceTypes: c.options.InstanceTypes, Lifetime: c.options.Lifetime,
		Priced: strings.Join(c.options.InstanceTypes, ",") == strings.Join(DefaultInstanceTypes(), ","),
	})
}

// version is the Kubernetes version to create, such as "1.36", from EKS's current offer.
func (c *creation) version(ctx context.Context) (version string, extended bool, err error) {
	input := &awseks.DescribeClusterVersionsInput{}
	wanted := strings.TrimPrefix(c.spec.KubernetesVersion, "v")
	if parts := strings.SplitN(wanted, ".", 3); len(parts) == 3 {
		wanted = parts[0] + "." + parts[1]
	}
	out, err := c.eks.DescribeClusterVersions(ctx, input)
	if err != nil {
		return "", false, fmt.Errorf("ask EKS for its Kubernetes versions: %w", err)
	}
	var offered []string
	for _, v := range out.ClusterVersions {
		offered = append(offered, aws.ToString(v.ClusterVersion))
		if wanted == "" && v.DefaultVersion || wanted != "" && wanted == aws.ToString(v.ClusterVersion) {
			return aws.ToString(v.ClusterVersion), v.VersionStatus == ekstypes.VersionStatusExtendedSupport, nil
		}
	}
	return "", false, &clusters.EnvironmentError{
		Doing: "choose a Kubernetes version", Err: fmt.Errorf("EKS does not offer %s", cmp.Or(wanted, "a default")),
		Remedy: "choose one of " + strings.Join(offered, ", ") + " with --kubernetes-version, or leave it out",
	}
}

// make lists the steps of creating the environment.
func (c *creation) make(ctx context.Context) error {
	dir, err := clusters.MakeEnvironmentDir(c.dirs, c.spec.Name, Name)
	if err != nil {
		return err
	}
	c.dir = dir
	c.env.Kubeconfig, c.env.Journal = filepath.Join(dir, "kubeconfig"), filepath.Join(dir, clusters.JournalFile)
	c.stamp = ownership.Stamp{
		Owner: ownership.Owner{Environment: c.spec.Name, Run: cmp.Or(c.options.Run, c.spec.Name), Expires: c.env.Expires}, Account: c.env.AccountID,
		Region: c.env.Region, Endpoint: c.options.EndpointURL, PermissionsBoundary: c.options.PermissionsBoundary, Journal: journal.File(c.env.Journal),
	}
	if c.cfg, err = sweep.LoadConfig(ctx, c.env.Region, c.options.EndpointURL); err != nil {
		return err
	}
	c.stamp.On(&c.cfg)
	c.eks = awseks.NewFromConfig(c.cfg)
	steps := []step{
		{"Cluster", "reach the cluster", "see that you are allowed in: the caller has to be the cluster's creator, or have an access entry", c.reach},
		{"Pod Identity agent", "bring the agent", "aws eks describe-addon says more; --agent-version and --agent-values choose another", c.agent},
		{"Probe image", "bring the probe's image to the nodes", "push it yourself (epi images), and name it: --probe-image", c.probe},
		{"Pod Identity agent and webhook", "look for the agent and the webhook", "", func(ctx context.Context, task clusters.Task) error {
			return existing.Look(ctx, c.client, c.env, task)
		}},
	}
	if c.env.OwnCluster {
		steps = append([]step{{"EKS cluster " + c.env.ClusterName, "make the cluster", "eksctl's output is above; epi doctor lists what this machine lacks", c.create}}, steps...)
	}
	for _, step := range steps {
		task := c.progress.Start(step.title)
		err := step.do(ctx, task)
		task.End(err)
		if err != nil {
			return &clusters.EnvironmentError{Doing: step.doing, Err: err, Remedy: cmp.Or(clusters.Remedy(explain(err)), step.remedy)}
		}
	}
	return clusters.SaveEnvironment(c.dirs, c.env)
}

type step struct {
	title, doing, remedy string
	do                   func(context.Context, clusters.Task) error
}

// reach writes the kubeconfig and waits until the API server accepts the caller.
func (c *creation) reach(ctx context.Context, task clusters.Task) error {
	found, err := describe(ctx, c.eks, c.env.ClusterName)
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("cluster %s is gone", c.env.ClusterName)
	}
	c.env.ClusterARN = aws.ToString(found.Arn)
	if err := writeKubeconfig(c.env.Kubeconfig, found, c.options.Token(c.env.ClusterName, c.env.Region, c.options.EndpointURL)); err != nil {
		return err
	}
	if c.config, err = kubeconfig.Read(c.env.Kubeconfig); err != nil {
		return err
	}
	c.config.Timeout = 20 * time.Second
	if c.client, err = kubernetes.NewForConfig(c.config); err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	version, err := c.client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask the API server for its version: %w", err)
	}
	task.Detail("%s, Kubernetes %s", c.env.ClusterARN, version.GitVersion)
	if c.env.NodeRole = c.options.NodeRole; c.env.NodeRole == "" {
		c.env.NodeRole, err = existing.NodeRole(ctx, c.eks, c.env.ClusterName)
	}
	return err
}

// Down removes everything that the environment has in AWS. In a cluster that existed before, it removes what the suites
// left, and the add-on if epi created it.
func (p *Provider) Down(ctx context.Context, name string, progress clusters.Progress) error {
	if err := clusters.CheckName(name); err != nil {
		return err
	}
	there, err := clusters.HasEnvironmentDir(p.dirs, name)
	if err != nil || !there {
		return err
	}
	var problems []error
	if env, loadErr := clusters.LoadEnvironment(p.dirs, name); loadErr == nil && !env.OwnCluster {
		task := progress.Start(fmt.Sprintf("Remove what the suites left in the cluster of %q", name))
		err := existing.New(p.dirs, existing.Options{EnvironmentLabel: p.options.EnvironmentLabel}).RemoveNamespaces(ctx, name, env.Kubeconfig)
		task.End(err)
		problems = append(problems, err)
	}
	problems = append(problems, sweep.Environment(ctx, p.dirs, name, nil, sweep.Options{Poll: p.options.Poll}, progress))
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return clusters.RemoveEnvironmentDir(p.dirs, name)
}
