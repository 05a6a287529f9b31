// Package addons installs the subjects, the Pod Identity agent and webhook, into a running cluster: epi's reference
// implementations or the user's images.
package addons

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/e2e-framework/klient/decoder"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters"
)

const timeoutReady = 2 * time.Minute

// Installer installs the add-ons of one cluster and waits for them.
type Installer struct {
	resources *resources.Resources
}

// New returns an installer for the cluster that config reaches.
func New(config *rest.Config) (*Installer, error) {
	r, err := resources.New(config)
	if err != nil {
		return nil, fmt.Errorf("reach cluster: %w", err)
	}
	return &Installer{resources: r}, nil
}

// install decodes every object of files, lets edit set what differs between runs, and creates it.
func (i *Installer) install(ctx context.Context, files fs.FS, edit func(k8s.Object) error) error {
	objects, err := decoder.DecodeAllFiles(ctx, files, "*/*.yaml")
	if err != nil {
		return fmt.Errorf("decode manifests: %w", err)
	}
	for _, object := range objects {
		if err := edit(object); err != nil {
			return err
		}
		if err := i.create(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

func (i *Installer) create(ctx context.Context, object k8s.Object) error {
	err := i.resources.Create(ctx, object)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create %T %s: %w", object, object.GetName(), err)
	}
	return nil
}

// WaitAgent waits until the agent is ready on each node that it is scheduled to.
func (i *Installer) WaitAgent(ctx context.Context, task clusters.Task) error {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: clusters.AgentNamespace, Name: clusters.AgentName}}
	return i.await(ctx, task, set, func() (bool, string) {
		ready, desired := set.Status.NumberReady, set.Status.DesiredNumberScheduled
		done := set.Status.ObservedGeneration >= set.Generation && desired > 0 &&
			set.Status.UpdatedNumberScheduled == desired && ready == desired
		return done, fmt.Sprintf("ready on %d of %d nodes", ready, desired)
	})
}

// WaitWebhook waits until the webhook is available.
func (i *Installer) WaitWebhook(ctx context.Context, task clusters.Task) error {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: clusters.WebhookNamespace, Name: clusters.WebhookName}}
	return i.await(ctx, task, deployment, func() (bool, string) {
		done := deployment.Status.ObservedGeneration >= deployment.Generation && deployment.Status.AvailableReplicas > 0 &&
			deployment.Status.UpdatedReplicas == deployment.Status.Replicas
		return done, fmt.Sprintf("%d of %d replicas available", deployment.Status.AvailableReplicas, deployment.Status.Replicas)
	})
}

// await polls object until ready accepts it. The error quotes the last state.
func (i *Installer) await(ctx context.Context, task clusters.Task, object k8s.Object, ready func() (bool, string)) error {
	seen := "nothing"
	err := wait.For(func(ctx context.Context) (bool, error) {
		if err := i.resources.Get(ctx, object.GetName(), object.GetNamespace(), object); err != nil {
			seen = err.Error()
			return false, nil //nolint:nilerr // if it persists the timeout's error contains it
		}
		var done bool
		done, seen = ready()
		if !done {
			if why := i.podFailure(ctx, object.GetNamespace(), object.GetName()); why != "" {
				seen += "; " + why
			}
		}
		task.Detail("%s", seen)
		return done, nil
	}, pollOften(ctx)...)
	if err != nil {
		return fmt.Errorf("wait for %s/%s: %w; last seen: %s", object.GetNamespace(), object.GetName(), err, seen)
	}
	return nil
}

func pollOften(ctx context.Context) []wait.Option {
	return []wait.Option{wait.WithContext(ctx), wait.WithInterval(200 * time.Millisecond), wait.WithTimeout(timeoutReady), wait.WithImmediate()}
}
