package addons

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
)

// trouble says why the pods of an add-on do not start, "" if nothing is known to keep them: what the
// user has to read when the image cannot be pulled or its program does not know a flag.
func (i *Installer) trouble(ctx context.Context, namespace, name string) string {
	var pods corev1.PodList
	if err := i.resources.WithNamespace(namespace).List(ctx, &pods, resources.WithLabelSelector("app.kubernetes.io/name="+name)); err != nil {
		return "" // what was seen of the add-on itself is told
	}
	for n := range pods.Items {
		if text := troubleOf(&pods.Items[n]); text != "" {
			return text
		}
	}
	return ""
}

func troubleOf(pod *corev1.Pod) string {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		waiting, ended := status.State.Waiting, status.State.Terminated
		switch {
		case waiting != nil && !slices.Contains([]string{"", "ContainerCreating", "PodInitializing"}, waiting.Reason):
			text := fmt.Sprintf("container %s: %s", status.Name, waiting.Reason)
			if last := status.LastTerminationState.Terminated; last != nil {
				return text + endOf(last)
			}
			if waiting.Message != "" {
				text += ": " + waiting.Message
			}
			return text
		case ended != nil && ended.ExitCode != 0:
			return fmt.Sprintf("container %s ended", status.Name) + endOf(ended)
		}
	}
	return ""
}

func endOf(ended *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf(", exit code %d", ended.ExitCode)
	if message := strings.TrimSpace(ended.Message); message != "" {
		text += ": " + message
	}
	return text
}
