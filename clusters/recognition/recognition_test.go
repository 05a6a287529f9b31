package recognition

import (
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/podidentity/epi/clusters"
)

func TestVersionsByTag(t *testing.T) {
	for _, row := range []struct{ role, image, product, version string }{
		// EKS's own registries: https://docs.aws.amazon.com/eks/latest/userguide/add-ons-images.html.
		{"agent", "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/eks-pod-identity-agent:v0.1.37", clusters.AgentProduct, "v0.1.37"},
		{"agent", "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/eks-pod-identity-agent:0.1.10", clusters.AgentProduct, "v0.1.10"},
		{"agent", "localhost:5000/eks-pod-identity-agent:v0.1.37-eksbuild.1", clusters.AgentProduct, "v0.1.37-eksbuild.1"},
		{"agent", "eks-pod-identity-agent:v0.1.37@sha256:00", clusters.AgentProduct, "v0.1.37"},
		// https://hub.docker.com/r/amazon/amazon-eks-pod-identity-webhook.
		{"webhook", "amazon/amazon-eks-pod-identity-webhook:v0.6.5", clusters.WebhookProduct, "v0.6.5"},
		{"agent", "eks-pod-identity-agent:latest", "", ""},
		{"agent", "eks-pod-identity-agent", "", ""},
		{"agent", "eks-pod-identity-agent@sha256:00", "", ""},
		{"agent", "my-eks-pod-identity-agent:v0.1.37", "", ""},
		{"agent", "registry:5000/other:v0.1.37", "", ""},
		{"agent", "amazon/amazon-eks-pod-identity-webhook:v0.6.5", "", ""},
		{"webhook", "run by the control plane", "", ""},
		{"agent", "", "", ""},
	} {
		if product, version := ofImage(row.role, row.image); product != row.product || version != row.version {
			t.Errorf("%s %s: %s %s, want %s %s", row.role, row.image, product, version, row.product, row.version)
		}
	}
}

func TestVersionsByLog(t *testing.T) {
	for log, want := range map[string]string{
		`{"bind-addr":"169.254.170.23:80","level":"info","msg":"Pod Identity Agent version v0.1.37","time":"2026-08-01T00:00:00Z"}`: "v0.1.37",
		"level=info msg=\"Pod Identity Agent version v0.1.37+dirty\"\n":                                                             "v0.1.37+dirty",
		"first line\nPod Identity Agent version 0.1.31\n":                                                                           "v0.1.31",
		"Pod Identity Agent version unknown\n":                                                                                      "",
		"":                                                                                                                          "",
	} {
		if got := versionIn([]byte(log)); got != want {
			t.Errorf("%q: %q, want %q", log, got, want)
		}
	}
}

func FuzzVersionIn(f *testing.F) {
	f.Add([]byte("Pod Identity Agent version v0.1.37+dirty\n"))
	form := regexp.MustCompile(`^v\d+\.\d+\.\d+`)
	f.Fuzz(func(t *testing.T, log []byte) {
		if version := versionIn(log); version != "" && !form.MatchString(version) {
			t.Errorf("%q of %q is no version", version, log)
		}
	})
}

func TestFill(t *testing.T) {
	pod := func(phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: clusters.AgentNamespace, Name: "a", Labels: map[string]string{"app.kubernetes.io/name": clusters.AgentName}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "agent"}}},
			Status:     corev1.PodStatus{Phase: phase},
		}
	}
	const image = "eks-pod-identity-agent:v0.1.37"
	for name, row := range map[string]struct{ given, want clusters.Subject }{
		// The fake cluster's logs are "fake logs", without a version.
		"by its tag":          {clusters.Subject{Role: "agent", Image: image}, clusters.Subject{Role: "agent", Image: image, Product: clusters.AgentProduct, Version: "v0.1.37"}},
		"the reference":       {clusters.Subject{Role: "agent", Image: image, Reference: true}, clusters.Subject{Role: "agent", Image: image, Reference: true}},
		"one that is absent":  {clusters.Subject{Role: "agent", Image: image, Absent: true}, clusters.Subject{Role: "agent", Image: image, Absent: true}},
		"one nobody knows":    {clusters.Subject{Role: "agent", Image: "my/agent:dev"}, clusters.Subject{Role: "agent", Image: "my/agent:dev"}},
		"a webhook by no tag": {clusters.Subject{Role: "webhook", Image: "run by the control plane"}, clusters.Subject{Role: "webhook", Image: "run by the control plane"}},
	} {
		subject := row.given
		if err := Fill(t.Context(), fake.NewClientset(pod(corev1.PodRunning)), &subject); err != nil || subject != row.want {
			t.Errorf("%s: %+v, %v; want %+v", name, subject, err, row.want)
		}
	}
}
