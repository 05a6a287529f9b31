// Package recognition finds out the product and version of a user's agent or webhook: from the program's own log at its
// start, or from the name and tag of its image.
package recognition

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podidentity/epi/clusters"
)

// logHead is how much of a log is read. Programs log their name and version at their start.
const logHead = 64 << 10

// said matches the agent's log line when it starts to listen:
// https://github.com/aws/eks-pod-identity-agent/blob/main/pkg/server/server.go.
var said = regexp.MustCompile(`Pod Identity Agent version (v?\d+\.\d+\.\d+[0-9A-Za-z.+-]*)`)

// tagged matches a tag that is a version: those of EKS's registries, and those without a v of others.
var tagged = regexp.MustCompile(`^v?\d+\.\d+\.\d+([-+.].*)?$`)

// Fill sets the product and the version of a subject, as far as they are known. The program's own log takes precedence over
// the image's tag, which anybody can choose. A subject that is epi's own, or absent, stays as it is. An error means that
// the cluster did not answer. A subject that is not recognised is no error.
func Fill(ctx context.Context, cluster kubernetes.Interface, subject *clusters.Subject) error {
	if subject.Reference || subject.Absent {
		return nil
	}
	subject.Product, subject.Version = ofImage(subject.Role, subject.Image)
	if subject.Role != "agent" {
		return nil
	}
	version, err := ofAgent(ctx, cluster)
	if err != nil {
		return fmt.Errorf("find out the version of the agent: %w", err)
	}
	if version != "" {
		subject.Product, subject.Version = clusters.AgentProduct, version
	}
	return nil
}

// ofImage reads the name of an image such as registry/eks/eks-pod-identity-agent:v0.1.37-eksbuild.2.
func ofImage(role, image string) (product, version string) {
	image, _, _ = strings.Cut(image, "@")
	name, tag, _ := strings.Cut(path.Base(image), ":")
	want := map[string]string{"agent": clusters.AgentProduct, "webhook": clusters.WebhookProduct}[role]
	if name != want || !tagged.MatchString(tag) {
		return "", ""
	}
	return name, "v" + strings.TrimPrefix(tag, "v")
}

// ofAgent reads the beginning of the log of a running agent; "" if it has no version.
func ofAgent(ctx context.Context, cluster kubernetes.Interface) (string, error) {
	pods, err := cluster.CoreV1().Pods(clusters.AgentNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + clusters.AgentName})
	if err != nil {
		return "", err
	}
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodRunning {
			continue
		}
		most := int64(logHead)
		log, err := cluster.CoreV1().Pods(clusters.AgentNamespace).GetLogs(pod.Name, &corev1.PodLogOptions{
			Container: pod.Spec.Containers[0].Name, LimitBytes: &most,
		}).Stream(ctx)
		if err != nil {
			continue // the pod and its log may be gone
		}
		text, _ := io.ReadAll(io.LimitReader(log, logHead)) // the part that was read may have it
		_ = log.Close()
		if version := versionIn(text); version != "" {
			return version, nil
		}
	}
	return "", nil
}

// versionIn returns the version in a log; "" if there is none.
func versionIn(log []byte) string {
	found := said.FindSubmatch(log)
	if found == nil {
		return ""
	}
	return "v" + strings.TrimPrefix(string(found[1]), "v")
}
