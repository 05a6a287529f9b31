package existing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podidentity/epi/clusters"
)

// mayMakeNamespaces checks early a permission without which every spec would fail: each creates a namespace.
func mayMakeNamespaces(ctx context.Context, client kubernetes.Interface) error {
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "create", Resource: "namespaces"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ask what may be done in the cluster: %w", err)
	}
	if !review.Status.Allowed {
		return &clusters.EnvironmentError{
			Doing: "use the cluster", Err: errors.New("this user may not create namespaces in it"),
			Remedy: "use a kubeconfig of an administrator: every spec makes a namespace of its own",
		}
	}
	return nil
}

// computeType is the label of nodes that are not usual instances:
// https://docs.aws.amazon.com/eks/latest/userguide/fargate.html.
const computeType = "eks.amazonaws.com/compute-type"

// capabilitiesOf returns the capabilities of the nodes. Fargate has no host network and no instance metadata. EC2 instances
// have metadata.
func capabilitiesOf(nodes []corev1.Node) []clusters.Capability {
	var capabilities []clusters.Capability
	hosts, instances := false, false
	for _, node := range nodes {
		fargate := node.Labels[computeType] == "fargate"
		hosts = hosts || !fargate
		instances = instances || !fargate && strings.HasPrefix(node.Spec.ProviderID, "aws://")
	}
	if hosts {
		capabilities = append(capabilities, clusters.HostNetworkPods)
	}
	if instances {
		capabilities = append(capabilities, clusters.IMDS)
	}
	return capabilities
}

// hostedWebhook is the name of the webhook that the EKS control plane registers.
const hostedWebhook = "iam-for-pods.amazonaws.com"

// controlPlane stands for the image of a webhook in the control plane, which is not visible.
const controlPlane = "run by the control plane"

// Look records the nodes and subjects of a cluster.
func Look(ctx context.Context, client kubernetes.Interface, env *clusters.Environment, task clusters.Task) error {
	if err := mayMakeNamespaces(ctx, client); err != nil {
		return err
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask the API server for its version: %w", err)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	env.KubernetesVersion, env.Nodes, env.Capabilities = version.GitVersion, len(nodes.Items), capabilitiesOf(nodes.Items)
	return findSubjects(ctx, client, env, task)
}

// findSubjects records the subjects. A missing one is recorded as absent, and the suites show the effect.
func findSubjects(ctx context.Context, client kubernetes.Interface, env *clusters.Environment, task clusters.Task) error {
	agent, err := findAgent(ctx, client)
	if err != nil {
		return err
	}
	webhook, err := findWebhook(ctx, client)
	if err != nil {
		return err
	}
	env.Subjects = []clusters.Subject{agent, webhook}
	task.Detail("agent: %s; webhook: %s", describe(agent), describe(webhook))
	return nil
}

func describe(subject clusters.Subject) string {
	if subject.Absent {
		return "not found"
	}
	return subject.Image
}

func findAgent(ctx context.Context, client kubernetes.Interface) (clusters.Subject, error) {
	subject := clusters.Subject{Role: "agent"}
	set, err := client.AppsV1().DaemonSets(clusters.AgentNamespace).Get(ctx, clusters.AgentName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		subject.Absent = true
		return subject, nil
	}
	if err != nil {
		return subject, fmt.Errorf("get DaemonSet %s/%s: %w", clusters.AgentNamespace, clusters.AgentName, err)
	}
	subject.Image = set.Spec.Template.Spec.Containers[0].Image
	subject.Digest, err = digestOf(ctx, client, clusters.AgentNamespace, set.Spec.Selector, subject.Image)
	return subject, err
}

func findWebhook(ctx context.Context, client kubernetes.Interface) (clusters.Subject, error) {
	subject := clusters.Subject{Role: "webhook", Absent: true}
	list, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return subject, fmt.Errorf("list mutating webhooks: %w", err)
	}
	for _, configuration := range list.Items {
		for _, webhook := range configuration.Webhooks {
			if webhook.Name != hostedWebhook {
				continue
			}
			subject.Absent, subject.Image = false, controlPlane
			service := webhook.ClientConfig.Service
			if service == nil {
				return subject, nil
			}
			found, err := client.CoreV1().Services(service.Namespace).Get(ctx, service.Name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return subject, nil
			}
			if err != nil {
				return subject, fmt.Errorf("get Service %s/%s: %w", service.Namespace, service.Name, err)
			}
			return behind(ctx, client, subject, found)
		}
	}
	return subject, nil
}

// behind completes subject from a pod of the service.
func behind(ctx context.Context, client kubernetes.Interface, subject clusters.Subject, service *corev1.Service) (clusters.Subject, error) {
	pods, err := podsOf(ctx, client, service.Namespace, &metav1.LabelSelector{MatchLabels: service.Spec.Selector})
	if err == nil && len(pods) > 0 {
		subject.Image = pods[0].Spec.Containers[0].Image
		subject.Digest = digest(pods[0], subject.Image)
	}
	return subject, err
}

func digestOf(ctx context.Context, client kubernetes.Interface, namespace string, selector *metav1.LabelSelector, image string) (string, error) {
	pods, err := podsOf(ctx, client, namespace, selector)
	for _, pod := range pods {
		if found := digest(pod, image); found != "" {
			return found, nil
		}
	}
	return "", err
}

func podsOf(ctx context.Context, client kubernetes.Interface, namespace string, selector *metav1.LabelSelector) ([]corev1.Pod, error) {
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector)})
	if err != nil {
		return nil, fmt.Errorf("list pods of namespace %s: %w", namespace, err)
	}
	return pods.Items, nil
}

// digest is that of the image on the pod's node; "" if it is not known.
func digest(pod corev1.Pod, image string) string {
	for _, container := range pod.Spec.Containers {
		if container.Image != image {
			continue
		}
		for _, status := range pod.Status.ContainerStatuses {
			if _, found, ok := strings.Cut(status.ImageID, "sha256:"); ok && status.Name == container.Name {
				return "sha256:" + found
			}
		}
	}
	return ""
}

// removeNamespaces deletes the namespaces that the environment's specs left after a crash.
func (p *Provider) removeNamespaces(ctx context.Context, client kubernetes.Interface, name string) error {
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: map[string]string{p.options.EnvironmentLabel: name}})
	list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	var problems []error
	for _, namespace := range list.Items {
		if err := client.CoreV1().Namespaces().Delete(ctx, namespace.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			problems = append(problems, fmt.Errorf("delete namespace %s: %w", namespace.Name, err))
		}
	}
	return errors.Join(problems...)
}
