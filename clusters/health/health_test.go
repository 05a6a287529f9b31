package health

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/podidentity/epi/clusters"
)

func node(conditions ...corev1.NodeCondition) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Status: corev1.NodeStatus{Conditions: conditions}}
}

func agentSet(ready, wanted int32) *appsv1.DaemonSet {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: clusters.AgentNamespace, Name: clusters.AgentName}}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "agent"}}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Image: "my/agent:dev"}}
	set.Status.NumberReady, set.Status.DesiredNumberScheduled = ready, wanted
	return set
}

func waitingPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: clusters.AgentNamespace, Name: "agent-x", Labels: map[string]string{"app": "agent"}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "agent", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off\nmore"}},
		}}},
	}
}

func deployment(available int32) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: clusters.WebhookNamespace, Name: clusters.WebhookName}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "webhook"}}
	d.Status.AvailableReplicas = available
	return d
}

func TestPartsSayWhatIsWrong(t *testing.T) {
	ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue}
	onKind := &clusters.Environment{Nodes: 1, Control: &clusters.Control{}}
	without := &clusters.Environment{Subjects: []clusters.Subject{{Role: "agent", Absent: true}, {Role: "webhook", Absent: true}}, Control: &clusters.Control{}}
	onEKS := &clusters.Environment{}
	hook := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "pod-identity"}, Webhooks: []admissionv1.MutatingWebhook{{Name: webhookName}}}
	for _, row := range []struct {
		name    string
		env     *clusters.Environment
		objects []runtime.Object
		part    string
		healthy bool
		says    string
	}{
		{"node that is ready", onKind, []runtime.Object{node(ready)}, "node a", true, "Ready"},
		{"node that is not", onKind, []runtime.Object{node(corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Message: "Kubelet stopped posting node status."})}, "node a", false, "not Ready: Kubelet stopped"},
		{"node under pressure", onKind, []runtime.Object{node(corev1.NodeCondition{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue, Message: "disk is full"}, ready)}, "node a", false, "DiskPressure: disk is full"},
		{"node without a word", onKind, []runtime.Object{node()}, "node a", false, "says nothing"},
		{"node that is gone", onKind, nil, "nodes", false, "1 of 1 are not in the cluster"},
		{"agent", onKind, []runtime.Object{agentSet(2, 2)}, "agent", true, "2 of 2 ready: my/agent:dev"},
		{"agent on a part of the nodes", onKind, []runtime.Object{agentSet(1, 2), waitingPod()}, "agent", false, "1 of 2 ready: my/agent:dev; container agent of pod agent-x: CrashLoopBackOff: back-off"},
		{"agent on no node", onKind, []runtime.Object{agentSet(0, 0)}, "agent", false, "0 of 0"},
		{"agent that was removed", onKind, nil, "agent", false, "is gone"},
		{"agent that was left out", without, nil, "agent", true, "not there"},
		{"webhook", onKind, []runtime.Object{deployment(1)}, "webhook", true, "1 of 1 ready"},
		{"webhook that does not run", onKind, []runtime.Object{deployment(0)}, "webhook", false, "0 of 1 ready"},
		{"webhook that was removed", onKind, nil, "webhook", false, "is gone"},
		{"webhook that was left out", without, nil, "webhook", true, "not there"},
		{"webhook of EKS", onEKS, []runtime.Object{hook}, "webhook", true, "pod-identity is in the cluster"},
		{"webhook that EKS has not", onEKS, nil, "webhook", false, webhookName},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := fake.NewClientset(row.objects...)
			parts := append(nodes(t.Context(), client, row.env), agent(t.Context(), client, row.env), webhook(t.Context(), client, row.env))
			for _, part := range parts {
				if part.Name != row.part {
					continue
				}
				if part.Healthy != row.healthy || !strings.Contains(part.State, row.says) || strings.Contains(part.State, "\n") {
					t.Errorf("%+v, want healthy %t and %q", part, row.healthy, row.says)
				}
				return
			}
			t.Errorf("no part %q in %+v", row.part, parts)
		})
	}
}

func TestClusterThatDoesNotAnswer(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: '" + away.URL + "'}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a}]\n"
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, says := range map[string]string{kubeconfig: "does not answer: ", filepath.Join(t.TempDir(), "gone"): "cannot be asked: kubeconfig "} {
		parts := Cluster(t.Context(), &clusters.Environment{Kubeconfig: file})
		if len(parts) != 1 || parts[0].Healthy || !strings.HasPrefix(parts[0].State, says) {
			t.Errorf("%+v", parts)
		}
	}
	if part := Emulator(t.Context(), &clusters.Environment{}); part.Healthy || part.State == "" {
		t.Errorf("an emulator of which nothing is known: %+v", part)
	}
}

func TestEmulator(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	env := &clusters.Environment{Control: &clusters.Control{URL: server.URL}, AWS: clusters.AWS{EndpointURL: "http://127.0.0.1:4566"}}
	if part := Emulator(t.Context(), env); !part.Healthy || part.State != "answers at http://127.0.0.1:4566" {
		t.Errorf("%+v", part)
	}
	status = http.StatusServiceUnavailable
	if part := Emulator(t.Context(), env); part.Healthy || part.State != "answers 503 Service Unavailable" {
		t.Errorf("%+v", part)
	}
	server.Close()
	if part := Emulator(t.Context(), env); part.Healthy || !strings.HasPrefix(part.State, "does not answer: ") {
		t.Errorf("%+v", part)
	}
}
