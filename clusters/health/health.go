// Package health checks a running environment without changing it: whether its API server, nodes, agent, webhook and AWS
// emulator work, and if not, why.
package health

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/command"
	"github.com/podidentity/epi/clusters/kubeconfig"
)

// answerTime is how long each part may take to answer before it counts as missing.
const answerTime = 5 * time.Second

// webhookName is the name of the webhook's configuration, in EKS and in epi.
const webhookName = "iam-for-pods.amazonaws.com"

// Part is a part of an environment.
type Part struct {
	// Name such as "agent" or "node epi-worker".
	Name    string `json:"name"`
	Healthy bool   `json:"healthy"`
	// State is a text, with the reason if it is not healthy.
	State string `json:"state"`
}

// Cluster checks the API server and, if that answers, the nodes and the environment's parts in them.
func Cluster(ctx context.Context, env *clusters.Environment) []Part {
	client, err := reach(ctx, env)
	if damaged, ok := errors.AsType[*kubeconfig.Error](err); ok {
		return []Part{{Name: "API server", State: "cannot be asked: " + damaged.Error()}}
	}
	if err != nil {
		return []Part{{Name: "API server", State: "does not answer: " + reason(err)}}
	}
	parts := []Part{{Name: "API server", Healthy: true, State: "answers"}}
	parts = append(parts, nodes(ctx, client, env)...)
	return append(parts, agent(ctx, client, env), webhook(ctx, client, env))
}

func reach(ctx context.Context, env *clusters.Environment) (kubernetes.Interface, error) {
	config, err := kubeconfig.Read(env.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.Timeout = answerTime
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return client, client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// Emulator checks the AWS emulator of an environment that has one.
func Emulator(ctx context.Context, env *clusters.Environment) Part {
	part := Part{Name: "AWS emulator"}
	if env.Control == nil {
		part.State = "the record of the environment does not say where it is"
		return part
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, env.Control.URL+"/healthz", nil)
	if err != nil {
		part.State = reason(err)
		return part
	}
	// No proxy is used, because it is on this machine.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		part.State = "does not answer: " + reason(err)
		return part
	}
	_ = response.Body.Close() // the body is not read
	if part.Healthy = response.StatusCode == http.StatusOK; !part.Healthy {
		part.State = "answers " + response.Status
		return part
	}
	part.State = "answers at " + env.AWS.EndpointURL
	return part
}

func nodes(ctx context.Context, client kubernetes.Interface, env *clusters.Environment) []Part {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return []Part{{Name: "nodes", State: "cannot be listed: " + reason(err)}}
	}
	parts := make([]Part, 0, len(list.Items)+1)
	for _, node := range list.Items {
		parts = append(parts, nodePart(node))
	}
	if missing := env.Nodes - len(list.Items); missing > 0 && env.Control != nil {
		parts = append(parts, Part{Name: "nodes", State: fmt.Sprintf("%d of %d are not in the cluster any more", missing, env.Nodes)})
	}
	return parts
}

func nodePart(node corev1.Node) Part {
	part := Part{Name: "node " + node.Name, State: "says nothing of itself"}
	for _, condition := range node.Status.Conditions {
		bad := condition.Status == corev1.ConditionTrue
		if condition.Type == corev1.NodeReady {
			part.Healthy = bad
			part.State = "Ready"
			if !part.Healthy {
				part.State = "not Ready: " + command.FirstLine(condition.Message)
			}
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			part.Healthy = false
			part.State += fmt.Sprintf(", %s: %s", condition.Type, command.FirstLine(condition.Message))
		}
	}
	return part
}

func absent(env *clusters.Environment, role string) bool {
	return slices.ContainsFunc(env.Subjects, func(s clusters.Subject) bool { return s.Role == role && s.Absent })
}

func agent(ctx context.Context, client kubernetes.Interface, env *clusters.Environment) Part {
	part := Part{Name: "agent"}
	set, err := client.AppsV1().DaemonSets(clusters.AgentNamespace).Get(ctx, clusters.AgentName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && absent(env, "agent"):
		return Part{Name: part.Name, Healthy: true, State: "not there, as when the environment was brought up"}
	case apierrors.IsNotFound(err):
		part.State = fmt.Sprintf("DaemonSet %s/%s is gone", clusters.AgentNamespace, clusters.AgentName)
	case err != nil:
		part.State = "cannot be looked at: " + reason(err)
	default:
		ready, wanted := set.Status.NumberReady, set.Status.DesiredNumberScheduled
		part.Healthy = wanted > 0 && ready == wanted && set.Status.ObservedGeneration >= set.Generation
		part.State = fmt.Sprintf("%d of %d ready: %s", ready, wanted, imageOf(set.Spec.Template))
		part.explain(ctx, client, set.Namespace, set.Spec.Selector)
	}
	return part
}

func webhook(ctx context.Context, client kubernetes.Interface, env *clusters.Environment) Part {
	part := Part{Name: "webhook"}
	if env.Control == nil {
		return configuration(ctx, client, env)
	}
	deployment, err := client.AppsV1().Deployments(clusters.WebhookNamespace).Get(ctx, clusters.WebhookName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && absent(env, "webhook"):
		return Part{Name: part.Name, Healthy: true, State: "not there, as when the environment was brought up"}
	case apierrors.IsNotFound(err):
		part.State = fmt.Sprintf("Deployment %s/%s is gone", clusters.WebhookNamespace, clusters.WebhookName)
	case err != nil:
		part.State = "cannot be looked at: " + reason(err)
	default:
		wanted := wantedOf(deployment)
		part.Healthy = wanted > 0 && deployment.Status.AvailableReplicas >= wanted
		part.State = fmt.Sprintf("%d of %d ready: %s", deployment.Status.AvailableReplicas, wanted, imageOf(deployment.Spec.Template))
		part.explain(ctx, client, deployment.Namespace, deployment.Spec.Selector)
	}
	return part
}

// configuration is all that is visible of a webhook that the control plane may run.
func configuration(ctx context.Context, client kubernetes.Interface, env *clusters.Environment) Part {
	part := Part{Name: "webhook"}
	list, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		part.State = "cannot be looked for: " + reason(err)
		return part
	}
	for _, found := range list.Items {
		for _, hook := range found.Webhooks {
			if hook.Name == webhookName {
				return Part{Name: part.Name, Healthy: true, State: "configuration " + found.Name + " is in the cluster"}
			}
		}
	}
	part.Healthy = absent(env, "webhook")
	part.State = "no configuration with a webhook " + webhookName + " is in the cluster"
	return part
}

// explain adds the reason why a pod of an unhealthy part does not run.
func (p *Part) explain(ctx context.Context, client kubernetes.Interface, namespace string, of *metav1.LabelSelector) {
	if p.Healthy {
		return
	}
	selector, err := metav1.LabelSelectorAsSelector(of)
	if err != nil {
		return // the state already has the counts
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return // the state already has the counts
	}
	for _, pod := range pods.Items {
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if waiting := status.State.Waiting; waiting != nil {
				p.State += fmt.Sprintf("; container %s of pod %s: %s", status.Name, pod.Name, strings.TrimSuffix(waiting.Reason+": "+command.FirstLine(waiting.Message), ": "))
				return
			}
		}
	}
}

func wantedOf(deployment *appsv1.Deployment) int32 {
	if deployment.Spec.Replicas == nil {
		return 1
	}
	return *deployment.Spec.Replicas
}

func imageOf(template corev1.PodTemplateSpec) string {
	if len(template.Spec.Containers) == 0 {
		return "no container"
	}
	return template.Spec.Containers[0].Image
}

// reason is an error in one line.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("nothing within %s", answerTime)
	}
	return command.FirstLine(err.Error())
}
