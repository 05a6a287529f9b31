package addons

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters"
)

// ReplaceAgent makes the agent run another image and returns when its pods are ready and those of
// before are gone.
func (i *Installer) ReplaceAgent(ctx context.Context, image string, task clusters.Task) error {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: AgentNamespace, Name: AgentName}}
	err := i.change(ctx, set, func() { setImage(&set.Spec.Template.Spec, image, true) })
	if err == nil {
		err = i.WaitAgent(ctx, task)
	}
	if err != nil {
		return err
	}
	_, err = i.waitReplaced(ctx, task, AgentNamespace, set.Spec.Selector, image)
	return err
}

// ReplaceWebhook makes the webhook run another image and returns the addresses of its pods when
// they are ready and those of before are gone.
func (i *Installer) ReplaceWebhook(ctx context.Context, image string, task clusters.Task) ([]string, error) {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: WebhookNamespace, Name: WebhookName}}
	err := i.change(ctx, deployment, func() { setImage(&deployment.Spec.Template.Spec, image, false) })
	if err == nil {
		err = i.WaitWebhook(ctx, task)
	}
	if err != nil {
		return nil, err
	}
	return i.waitReplaced(ctx, task, WebhookNamespace, deployment.Spec.Selector, image)
}

// setImage sets the image of the containers and, where they run the same program, of those before them.
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

// change reads object, has edit change it and writes it back, again if somebody else was faster.
func (i *Installer) change(ctx context.Context, object k8s.Object, edit func()) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := i.resources.Get(ctx, object.GetName(), object.GetNamespace(), object); err != nil {
			return err
		}
		edit()
		return i.resources.Update(ctx, object)
	})
	if err != nil {
		return fmt.Errorf("change image of %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// waitReplaced waits until every pod that selector finds runs image and is ready: a pod of before
// that still ends would answer requests that are meant for the others.
func (i *Installer) waitReplaced(ctx context.Context, task clusters.Task, namespace string, selector *metav1.LabelSelector, image string) ([]string, error) {
	var addresses []string
	seen := "nothing"
	err := wait.For(func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		err := i.resources.WithNamespace(namespace).List(ctx, &pods, resources.WithLabelSelector(metav1.FormatLabelSelector(selector)))
		if err != nil {
			seen = err.Error()
			return false, nil //nolint:nilerr // told with the timeout, if it lasts
		}
		addresses = addresses[:0]
		for n := range pods.Items {
			if why := notReplaced(&pods.Items[n], image); why != "" {
				seen = why
				task.Detail("%s", seen)
				return false, nil
			}
			addresses = append(addresses, pods.Items[n].Status.PodIP)
		}
		return len(addresses) > 0, nil
	}, pollOften(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("wait for pods of %s: %w; last seen: %s", image, err, seen)
	}
	return addresses, nil
}

// notReplaced says why the pod is not yet one of image that serves; "" if it is.
func notReplaced(pod *corev1.Pod, image string) string {
	if pod.DeletionTimestamp != nil {
		return pod.Name + " is ending"
	}
	if running := pod.Spec.Containers[0].Image; running != image {
		return pod.Name + " runs " + running
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return ""
		}
	}
	return pod.Name + " is not ready"
}
