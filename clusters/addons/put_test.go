package addons

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/e2e-framework/klient/decoder"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/manifests"
)

// installed is the template of an installation: what InstallAgent sends to the API server.
func installed(t *testing.T, agent Agent) corev1.PodTemplateSpec {
	t.Helper()
	objects, err := decoder.DecodeAllFiles(t.Context(), manifests.Agent, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := agent.edit(object); err != nil {
			t.Fatal(err)
		}
	}
	return decode[*appsv1.DaemonSet](t, objects).Spec.Template
}

// An agent that replaces another must run as if it had been installed. The earlier agent leaves no argument, variable or
// permission.
func TestTheTemplateOfAnAgentIsThatOfItsInstall(t *testing.T) {
	cluster := Agent{ClusterName: "blue", Region: "eu-west-1", Endpoint: "http://198.51.100.1:4566"}
	with := func(subject Subject) Agent {
		agent := cluster
		agent.Subject = subject
		return agent
	}
	server := []string{"server", "--port", "80", "--probe-port", "2703", "--cluster-name", "blue", "--endpoint", "http://198.51.100.1:4566"}
	for name, row := range map[string]struct {
		subject    Subject
		command    []string
		more       []string
		variables  []corev1.EnvVar
		privileged bool
	}{
		"reference":          {Subject{Image: "localhost/epi-agent:1"}, nil, nil, nil, false},
		"without its cache":  {Subject{Image: "localhost/epi-agent:1", Args: []string{"--max-cache-size=0"}}, nil, []string{"--max-cache-size=0"}, nil, false},
		"with a variable":    {Subject{Image: "mine:1", Layout: clusters.LayoutEntrypoint, Env: []string{"GOGC=50"}}, nil, nil, []corev1.EnvVar{{Name: "GOGC", Value: "50"}}, false},
		"as EKS's own image": {Subject{Image: "eks:1", Layout: clusters.LayoutEKS, Args: []string{"-v", "trace"}}, []string{"/eks-pod-identity-agent"}, []string{"-v", "trace"}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			agent := with(row.subject)
			template, err := agent.Template(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := installed(t, agent); !reflect.DeepEqual(template, want) {
				t.Errorf("template %+v\nof an install %+v", template, want)
			}
			main, before := template.Spec.Containers[0], template.Spec.InitContainers[0]
			if main.Image != row.subject.Image || before.Image != row.subject.Image {
				t.Errorf("images %s and %s, want %s", main.Image, before.Image, row.subject.Image)
			}
			if !slices.Equal(main.Command, row.command) || !slices.Equal(main.Args, slices.Concat(server, row.more)) {
				t.Errorf("runs %q %q", main.Command, main.Args)
			}
			if want := append([]corev1.EnvVar{{Name: "AWS_REGION", Value: "eu-west-1"}}, row.variables...); !slices.Equal(main.Env, want) {
				t.Errorf("variables %v, want %v", main.Env, want)
			}
			if privileged := before.SecurityContext.Privileged != nil && *before.SecurityContext.Privileged; privileged != row.privileged {
				t.Errorf("init container privileged: %t, want %t", privileged, row.privileged)
			}
		})
	}
	// The order is A, B, A.
	a, b := with(Subject{Image: "a:1", Layout: clusters.LayoutEKS, Args: []string{"--x"}, Env: []string{"A=1"}}), with(Subject{Image: "b:1"})
	var templates []corev1.PodTemplateSpec
	for _, agent := range []Agent{a, b, a} {
		template, err := agent.Template(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		templates = append(templates, template)
	}
	if !reflect.DeepEqual(templates[0], templates[2]) || reflect.DeepEqual(templates[0], templates[1]) {
		t.Errorf("A, B, A: %+v", templates)
	}
}

// Later measurements must reach the new pods only.
func TestAnewWaitsForNewPodsOnAllNodes(t *testing.T) {
	called := func(uid types.UID) func(*corev1.Pod) { return func(pod *corev1.Pod) { pod.UID = uid } }
	status := func(desired, updated int32) appsv1.DaemonSetStatus {
		return appsv1.DaemonSetStatus{DesiredNumberScheduled: desired, UpdatedNumberScheduled: updated}
	}
	old := []types.UID{"old"}
	fresh := podOf("a:1", "10.0.0.2", called("new"))
	for name, row := range map[string]struct {
		status appsv1.DaemonSetStatus
		pods   []corev1.Pod
		want   string
	}{
		"new and ready":                      {status(1, 1), []corev1.Pod{fresh}, ""},
		"the old one, not yet deleted":       {status(1, 1), []corev1.Pod{podOf("a:1", "10.0.0.1", called("old"))}, "pod-10.0.0.1 is ending"},
		"the old one ends":                   {status(1, 1), []corev1.Pod{fresh, podOf("a:1", "10.0.0.1", called("old"), ending)}, "pod-10.0.0.1 is ending"},
		"a new one of the old template ends": {status(1, 1), []corev1.Pod{fresh, podOf("a:1", "10.0.0.3", called("between"), ending)}, "pod-10.0.0.3 is ending"},
		"not ready":                          {status(1, 1), []corev1.Pod{podOf("a:1", "10.0.0.2", called("new"), notReady)}, "pod-10.0.0.2 is not ready"},
		"one node of two":                    {status(2, 2), []corev1.Pod{fresh}, "ready on 1 of 2 nodes"},
		"one of the old template":            {status(2, 1), []corev1.Pod{fresh, podOf("a:1", "10.0.0.4", called("between"))}, "ready on 2 of 2 nodes"},
		"no node at all":                     {status(0, 0), nil, "ready on 0 of 0 nodes"},
	} {
		if waiting, err := anew(row.status, row.pods, old); err != nil || waiting != row.want {
			t.Errorf("%s: %q, %v; want %q", name, waiting, err, row.want)
		}
	}
	why, err := anew(status(1, 1), []corev1.Pod{podOf("a:1", "10.0.0.2", called("new"), crashing)}, old)
	if !errors.Is(err, errCrashed) || why != "container webhook: CrashLoopBackOff, exit code 3" {
		t.Errorf("a pod that crashes: %q, %v", why, err)
	}
	if _, err := anew(status(1, 1), []corev1.Pod{podOf("a:1", "10.0.0.1", called("old"), crashing)}, old); err != nil {
		t.Errorf("an old pod that crashes stops the new one: %v", err)
	}
}
