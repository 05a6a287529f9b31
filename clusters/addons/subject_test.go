package addons

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/decoder"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/manifests"
)

// The chart of the EKS agent calls /eks-pod-identity-agent, and its init container is privileged:
// https://github.com/aws/eks-pod-identity-agent, charts/eks-pod-identity-agent/templates/daemonset.yaml.
func TestAgentInTheLayoutOfEKS(t *testing.T) {
	objects, err := decoder.DecodeAllFiles(t.Context(), manifests.Agent, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := decode[*appsv1.DaemonSet](t, objects)
	agent := Agent{Subject: Subject{
		Image: "agent:1", Layout: clusters.LayoutEKS, Args: []string{"--max-cache-size", "5"}, Env: []string{"HTTPS_PROXY=http://proxy:1?a=b"},
	}}
	if err := agent.edit(set); err != nil {
		t.Fatal(err)
	}
	pod := set.Spec.Template.Spec
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		if !slices.Equal(container.Command, []string{"/eks-pod-identity-agent"}) {
			t.Errorf("container %s runs %q", container.Name, container.Command)
		}
	}
	if init := pod.InitContainers[0]; init.Args[0] != "initialize" || init.SecurityContext.Privileged == nil || !*init.SecurityContext.Privileged {
		t.Errorf("init container %+v", init)
	}
	server := pod.Containers[0]
	if server.Args[0] != "server" || !slices.Equal(server.Args[len(server.Args)-2:], []string{"--max-cache-size", "5"}) {
		t.Errorf("arguments %q", server.Args)
	}
	if !slices.Contains(server.Env, corev1.EnvVar{Name: "HTTPS_PROXY", Value: "http://proxy:1?a=b"}) {
		t.Errorf("variables %v", server.Env)
	}
	if server.SecurityContext.ReadOnlyRootFilesystem != nil || !slices.Contains(server.SecurityContext.Capabilities.Add, "NET_BIND_SERVICE") {
		t.Errorf("security context %+v", server.SecurityContext)
	}
}

func TestWebhookInTheLayoutOfEKS(t *testing.T) {
	objects, err := decoder.DecodeAllFiles(t.Context(), manifests.Webhook, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	webhook := Webhook{Subject: Subject{Image: "webhook:1", Layout: clusters.LayoutEKS, Args: []string{"--token-expiration=3600"}, Env: []string{"A=b"}}}
	for _, object := range objects {
		if err := webhook.edit(object, nil); err != nil {
			t.Fatal(err)
		}
	}
	pod := decode[*appsv1.Deployment](t, objects).Spec.Template.Spec
	container := pod.Containers[0]
	if !slices.Equal(container.Command, []string{"/webhook"}) || container.Args[len(container.Args)-1] != "--token-expiration=3600" ||
		!slices.Contains(container.Env, corev1.EnvVar{Name: "A", Value: "b"}) {
		t.Errorf("container %+v", container)
	}
	if sidecar := pod.InitContainers[0]; len(sidecar.Command) != 0 {
		t.Errorf("the sidecar, which is epi's, runs %q", sidecar.Command)
	}
}

func TestPodFailureSaysWhyAPodDoesNotStart(t *testing.T) {
	for name, row := range map[string]struct {
		status corev1.ContainerStatus
		want   string
	}{
		"on its way": {corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}, ""},
		"running":    {corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, ""},
		"no image": {
			corev1.ContainerStatus{Name: "agent", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}}},
			"container agent: ErrImagePull: not found",
		},
		"crashes": {
			corev1.ContainerStatus{
				Name: "agent", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Message: "unknown flag: --probe-port"}},
			},
			"container agent: CrashLoopBackOff, exit code 2: unknown flag: --probe-port",
		},
		"failed": {
			corev1.ContainerStatus{Name: "init", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}}},
			"container init ended, exit code 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{row.status}}}
			if got := failureOf(&pod); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}
