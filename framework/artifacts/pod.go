package artifacts

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// briefPod is what matters of a pod: what was asked for, what was injected, and how it goes. What
// the API server fills into every pod is left out.
type briefPod struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        briefSpec         `json:"spec"`
	Status      briefStatus       `json:"status,omitzero"`
}

type briefSpec struct {
	ServiceAccountName string           `json:"serviceAccountName"`
	NodeName           string           `json:"nodeName,omitempty"`
	HostNetwork        bool             `json:"hostNetwork,omitempty"`
	InitContainers     []briefContainer `json:"initContainers,omitempty"`
	Containers         []briefContainer `json:"containers"`
	Volumes            []corev1.Volume  `json:"volumes,omitempty"`
}

type briefContainer struct {
	Name          string                         `json:"name"`
	Image         string                         `json:"image"`
	Args          []string                       `json:"args,omitempty"`
	Env           []corev1.EnvVar                `json:"env,omitempty"`
	VolumeMounts  []corev1.VolumeMount           `json:"volumeMounts,omitempty"`
	RestartPolicy *corev1.ContainerRestartPolicy `json:"restartPolicy,omitempty"`
}

type briefStatus struct {
	Phase      corev1.PodPhase `json:"phase,omitempty"`
	PodIP      string          `json:"podIP,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Message    string          `json:"message,omitempty"`
	Unmet      []string        `json:"unmet,omitempty"` // conditions that are not true, with their reasons
	Containers []string        `json:"containers,omitempty"`
}

// brief is the pod as YAML, without secrets.
func (c *Collector) brief(pod *corev1.Pod) string {
	shown := briefPod{
		Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, Annotations: pod.Annotations,
		Spec: briefSpec{
			ServiceAccountName: pod.Spec.ServiceAccountName, NodeName: pod.Spec.NodeName, HostNetwork: pod.Spec.HostNetwork,
			InitContainers: briefContainers(pod.Spec.InitContainers), Containers: briefContainers(pod.Spec.Containers),
			Volumes: slices.DeleteFunc(slices.Clone(pod.Spec.Volumes), func(volume corev1.Volume) bool { return isAPIAccess(volume.Name) }),
		},
		Status: statusOf(pod.Status),
	}
	text, err := yaml.Marshal(shown)
	if err != nil {
		return fmt.Sprintf("cannot be shown: %v", err)
	}
	return beginning(strings.TrimSpace(c.Redact(string(text))))
}

func briefContainers(containers []corev1.Container) []briefContainer {
	var list []briefContainer
	for _, container := range containers {
		list = append(list, briefContainer{
			Name: container.Name, Image: container.Image, Args: container.Args, Env: container.Env, RestartPolicy: container.RestartPolicy,
			VolumeMounts: slices.DeleteFunc(slices.Clone(container.VolumeMounts), func(mount corev1.VolumeMount) bool { return isAPIAccess(mount.Name) }),
		})
	}
	return list
}

// isAPIAccess tells the volume of the token for the API server, which every pod gets, by its generated name.
func isAPIAccess(volume string) bool { return strings.HasPrefix(volume, "kube-api-access-") }

func statusOf(status corev1.PodStatus) briefStatus {
	shown := briefStatus{Phase: status.Phase, PodIP: status.PodIP, Reason: status.Reason, Message: status.Message}
	for _, condition := range status.Conditions {
		if condition.Status != corev1.ConditionTrue && condition.Reason != "" {
			shown.Unmet = append(shown.Unmet, strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", condition.Type, condition.Reason, condition.Message), ": "))
		}
	}
	for _, container := range append(slices.Clone(status.InitContainerStatuses), status.ContainerStatuses...) {
		shown.Containers = append(shown.Containers, container.Name+" "+state(container))
	}
	return shown
}

// state is how a container goes, such as "waiting: ImagePullBackOff: no such image".
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
