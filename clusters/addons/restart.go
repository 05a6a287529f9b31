package addons

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters"
)

// Restart ends the pods of the agent and of the webhook. It returns when new ones are ready and none of the old ones is
// left. New programs have no state. It skips a program that the cluster does not have, such as the webhook on EKS.
func (i *Installer) Restart(ctx context.Context, task clusters.Task) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		set := agentSet()
		if err := i.resources.Get(ctx, set.Name, set.Namespace, set); err != nil {
			return unlessAbsent(set.Namespace, set.Name, err)
		}
		old, err := i.removePods(ctx, podsOfSet(set))
		if err != nil {
			return err
		}
		return i.waitAnew(ctx, set, old, task)
	})
	group.Go(func() error {
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: clusters.WebhookNamespace, Name: clusters.WebhookName}}
		if err := i.resources.Get(ctx, deployment.Name, deployment.Namespace, deployment); err != nil {
			return unlessAbsent(deployment.Namespace, deployment.Name, err)
		}
		by := owned{deployment.Namespace, deployment.Name, deployment.Spec.Selector}
		old, err := i.removePods(ctx, by)
		if err != nil {
			return err
		}
		return i.waitOwned(ctx, by, old, int(ptr.Deref(deployment.Spec.Replicas, 1)), task)
	})
	return group.Wait()
}

func unlessAbsent(namespace, name string, err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("read %s/%s: %w", namespace, name, err)
}

// waitOwned waits until n new pods are ready and none of the old ones is left.
func (i *Installer) waitOwned(ctx context.Context, by owned, old []types.UID, n int, task clusters.Task) error {
	seen := "nothing"
	status := appsv1.DaemonSetStatus{DesiredNumberScheduled: int32(n), UpdatedNumberScheduled: int32(n)} //nolint:gosec // a handful
	err := wait.For(func(ctx context.Context) (bool, error) {
		var pods []corev1.Pod
		pods, err := i.pods(ctx, by)
		if err != nil {
			seen = err.Error()
			return false, nil //nolint:nilerr // reported with the timeout, if it lasts
		}
		seen, err = anew(status, pods, old)
		task.Detail("%s", seen)
		return seen == "", err
	}, pollOften(ctx)...)
	if err != nil {
		return fmt.Errorf("wait for new pods of %s/%s: %w; last seen: %s", by.namespace, by.name, err, seen)
	}
	return nil
}
