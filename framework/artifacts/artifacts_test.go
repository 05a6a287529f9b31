package artifacts

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestCollectKeepsWhatExplainsAFailureWithoutSecrets(t *testing.T) {
	collector := &Collector{
		Dir:    t.TempDir(),
		Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "[redacted]") },
		Cluster: fake.NewClientset(
			&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "probe", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "epi"}}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Env: []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}}}}},
			},
			&corev1.Event{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "e"}, Type: "Warning", Reason: "FailedMount", Message: "no such volume",
				InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "probe"},
			},
			&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "agent-1", Labels: map[string]string{"app.kubernetes.io/name": "eks-pod-identity-agent"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "agent"}}},
			},
		),
	}
	evidence, err := collector.Collect(t.Context(), "INJ-01", About{Namespaces: []string{"ns", "empty"}, Began: time.Now(), Admitted: []*corev1.Pod{
		{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "dry"}, Spec: corev1.PodSpec{ServiceAccountName: "app"}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "empty", Name: "wet"}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "of-another-spec", Name: "other"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(collector.Dir, "specs", "INJ-01")
	if evidence.Dir != dir {
		t.Errorf("evidence in %s, want %s", evidence.Dir, dir)
	}
	var titles []string
	for _, excerpt := range evidence.Excerpts {
		titles = append(titles, excerpt.Title)
		if strings.Contains(excerpt.Text, "hunter2") {
			t.Errorf("%s contains a secret: %s", excerpt.Title, excerpt.Text)
		}
	}
	if want := []string{"Pod probe", "Events", "Pod wet, as a dry run would admit it", "Agent", "Webhook"}; !slices.Equal(titles, want) {
		t.Errorf("excerpts %q, want %q", titles, want)
	}
	for file, want := range map[string]string{
		"pods-ns.yaml":  "value: [redacted]",
		"events-ns.txt": "Warning Pod/probe FailedMount: no such volume",
		"agent.log":     "pod agent-1, container agent",
		"webhook.log":   "no pod with labels app.kubernetes.io/name=pod-identity-webhook in namespace epi-system",
	} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !strings.Contains(string(data), want) || strings.Contains(string(data), "hunter2") || strings.Contains(string(data), "managedFields") {
			t.Errorf("%s (error %v) holds\n%s\nwant %q", file, err, data, want)
		}
	}
}

func TestCollectGoesOnPastErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	collector := &Collector{Dir: blocked, Redact: strings.TrimSpace, Cluster: fake.NewClientset()}
	if _, err := collector.Collect(ctx, "INJ-01", About{Began: time.Now()}); err == nil {
		t.Error("no error, though nothing could be written")
	}
}

func TestLogsKeepsEachContainerOfTheSystem(t *testing.T) {
	collector := &Collector{
		Dir:    t.TempDir(),
		Redact: func(s string) string { return strings.ReplaceAll(s, "fake logs", "[redacted]") },
		Cluster: fake.NewClientset(
			&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "agent-1"},
				Spec:       corev1.PodSpec{InitContainers: []corev1.Container{{Name: "init"}}, Containers: []corev1.Container{{Name: "agent"}}},
			},
			&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "somebody", Name: "else"},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
			},
		),
	}
	if err := collector.Logs(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(collector.Dir, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		data, err := os.ReadFile(filepath.Join(collector.Dir, "logs", entry.Name()))
		if err != nil || string(data) != "[redacted]" {
			t.Errorf("%s holds %q (error %v), want the redacted log", entry.Name(), data, err)
		}
	}
	if got, want := strings.Join(names, " "), "kube-system_agent-1_agent.log kube-system_agent-1_init.log"; got != want {
		t.Errorf("logs of %s, want %s", got, want)
	}
}
