package artifacts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/clusters"
)

// maxLog bounds the log of one container, in bytes. The end of a longer log is kept.
const maxLog = 4 << 20

// Logs writes the logs of the containers in the system namespaces to logs/NAMESPACE_POD_CONTAINER.log below Dir, and the
// calls that AWS received to logs/aws-calls.jsonl. It continues after errors and returns them joined.
func (c *Collector) Logs(ctx context.Context) error {
	dir := filepath.Join(c.Dir, "logs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("collect logs: %w", err)
	}
	var problems []error
	keep := func(file string, text []byte, err error) {
		if err == nil {
			text = text[max(0, len(text)-maxLog):]
			err = os.WriteFile(filepath.Join(dir, file), []byte(c.Redact(string(text))), 0o644)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("collect %s: %w", file, err))
		}
	}
	for _, namespace := range []string{clusters.AgentNamespace, clusters.WebhookNamespace} {
		list, err := c.Cluster.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			problems = append(problems, fmt.Errorf("collect logs of namespace %s: %w", namespace, err))
			continue
		}
		for _, pod := range list.Items {
			for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
				text, err := c.Cluster.CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container.Name}).DoRaw(ctx)
				keep(fmt.Sprintf("%s_%s_%s.log", namespace, pod.Name, container.Name), text, err)
			}
		}
	}
	if c.Control != nil {
		calls, err := c.calls(ctx, time.Time{})
		text, encoded := jsonLines(calls)
		keep("aws-calls.jsonl", []byte(text), errors.Join(err, encoded))
	}
	return errors.Join(problems...)
}
