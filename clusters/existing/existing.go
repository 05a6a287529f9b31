// Package existing uses a cluster that somebody else runs, such as an EKS cluster, with its agent and webhook, as an
// environment. It creates nothing in the cluster. Down removes what the suites leave there and in AWS after a crash.
package existing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/clusters/sweep"
)

// Name of the provider.
const Name = "existing"

// Options name the cluster and AWS.
type Options struct {
	// Kubeconfig is a file; empty means KUBECONFIG or ~/.kube/config. Context is a context in it; empty means its current
	// one.
	Kubeconfig, Context string
	// ClusterName is the EKS name of the cluster. Region is AWS's; empty means the AWS configuration's.
	ClusterName, Region string
	// NodeRole is the name of the IAM role of the nodes; empty means that of the cluster's node groups.
	NodeRole string
	// ProbeImage is an epi-probe that the nodes can pull.
	ProbeImage string
	// EndpointURL of AWS for this machine and PodEndpointURL for pods; empty means AWS's own.
	EndpointURL, PodEndpointURL string
	// PermissionsBoundary is the ARN of the permissions boundary of the suites' roles; empty for none.
	PermissionsBoundary string
	// EnvironmentLabel marks the namespaces that Down removes. Its value is the environment's name.
	EnvironmentLabel string
	// Poll is the time between two checks of a deletion; 0 means package sweep's default.
	Poll time.Duration
}

// Provider uses running clusters as environments.
type Provider struct {
	dirs    clusters.Dirs
	options Options
}

var _ clusters.Provider = (*Provider)(nil)

// New returns a provider that keeps its state in dirs.
func New(dirs clusters.Dirs, options Options) *Provider {
	return &Provider{dirs: dirs, options: options}
}

// Up reads the state of the cluster and of AWS and records the environment. Of spec it needs only the name. It copies the
// kubeconfig, reduced to the one context. The user's own file is only read.
func (p *Provider) Up(ctx context.Context, spec clusters.Spec, progress clusters.Progress) (*clusters.Environment, error) {
	if err := clusters.CheckName(spec.Name); err != nil {
		return nil, err
	}
	switch _, err := clusters.LoadEnvironment(p.dirs, spec.Name); {
	case errors.Is(err, clusters.ErrNoEnvironment):
	case err != nil:
		return nil, err
	default:
		return nil, &clusters.EnvironmentError{
			Doing: fmt.Sprintf("take a cluster for environment %q", spec.Name), Err: errors.New("an environment of that name is up"),
			Remedy: fmt.Sprintf("use it as it is, remove it with: epi down --name %s, or choose another --name", spec.Name),
		}
	}
	dir, err := clusters.MakeEnvironmentDir(p.dirs, spec.Name, Name)
	if err != nil {
		return nil, err
	}
	env := &clusters.Environment{
		Provider: Name, Name: spec.Name, Created: time.Now().UTC().Truncate(time.Second),
		ClusterName: p.options.ClusterName, Kubeconfig: filepath.Join(dir, "kubeconfig"), ProbeImage: p.options.ProbeImage,
		AWS:                 clusters.AWS{EndpointURL: p.options.EndpointURL, PodEndpointURL: p.options.PodEndpointURL},
		PermissionsBoundary: p.options.PermissionsBoundary, Journal: filepath.Join(dir, clusters.JournalFile),
	}
	err = p.look(ctx, env, progress)
	if err == nil {
		err = clusters.SaveEnvironment(p.dirs, env)
	}
	if err != nil {
		return nil, errors.Join(err, clusters.RemoveEnvironmentDir(p.dirs, spec.Name))
	}
	return env, nil
}

// look lists the steps of reading the state.
func (p *Provider) look(ctx context.Context, env *clusters.Environment, progress clusters.Progress) error {
	var client kubernetes.Interface
	for _, step := range []struct {
		title, doing, remedy string
		do                   func(clusters.Task) error
	}{
		{"Cluster", "reach the cluster", "check --kubeconfig and --context: kubectl get nodes must work with them", func(task clusters.Task) (err error) {
			client, err = p.reach(ctx, env, task)
			return err
		}},
		{
			"AWS", "reach AWS", "check --cluster-name, --region and your AWS credentials: aws eks describe-cluster must work with them",
			func(task clusters.Task) error { return p.lookAtAWS(ctx, env, task) },
		},
		{"Pod Identity agent and webhook", "look for the agent and the webhook", "", func(task clusters.Task) error { return findSubjects(ctx, client, env, task) }},
	} {
		task := progress.Start(step.title)
		err := step.do(task)
		task.End(err)
		if err != nil {
			if clusters.Remedy(err) != "" {
				return err
			}
			return &clusters.EnvironmentError{Doing: step.doing, Remedy: step.remedy, Err: err}
		}
	}
	return nil
}

// reach copies the kubeconfig and reads the state of the cluster.
func (p *Provider) reach(ctx context.Context, env *clusters.Environment, task clusters.Task) (kubernetes.Interface, error) {
	config, err := p.copyKubeconfig(env.Kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	if err := mayMakeNamespaces(ctx, client); err != nil {
		return nil, err
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask the API server for its version: %w", err)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	env.KubernetesVersion, env.Nodes, env.Capabilities = version.GitVersion, len(nodes.Items), capabilitiesOf(nodes.Items)
	task.Detail("Kubernetes %s, %d nodes", env.KubernetesVersion, env.Nodes)
	return client, nil
}

// copyKubeconfig writes the one context that is used to file, with the content of files that it names, and reads it.
func (p *Provider) copyKubeconfig(file string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = p.options.Kubeconfig
	loaded, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	if p.options.Context != "" {
		loaded.CurrentContext = p.options.Context
	}
	if err := errors.Join(api.MinifyConfig(loaded), api.FlattenConfig(loaded)); err != nil {
		return nil, fmt.Errorf("read context %q of kubeconfig: %w", loaded.CurrentContext, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("copy kubeconfig: %w", err)
	}
	if err := clientcmd.WriteToFile(*loaded, file); err != nil { // only its owner can read it
		return nil, fmt.Errorf("copy kubeconfig: %w", err)
	}
	config, err := kubeconfig.Read(file)
	if err != nil {
		return nil, err
	}
	config.Timeout = answerTime
	return config, nil
}

// answerTime bounds each request to the cluster and to AWS.
const answerTime = 20 * time.Second

// Down removes what the suites left in the cluster and in AWS, and epi's own files about the environment. The cluster, the
// agent and the webhook are the user's and stay.
func (p *Provider) Down(ctx context.Context, name string, progress clusters.Progress) error {
	dir, err := p.dirs.EnvironmentDir(name)
	if err != nil {
		return err
	}
	there, err := clusters.HasEnvironmentDir(p.dirs, name)
	if err != nil || !there {
		return err
	}
	task := progress.Start(fmt.Sprintf("Remove what the suites left in the cluster of %q", name))
	err = p.remove(ctx, name, filepath.Join(dir, "kubeconfig"))
	task.End(err)
	// What is in AWS is removed also if the cluster no longer exists.
	if awsErr := sweep.Environment(ctx, p.dirs, name, SuiteKinds(), sweep.Options{Poll: p.options.Poll}, progress); awsErr != nil {
		err = errors.Join(err, awsErr)
	}
	if err == nil {
		return clusters.RemoveEnvironmentDir(p.dirs, name)
	}
	if clusters.Remedy(err) == "" {
		return &clusters.EnvironmentError{
			Doing: fmt.Sprintf("remove environment %q", name), Err: err,
			Remedy: fmt.Sprintf("if the cluster is gone for good: rm -r %s", dir),
		}
	}
	return err
}

// RemoveNamespaces removes what the suites left in the cluster of an environment, by its kubeconfig.
func (p *Provider) RemoveNamespaces(ctx context.Context, name, file string) error {
	return p.remove(ctx, name, file)
}

// remove needs only the kubeconfig that epi copied, because the record may be lost.
func (p *Provider) remove(ctx context.Context, name, file string) error {
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it was never reached, so nothing was created in it
	case err == nil && !info.Mode().IsRegular():
		err = errors.New("it is not a file of its own")
	}
	if err != nil {
		return fmt.Errorf("read kubeconfig %s: %w", file, err)
	}
	config, err := kubeconfig.Read(file)
	if err != nil {
		return err
	}
	config.Timeout = answerTime
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	return p.removeNamespaces(ctx, client, name)
}

// SuiteKinds are the kinds of AWS resources that the suites create.
func SuiteKinds() []journal.Kind {
	return []journal.Kind{journal.Association, journal.Provider, journal.Role, journal.Policy, journal.Bucket}
}
