// Package framework has what specs and scenarios use: the Env gives them access to the cluster and to AWS. Its code is the
// same for AWS and for an emulator, except the control client, for which a spec must declare its need.
package framework

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/clusters/ownership"
	"github.com/podidentity/epi/clusters/retries"
)

// T is the fixtures' interface to the program that runs them: Ginkgo for suites, and the run loop for benchmarks.
type T interface {
	Helper()
	Logf(format string, args ...any)
	// Report adds a named value to the record.
	Report(name string, value any)
	// Fatalf ends the spec as an Error: the harness failed, and the subject is not judged.
	Fatalf(format string, args ...any)
	// Blamef ends the spec as a Fail: only the subject can be the reason.
	Blamef(format string, args ...any)
	// Cleanup registers the removal of something that was just created. It also runs after a failure.
	Cleanup(what string, remove func(context.Context) error)
}

// Mutation is intended damage of fixtures, which the suites must notice.
type Mutation string

// RoleWithoutPolicy creates roles without permissions.
const RoleWithoutPolicy Mutation = "role-without-policy"

// Mutations lists all of them.
func Mutations() []Mutation { return []Mutation{RoleWithoutPolicy} }

// Options of an Env.
type Options struct {
	// Run is the name of the run, to which everything created belongs.
	Run string
	// T of the running spec.
	T T
	// Mutation damages fixtures; empty for none.
	Mutation Mutation
	// Disposable says that the cluster is removed with the run. Namespaces are then emptied and not deleted: a deletion
	// costs the API server a list and a deletion for each kind of object.
	Disposable bool
}

// Env is the specs' access to an environment. Everything that is created through it has Labels.
type Env struct {
	*clusters.Environment
	Options
	Timeouts Timeouts

	// Config, Resources and Clientset are clients of the cluster.
	Config    *rest.Config
	Resources *resources.Resources
	Clientset kubernetes.Interface

	// Clients are the administrator's, in the environment's own account.
	Clients
	// Control is the emulator's control API; nil without clusters.EmulatorControl.
	Control *control.Client

	owner ownership.Owner

	mu         sync.Mutex
	namespaces []string
	names      []string
	admitted   []*corev1.Pod
}

// New makes an Env for a running environment. It sends no requests to cluster or AWS.
func New(ctx context.Context, environment *clusters.Environment, options Options) (*Env, error) {
	if options.Mutation != "" && !slices.Contains(Mutations(), options.Mutation) {
		return nil, fmt.Errorf("unknown mutation %q; there are %q", options.Mutation, Mutations())
	}
	env := &Env{Environment: environment, Options: options, Timeouts: DefaultTimeouts(environment)}
	var err error
	if env.Config, err = kubeconfig.Read(environment.Kubeconfig); err != nil {
		return nil, fmt.Errorf("reach cluster of environment %s: %w", environment.Name, err)
	}
	// The API server has its own flow control. The client's would only distort measurements.
	env.Config.QPS, env.Config.Burst = 200, 400
	if env.Resources, err = resources.New(env.Config); err != nil {
		return nil, fmt.Errorf("reach cluster of environment %s: %w", environment.Name, err)
	}
	if env.Clientset, err = kubernetes.NewForConfig(env.Config); err != nil {
		return nil, fmt.Errorf("reach cluster of environment %s: %w", environment.Name, err)
	}
	cfg, err := awsConfig(ctx, environment)
	if err != nil {
		return nil, err
	}
	env.owner = ownership.Owner{Environment: environment.Name, Run: cmp.Or(labelValue(options.Run), unnamedRun), Expires: environment.Expires}
	if env.owner.Expires.IsZero() {
		env.owner.Expires = time.Now().Add(ownership.Lifetime).UTC().Truncate(time.Second)
	}
	env.Clients = newClients(cfg, env.stamp(environment.AccountID))
	if environment.Has(clusters.EmulatorControl) && environment.Control != nil {
		env.Control = control.New(environment.Control.URL, environment.Control.Token)
	}
	return env, nil
}

// awsConfig is the user's own configuration, unless the environment has AWS's endpoint and credentials. Then the user's
// variables and profiles have no effect.
func awsConfig(ctx context.Context, environment *clusters.Environment) (aws.Config, error) {
	own := environment.AWS
	if own.AccessKeyID != "" && own.EndpointURL != "" {
		return aws.Config{
			Region: environment.Region, BaseEndpoint: &own.EndpointURL,
			Credentials: credentials.NewStaticCredentialsProvider(own.AccessKeyID, own.SecretAccessKey, ""),
		}, nil
	}
	options := []func(*config.LoadOptions) error{config.WithRegion(environment.Region)}
	if own.EndpointURL != "" {
		options = append(options, config.WithBaseEndpoint(own.EndpointURL))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("configure AWS clients: %w", err)
	}
	retries.On(&cfg)
	return cfg, nil
}

type contextKey struct{}

// NewContext returns a context that carries env to specs.
func NewContext(ctx context.Context, env *Env) context.Context {
	return context.WithValue(ctx, contextKey{}, env)
}

// From returns the Env of a spec's context. Without one it panics: the spec was not run by epi, which its author has to
// know.
func From(ctx context.Context) *Env {
	env, ok := ctx.Value(contextKey{}).(*Env)
	if !ok {
		panic("framework.From: the context carries no Env; run the specs by epi test")
	}
	return env
}

// stamp marks and records what the clients of an account create.
func (e *Env) stamp(account string) ownership.Stamp {
	return ownership.Stamp{
		Owner: e.owner, Account: account, Region: e.Region, Endpoint: e.AWS.EndpointURL, PermissionsBoundary: e.PermissionsBoundary, Journal: journal.File(e.Journal),
	}
}

// Labels of everything that is created in the cluster: the names of the environment and of the run. A sweeper finds it by
// them.
func (e *Env) Labels() map[string]string {
	return map[string]string{LabelEnvironment: e.Name, LabelRun: cmp.Or(labelValue(e.Run), unnamedRun)}
}

// Tags of everything that is created in AWS: Labels, and the time from which it may be removed. Clients add them
// automatically.
func (e *Env) Tags() map[string]string { return e.owner.Tags() }

// Keys of Labels.
const (
	LabelEnvironment = ownership.TagEnvironment
	LabelRun         = ownership.TagRun
)

// unnamedRun is the name of a run without a name.
const unnamedRun = "none"

var notInLabel = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// labelValue makes text a valid value of a label.
func labelValue(text string) string {
	text = notInLabel.ReplaceAllString(text, "-")
	return strings.Trim(text[:min(len(text), 63)], "-_.")
}

// NewName returns a new name, which is valid for namespaces, roles and buckets: at most 49 characters, beginning with
// "epi-" and the environment's name.
func (e *Env) NewName() string {
	name := "epi-" + e.Name + "-" + strings.ToLower(rand.Text()[:12])
	e.mu.Lock()
	defer e.mu.Unlock()
	e.names = lastOf(append(e.names, name), keptNames)
	return name
}

// The number of names and pods to keep. It is more than one spec creates.
const (
	keptNames    = 100
	keptAdmitted = 10
)

func lastOf[T any](list []T, n int) []T { return slices.Clone(list[max(0, len(list)-n):]) }

// Names are the newest names of NewName, with those of the running spec. Evidence is found by them.
func (e *Env) Names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.names)
}

// NoteAdmitted keeps the result of a pod's dry run as evidence, because the pod does not exist.
func (e *Env) NoteAdmitted(pod *corev1.Pod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pod = pod.DeepCopy()
	pod.ManagedFields = nil
	e.admitted = lastOf(append(e.admitted, pod), keptAdmitted)
}

// Admitted are the newest pods of NoteAdmitted, newest last.
func (e *Env) Admitted() []*corev1.Pod {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.admitted)
}

// Entered records a namespace of the running spec. Evidence is collected from it.
func (e *Env) Entered(namespace string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.namespaces = append(e.namespaces, namespace)
}

// Left records that a namespace is gone.
func (e *Env) Left(namespace string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.namespaces = slices.DeleteFunc(e.namespaces, func(n string) bool { return n == namespace })
}

// Namespaces are those of the running spec.
func (e *Env) Namespaces() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.namespaces)
}
