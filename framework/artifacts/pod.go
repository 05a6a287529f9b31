package artifacts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// briefPod has the important parts of a pod, the most important first: its state, what was injected, what was requested. It
// leaves out what the API server adds to every pod.
type briefPod struct {
	Name           string            `json:"name"`
	Namespace      string            `json:"namespace"`
	ServiceAccount string            `json:"serviceAccount,omitempty"`
	NodeName       string            `json:"nodeName,omitempty"`
	HostNetwork    bool              `json:"hostNetwork,omitempty"`
	Status         briefStatus       `json:"status,omitzero"`
	Containers     []briefContainer  `json:"containers"`
	InitContainers []briefContainer  `json:"initContainers,omitempty"`
	Volumes        []corev1.Volume   `json:"volumes,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Annotations    map[string]string `json:"annotations,omitempty"`
}

type briefContainer struct {
	Name          string                         `json:"name"`
	RestartPolicy *corev1.ContainerRestartPolicy `json:"restartPolicy,omitempty"`
	State         string                         `json:"state,omitempty"`
	Env           []string                       `json:"env,omitempty"`    // NAME=value
	Mounts        []string                       `json:"mounts,omitempty"` // volume at path
	Image         string                         `json:"image,omitempty"`
	Args          []string                       `json:"args,omitempty"`
}

type briefStatus struct {
	Phase   corev1.PodPhase `json:"phase,omitempty"`
	PodIP   string          `json:"podIP,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Message string          `json:"message,omitempty"`
	Unmet   []string        `json:"unmet,omitempty"` // conditions that are not true, with their reasons
}

// brief returns the pod as YAML, without secrets.
func (c *Collector) brief(pod *corev1.Pod) string {
	states := map[string]string{}
	for _, container := range append(slices.Clone(pod.Status.InitContainerStatuses), pod.Status.ContainerStatuses...) {
		states[container.Name] = state(container)
	}
	text, err := inOrder(briefPod{
		Name: pod.Name, Namespace: pod.Namespace, ServiceAccount: pod.Spec.ServiceAccountName, NodeName: pod.Spec.NodeName,
		HostNetwork: pod.Spec.HostNetwork, Status: statusOf(pod.Status), Labels: pod.Labels, Annotations: pod.Annotations,
		Containers: briefContainers(pod.Spec.Containers, states), InitContainers: briefContainers(pod.Spec.InitContainers, states),
		Volumes: slices.DeleteFunc(slices.Clone(pod.Spec.Volumes), func(volume corev1.Volume) bool { return isAPIAccess(volume.Name) }),
	})
	if err != nil {
		return fmt.Sprintf("cannot be shown: %v", err)
	}
	return beginning(strings.TrimSpace(c.Redact(text)))
}

// inOrder returns a value as YAML with its fields in the order of their type. JSON keeps that order, and is YAML in flow
// style.
func inOrder(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(data, &node); err != nil {
		return "", err
	}
	inBlocks(&node)
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err = errors.Join(encoder.Encode(&node), encoder.Close())
	return b.String(), err
}

func inBlocks(node *yaml.Node) {
	node.Style = 0
	for _, child := range node.Content {
		inBlocks(child)
	}
}

func briefContainers(containers []corev1.Container, states map[string]string) []briefContainer {
	var list []briefContainer
	for _, container := range containers {
		shown := briefContainer{Name: container.Name, RestartPolicy: container.RestartPolicy, State: states[container.Name], Image: container.Image, Args: container.Args}
		for _, variable := range container.Env {
			value := variable.Value
			if variable.ValueFrom != nil {
				value = "(from elsewhere)"
			}
			shown.Env = append(shown.Env, variable.Name+"="+value)
		}
		for _, mount := range container.VolumeMounts {
			if isAPIAccess(mount.Name) {
				continue
			}
			text := mount.Name + " at " + mount.MountPath
			if mount.ReadOnly {
				text += ", read-only"
			}
			shown.Mounts = append(shown.Mounts, text)
		}
		list = append(list, shown)
	}
	return list
}

// isAPIAccess says whether a volume has the token for the API server, by its generated name. Every pod has one.
func isAPIAccess(volume string) bool { return strings.HasPrefix(volume, "kube-api-access-") }

func statusOf(status corev1.PodStatus) briefStatus {
	shown := briefStatus{Phase: status.Phase, PodIP: status.PodIP, Reason: status.Reason, Message: status.Message}
	for _, condition := range status.Conditions {
		if condition.Status != corev1.ConditionTrue && condition.Reason != "" {
			shown.Unmet = append(shown.Unmet, strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", condition.Type, condition.Reason, condition.Message), ": "))
		}
	}
	return shown
}

// state is the state of a container, such as "waiting: ImagePullBackOff: no such image".
func state(container corev1.ContainerStatus) string {
	var text string
	switch {
	case container.State.Waiting != nil:
		text = fmt.Sprintf("waiting: %s: %s", container.State.Waiting.Reason, container.State.Waiting.Message)
	case container.State.Terminated != nil:
		text = fmt.Sprintf("ended with %d: %s", container.State.Terminated.ExitCode, container.State.Terminated.Reason)
	case container.State.Running != nil:
		text = "running"
	default:
		text = "unknown"
	}
	if container.RestartCount > 0 {
		text += fmt.Sprintf(", restarted %d times", container.RestartCount)
	}
	return strings.TrimRight(text, ": ")
}
