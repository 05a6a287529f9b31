package workload

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
)

// Log returns a container's log so far.
func Log(ctx context.Context, env *framework.Env, pod *corev1.Pod, container string) string {
	env.T.Helper()
	data, err := env.Clientset.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container}).DoRaw(ctx)
	if err != nil {
		env.T.Fatalf("read the log of container %s of pod %s/%s: %v", container, pod.Namespace, pod.Name, err)
	}
	return string(data)
}
