package existing

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/podidentity/epi/clusters"
)

// quiet accepts the steps of long work and shows nothing.
type quiet struct{}

func (quiet) Start(string) clusters.Task { return quiet{} }
func (quiet) Detail(string, ...any)      {}
func (quiet) End(error)                  {}

const imageDigest = "sha256:0123456789abcdef"

func podWith(namespace, name string, labels map[string]string, image string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "main", ImageID: "registry/x@" + imageDigest}}},
	}
}

func hook(client admissionv1.WebhookClientConfig) *admissionv1.MutatingWebhookConfiguration {
	return &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "pod-identity-webhook"},
		Webhooks:   []admissionv1.MutatingWebhook{{Name: "other.example.com"}, {Name: hostedWebhook, ClientConfig: client}},
	}
}

func TestSubjectsAreWhatTheClusterRuns(t *testing.T) {
	labels := map[string]string{"app.kubernetes.io/name": clusters.AgentName}
	agent := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: clusters.AgentNamespace, Name: clusters.AgentName},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "eks/agent:v1"}}}},
		},
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "hooks", Name: "webhook"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "webhook"}},
	}
	atURL, url := admissionv1.WebhookClientConfig{}, "https://127.0.0.1:23443/mutate"
	atURL.URL = &url
	atService := admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "hooks", Name: "webhook"}}
	for name, row := range map[string]struct {
		objects []runtime.Object
		want    []clusters.Subject
	}{
		"EKS, whose webhook is in the control plane": {
			[]runtime.Object{agent, podWith(clusters.AgentNamespace, "agent-x", labels, "eks/agent:v1"), hook(atURL)},
			[]clusters.Subject{{Role: "agent", Image: "eks/agent:v1", Digest: imageDigest}, {Role: "webhook", Image: controlPlane}},
		},
		"a webhook behind a service": {
			[]runtime.Object{agent, hook(atService), service, podWith("hooks", "webhook-x", map[string]string{"app": "webhook"}, "my/webhook:v2")},
			[]clusters.Subject{{Role: "agent", Image: "eks/agent:v1"}, {Role: "webhook", Image: "my/webhook:v2", Digest: imageDigest}},
		},
		"a webhook whose service is gone": {
			[]runtime.Object{agent, hook(atService)},
			[]clusters.Subject{{Role: "agent", Image: "eks/agent:v1"}, {Role: "webhook", Image: controlPlane}},
		},
		"nothing": {nil, []clusters.Subject{{Role: "agent", Absent: true}, {Role: "webhook", Absent: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			var env clusters.Environment
			if err := findSubjects(t.Context(), fake.NewClientset(row.objects...), &env, quiet{}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(env.Subjects, row.want) {
				t.Errorf("got %+v, want %+v", env.Subjects, row.want)
			}
		})
	}
}

func TestCapabilitiesFollowTheNodes(t *testing.T) {
	instance := corev1.Node{Spec: corev1.NodeSpec{ProviderID: "aws:///us-west-2a/i-0"}}
	fargate := corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{computeType: "fargate"}}, Spec: corev1.NodeSpec{ProviderID: "aws:///us-west-2a/x"}}
	other := corev1.Node{Spec: corev1.NodeSpec{ProviderID: "kind://docker/epi/epi"}}
	for name, row := range map[string]struct {
		nodes []corev1.Node
		want  []clusters.Capability
	}{
		"instances":        {[]corev1.Node{instance}, []clusters.Capability{clusters.HostNetworkPods, clusters.IMDS}},
		"Fargate alone":    {[]corev1.Node{fargate}, nil},
		"both":             {[]corev1.Node{fargate, instance}, []clusters.Capability{clusters.HostNetworkPods, clusters.IMDS}},
		"not on AWS":       {[]corev1.Node{other}, []clusters.Capability{clusters.HostNetworkPods}},
		"no node there is": {nil, nil},
	} {
		if got := capabilitiesOf(row.nodes); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

func TestAUserWhoMayNotMakeNamespacesGetsThatError(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		client := fake.NewClientset()
		client.PrependReactor("create", "selfsubjectaccessreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, &authorizationv1.SelfSubjectAccessReview{Status: authorizationv1.SubjectAccessReviewStatus{Allowed: allowed}}, nil
		})
		if err := mayMakeNamespaces(t.Context(), client); (err == nil) != allowed || (clusters.Remedy(err) != "") == allowed {
			t.Errorf("allowed %t: error %v, remedy %q", allowed, err, clusters.Remedy(err))
		}
	}
}

const twoContexts = `apiVersion: v1
kind: Config
clusters:
- {name: blue, cluster: {server: "%s"}}
- {name: red, cluster: {server: "https://red.invalid"}}
users:
- {name: blue, user: {token: secret-of-blue}}
- {name: red, user: {token: secret-of-red}}
contexts:
- {name: blue, context: {cluster: blue, user: blue}}
- {name: red, context: {cluster: red, user: red}}
current-context: red
`

func writeKubeconfig(t *testing.T, server string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(twoContexts, "%s", server)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOnlyTheOneContextIsCopied(t *testing.T) {
	target := filepath.Join(t.TempDir(), "env", "kubeconfig")
	p := New(clusters.Dirs{}, Options{Kubeconfig: writeKubeconfig(t, "https://blue.invalid"), Context: "blue"})
	config, err := p.copyKubeconfig(target)
	if err != nil || config.Host != "https://blue.invalid" || config.BearerToken != "secret-of-blue" {
		t.Fatalf("%+v, %v", config, err)
	}
	copied, err := os.ReadFile(target)
	if err != nil || strings.Contains(string(copied), "secret-of-red") {
		t.Errorf("the copy holds another cluster's secret, or is not there: %v", err)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy's mode is %v, %v", info.Mode(), err)
	}
	p.options.Context = "green"
	if _, err := p.copyKubeconfig(target); err == nil || !strings.Contains(err.Error(), "green") {
		t.Errorf("error %v", err)
	}
}

func TestAClusterThatDoesNotAnswerLeavesNothing(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	dirs := clusters.Dirs{State: t.TempDir()}
	p := New(dirs, Options{Kubeconfig: writeKubeconfig(t, server.URL), Context: "blue", ClusterName: "blue"})
	_, err := p.Up(t.Context(), clusters.Spec{Name: "mine"}, quiet{})
	if err == nil || !strings.Contains(clusters.Remedy(err), "--kubeconfig") {
		t.Errorf("error %v, remedy %q", err, clusters.Remedy(err))
	}
	if there, err := clusters.HasEnvironmentDir(dirs, "mine"); there || err != nil {
		t.Errorf("something is left: %t, %v", there, err)
	}
}

func TestAnEnvironmentThatIsUpIsNotTakenAgain(t *testing.T) {
	dirs := clusters.Dirs{State: t.TempDir()}
	if err := clusters.SaveEnvironment(dirs, &clusters.Environment{Name: "mine"}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(dirs, Options{}).Up(t.Context(), clusters.Spec{Name: "mine"}, quiet{}); err == nil || !strings.Contains(clusters.Remedy(err), "epi down --name mine") {
		t.Errorf("error %v", err)
	}
}

func TestDownRemovesWhatSpecsLeftAndNothingElse(t *testing.T) {
	namespace := func(name, environment string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": environment}}}
	}
	client := fake.NewClientset(namespace("left", "mine"), namespace("others", "theirs"), namespace("kube-system", ""))
	p := New(clusters.Dirs{State: t.TempDir()}, Options{EnvironmentLabel: "env"})
	if err := p.removeNamespaces(t.Context(), client, "mine"); err != nil {
		t.Fatal(err)
	}
	list, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 2 {
		t.Errorf("%d namespaces are there, want 2 (%v)", len(list.Items), err)
	}
	if err := p.Down(context.Background(), "never-up", quiet{}); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
}
