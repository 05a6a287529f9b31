// Package framework is the vocabulary of specs and scenarios: the Env through which they speak to
// the cluster and to AWS. Nothing here knows whether AWS is AWS or an emulator, except the control
// client, which a spec has to say that it needs.
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

// T is how fixtures speak to whoever runs them: Ginkgo for suites, the run loop for benchmarks.
type T interface {
	Helper()
	Logf(format string, args ...any)
	// Report adds a named value to the record.
	Report(name string, value any)
	// Fatalf ends the spec as an Error: the harness broke, nothing is said about the subject.
	Fatalf(format string, args ...any)
	// Blamef ends the spec as a Fail: what was seen can only be the subject's doing.
	Blamef(format string, args ...any)
	// Cleanup registers the removal of what was just made; it runs also after a failure.
	Cleanup(what string, remove func(context.Context) error)
}

// Mutation is damage that fixtures do on purpose, to see that the suites notice.
type Mutation string

// RoleWithoutPolicy makes roles that may do nothing.
const RoleWithoutPolicy Mutation = "role-without-policy"

// Mutations lists all of them.
func Mutations() []Mutation { return []Mutation{RoleWithoutPolicy} }

// Options of an Env.
type Options struct {
	// Run names the run that everything made belongs to.
	Run string
	// T of the running spec.
	T T
	// Mutation damages fixtures; empty for none.
	Mutation Mutation
	// Disposable says that the cluster goes with the run. Namespaces are then emptied and left to that: to
	// delete one costs the API server a list and a deletion for each kind of object that there is.
	Disposable bool
}

// Env is an environment as specs see it. Everything that is made through it carries Labels.
type Env struct {
	*clusters.Environment
	Options
	Timeouts Timeouts

	// Config, Resources and Clientset reach the cluster.
	Config    *rest.Config
	Resources *resources.Resources
	Clientset kubernetes.Interface

	// Clients are the administrator's: of the environment's own account.
	Clients
	// Control is the emulator's control API; nil without clusters.EmulatorControl.
	Control *control.Client

	owner ownership.Owner

	mu         sync.Mutex
	namespaces []string
	names      []string
	admitted   []*corev1.Pod
}

// New makes an Env of a running environment. It asks nothing of cluster or AWS yet.
func New(ctx context.Context, environment *clusters.Environment, options Options) (*Env, error) {
	if options.Mutation != "" && !slices.Contains(Mutations(), options.Mutation) {
		return nil, fmt.Errorf("unknown mutation %q; there are %q", options.Mutation, Mutations())
	}
	env := &Env{Environment: environment, Options: options, Timeouts: DefaultTimeouts(environment)}
	var err error
	if env.Config, err = kubeconfig.Read(environment.Kubeconfig); err != nil {
		return nil, fmt.Errorf("reach cluster of environment %s: %w", environment.Name, err)
	}
	// The API server has its own flow control; the client's would only distort what is measured.
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

// awsConfig is the user's own configuration, unless the environment says where AWS is and who we are:
// then nothing of the user's variables and profiles may have a say.
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

// From returns the Env of a spec's context. It panics without one: that is a spec that was not run
// by epi, which the author of the spec has to know.
func From(ctx context.Context) *Env {
	env, ok := ctx.Value(contextKey{}).(*Env)
	if !ok {
		panic("framework.From: the context carries no Env; run the specs by epi test")
	}
	return env
}

// stamp is what marks and writes down what clients of an account make.
func (e *Env) stamp(account string) ownership.Stamp {
	return ownership.Stamp{
		Owner: e.owner, Account: account, Region: e.Region, Endpoint: e.AWS.EndpointURL, PermissionsBoundary: e.PermissionsBoundary, Journal: journal.File(e.Journal),
	}
}

// Labels of everything that is made in the cluster, so that a sweeper that did not make it finds it: the
// name of the environment and of the run.
func (e *Env) Labels() map[string]string {
	return map[string]string{LabelEnvironment: e.Name, LabelRun: cmp.Or(labelValue(e.Run), unnamedRun)}
}

// Tags of everything that is made in AWS: Labels, and when it may be removed. Clients add them by themselves.
func (e *Env) Tags() map[string]string { return e.owner.Tags() }

// Keys of Labels.
const (
	LabelEnvironment = ownership.TagEnvironment
	LabelRun         = ownership.TagRun
)

// unnamedRun is the name of a run that has none.
const unnamedRun = "none"

var notInLabel = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// labelValue makes text fit for a label's value.
func labelValue(text string) string {
	text = notInLabel.ReplaceAllString(text, "-")
	return strings.Trim(text[:min(len(text), 63)], "-_.")
}

// NewName is a new name for something to make, fit for namespaces, roles and buckets: at most 49
// characters, beginning with "epi-" and the environment's name.
func (e *Env) NewName() string {
	name := "epi-" + e.Name + "-" + strings.ToLower(rand.Text()[:12])
	e.mu.Lock()
	defer e.mu.Unlock()
	e.names = lastOf(append(e.names, name), keptNames)
	return name
}

// How much is remembered of what specs made: more than one spec makes.
const (
	keptNames    = 100
	keptAdmitted = 10
)

func lastOf[T any](list []T, n int) []T { return slices.Clone(list[max(0, len(list)-n):]) }

// Names are the newest names of NewName, those of the running spec among them: evidence is found by them.
func (e *Env) Names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.names)
}

// NoteAdmitted remembers what became of a pod that was sent for a dry run, for evidence: it exists nowhere.
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

// Entered notes a namespace of the running spec, Left that it is gone: evidence is taken from those.
func (e *Env) Entered(namespace string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.namespaces = append(e.namespaces, namespace)
}

// Left see Entered.
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
