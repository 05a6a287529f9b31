package addons

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
)

// podFailure says why the pods of an add-on do not start, for example that the image cannot be pulled or that
// its program does not know a flag. It returns "" if no reason is known.
func (i *Installer) podFailure(ctx context.Context, namespace, name string) string {
	var pods corev1.PodList
	if err := i.resources.WithNamespace(namespace).List(ctx, &pods, resources.WithLabelSelector("app.kubernetes.io/name="+name)); err != nil {
		return "" // the caller reports the state of the add-on itself
	}
	for n := range pods.Items {
		if text := failureOf(&pods.Items[n]); text != "" {
			return text
		}
	}
	return ""
}

// failureOf returns the reason why a container of the pod does not run; "" if all run or may still start.
func failureOf(pod *corev1.Pod) string {
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

// endOf describes the end of a container by its exit code and message.
func endOf(ended *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf(", exit code %d", ended.ExitCode)
	if message := strings.TrimSpace(ended.Message); message != "" {
		text += ": " + message
	}
	return text
}
