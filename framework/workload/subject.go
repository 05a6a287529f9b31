package workload

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
)

// SubjectPods returns the running pods of "agent" or "webhook", whose first container is the subject. If there are none,
// that is the subject's failure. The webhook's pods are visible only with clusters.WebhookInCluster.
func SubjectPods(ctx context.Context, env *framework.Env, subject string) []corev1.Pod {
	env.T.Helper()
	namespace := clusters.AgentNamespace
	var selector *metav1.LabelSelector
	if subject == "agent" {
		selector = AgentSet(ctx, env).Spec.Selector
	} else {
		var deployment appsv1.Deployment
		namespace = clusters.WebhookNamespace
		err := env.Resources.Get(ctx, clusters.WebhookName, namespace, &deployment)
		if apierrors.IsNotFound(err) {
			env.T.Blamef("there is no webhook: the cluster has no Deployment %s/%s", clusters.WebhookNamespace, clusters.WebhookName)
		}
		if err != nil {
			env.T.Fatalf("read Deployment %s/%s of the webhook: %v", clusters.WebhookNamespace, clusters.WebhookName, err)
		}
		selector = deployment.Spec.Selector
	}
	var list corev1.PodList
	if err := env.Resources.WithNamespace(namespace).List(ctx, &list, resources.WithLabelSelector(metav1.FormatLabelSelector(selector))); err != nil {
		env.T.Fatalf("list pods of the %s: %v", subject, err)
	}
	var pods []corev1.Pod
	for i := range list.Items {
		if pod := &list.Items[i]; pod.DeletionTimestamp == nil && Running(pod) {
			pods = append(pods, *pod)
		}
	}
	if len(pods) == 0 {
		env.T.Blamef("none of the %s's %d pods runs", subject, len(list.Items))
	}
	return pods
}
