package addons

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters"
)

// ReplaceAgent makes the agent run another image. It returns when the new pods are ready and the old ones are gone.
func (i *Installer) ReplaceAgent(ctx context.Context, image string, task clusters.Task) error {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: clusters.AgentNamespace, Name: clusters.AgentName}}
	if err := i.change(ctx, set, func() { setImage(&set.Spec.Template.Spec, image, true) }); err != nil {
		return err
	}
	_, err := i.waitReplaced(ctx, task, clusters.AgentNamespace, set.Spec.Selector, int(set.Status.DesiredNumberScheduled), image)
	return err
}

// ReplaceWebhook makes the webhook run another image. It returns the addresses of the new pods when they are ready and the
// old ones are gone.
func (i *Installer) ReplaceWebhook(ctx context.Context, image string, task clusters.Task) ([]string, error) {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: clusters.WebhookNamespace, Name: clusters.WebhookName}}
	if err := i.change(ctx, deployment, func() { setImage(&deployment.Spec.Template.Spec, image, false) }); err != nil {
		return nil, err
	}
	return i.waitReplaced(ctx, task, clusters.WebhookNamespace, deployment.Spec.Selector, int(ptr.Deref(deployment.Spec.Replicas, 1)), image)
}

// setImage sets the image of the containers, and of init containers with the same program.
func setImage(pod *corev1.PodSpec, image string, initToo bool) {
	for n := range pod.InitContainers {
		if initToo {
			pod.InitContainers[n].Image = image
		}
	}
	for n := range pod.Containers {
		pod.Containers[n].Image = image
	}
}

// change reads object, lets edit change it and writes it back. It repeats that after a conflict.
func (i *Installer) change(ctx context.Context, object k8s.Object, edit func()) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := i.resources.Get(ctx, object.GetName(), object.GetNamespace(), object); err != nil {
			return err
		}
		edit()
		return i.resources.Update(ctx, object)
	})
	if err != nil {
		return fmt.Errorf("change %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// waitReplaced waits until n pods with image are ready and selector finds no others. An old pod that is still ending would
// answer requests that are meant for the new ones. It ends early if a new pod crashes.
func (i *Installer) waitReplaced(ctx context.Context, task clusters.Task, namespace string, selector *metav1.LabelSelector, n int, image string) ([]string, error) {
	var addresses []string
	seen := "nothing"
	err := wait.For(func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		err := i.resources.WithNamespace(namespace).List(ctx, &pods, resources.WithLabelSelector(metav1.FormatLabelSelector(selector)))
		if err != nil {
			seen = err.Error()
			return false, nil //nolint:nilerr // if it persists the timeout's error contains it
		}
		addresses, seen, err = replaced(pods.Items, n, image)
		task.Detail("%s", seen)
		return seen == "", err
	}, pollOften(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("wait for pods of %s: %w; last seen: %s", image, err, seen)
	}
	return addresses, nil
}

// errCrashed says that a pod will not become ready.
var errCrashed = errors.New("it does not start")

// replaced returns the addresses of n serving pods of image, or the reason why they are not ready yet. An error means that
// they never will be.
func replaced(pods []corev1.Pod, n int, image string) (addresses []string, waiting string, err error) {
	for i := range pods {
		pod := &pods[i]
		running := pod.Spec.Containers[0].Image
		switch {
		case pod.DeletionTimestamp != nil:
			waiting = pod.Name + " is ending"
		case running != image:
			waiting = pod.Name + " runs " + running
		case crashed(pod):
			return nil, failureOf(pod), errCrashed
		case !podReady(pod):
			waiting = pod.Name + " is not ready"
		default:
			addresses = append(addresses, pod.Status.PodIP)
		}
	}
	if waiting == "" && len(addresses) != n {
		waiting = fmt.Sprintf("%d of %d pods", len(addresses), n)
	}
	return addresses, waiting, nil
}

// crashed says that a container of the pod ended and that the kubelet waits before the next start.
func crashed(pod *corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), func(status corev1.ContainerStatus) bool {
		return status.State.Waiting != nil && status.State.Waiting.Reason == "CrashLoopBackOff"
	})
}

func podReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	})
}
