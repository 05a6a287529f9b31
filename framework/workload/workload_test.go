package workload

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/probe"
)

func environment() *framework.Env {
	return &framework.Env{
		Environment: &clusters.Environment{
			Name: "epi", Region: "us-west-2", ProbeImage: "probe:1", NodeRole: "epi-node",
			AWS: clusters.AWS{PodEndpointURL: "http://10.0.0.2:4566"},
		},
		Options: framework.Options{Run: "20261123 1415/é"},
	}
}

// inject changes a pod as EKS documents for the webhook.
func inject(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			list[i].Env = append(list[i].Env,
				corev1.EnvVar{Name: CredentialsVariable, Value: CredentialsURL},
				corev1.EnvVar{Name: TokenFileVariable, Value: TokenMountPath + "/" + TokenName})
			list[i].VolumeMounts = append(list[i].VolumeMounts, corev1.VolumeMount{Name: TokenName, MountPath: TokenMountPath, ReadOnly: true})
		}
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: TokenName})
	pod.Labels[InjectedLabel] = "enabled"
	return pod
}

func TestPodHasEveryKindOfContainer(t *testing.T) {
	pod := NewPod(environment(), "ns", "reader", WithInit("init", probe.OpToken), WithSidecar("sidecar"), WithContainer("second"), OnHostNetwork())
	var names []string
	for _, container := range Containers(pod) {
		names = append(names, container.Name)
		if container.Image != "probe:1" || Variable(container, "AWS_REGION") != "us-west-2" || Variable(container, "AWS_ENDPOINT_URL") != "http://10.0.0.2:4566" {
			t.Errorf("container %s: %+v", container.Name, container)
		}
	}
	if diff := cmp.Diff([]string{"init", "sidecar", Main, "second"}, names); diff != "" {
		t.Error(diff)
	}
	if sidecar := pod.Spec.InitContainers[1]; sidecar.RestartPolicy == nil || *sidecar.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		t.Errorf("the native sidecar does not restart: %+v", sidecar)
	}
	if !pod.Spec.HostNetwork || pod.Spec.ServiceAccountName != "reader" {
		t.Errorf("pod %+v", pod.Spec)
	}
	// A label's value has a limited alphabet, and a sweeper must find what the run created.
	if pod.Labels[framework.LabelEnvironment] != "epi" || pod.Labels[framework.LabelRun] != "20261123-1415" {
		t.Errorf("labels %v", pod.Labels)
	}
}

func TestPodOnAWSHasNoEndpoint(t *testing.T) {
	env := environment()
	env.AWS.PodEndpointURL = ""
	for _, variable := range NewPod(env, "ns", "").Spec.Containers[0].Env {
		if variable.Name == "AWS_ENDPOINT_URL" {
			t.Errorf("variable %+v", variable)
		}
	}
}

func TestInjectedFindsEveryTrace(t *testing.T) {
	pod := NewPod(environment(), "ns", "reader", WithInit("init"))
	if found := Injected(pod); len(found) != 0 {
		t.Errorf("an untouched pod has %q", found)
	}
	injected := inject(pod)
	if found := Injected(injected); len(found) != 7 { // two variables and a mount in each of two containers, the volume
		t.Errorf("an injected pod has %q", found)
	}
	if diff := cmp.Diff(pod, Uninjected(injected), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("without what was injected it is not the pod that it was:\n%s", diff)
	}
	// One trace is enough.
	for name, damage := range map[string]func(*corev1.Pod){
		"a variable": func(p *corev1.Pod) {
			p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, corev1.EnvVar{Name: TokenFileVariable})
		},
		"a mount": func(p *corev1.Pod) {
			p.Spec.InitContainers[0].VolumeMounts = []corev1.VolumeMount{{Name: "other", MountPath: TokenMountPath}}
		},
		"a volume": func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{{Name: TokenName}} },
	} {
		traced := pod.DeepCopy()
		damage(traced)
		if len(Injected(traced)) != 1 {
			t.Errorf("%s: found %q", name, Injected(traced))
		}
	}
}

func TestRunning(t *testing.T) {
	pod := NewPod(environment(), "ns", "", WithContainer("second"))
	pod.Status.Phase = corev1.PodRunning
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: Main, State: runs}}
	if Running(pod) {
		t.Error("one of two containers is enough")
	}
	pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: "second", State: runs})
	if !Running(pod) {
		t.Error("two of two containers are not enough")
	}
	pod.Status.ContainerStatuses[1].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}}
	if Running(pod) {
		t.Error("a container that waits runs")
	}
	if text := Describe(pod); !strings.Contains(text, "container second waits: ErrImagePull no such image") {
		t.Errorf("last seen: %s", text)
	}
}

// verdict is a framework.T that ends a fixture by a panic with its message.
type verdict struct{ framework.T }

func (verdict) Helper()               {}
func (verdict) Fatalf(string, ...any) { panic("harness") }
func (verdict) Blamef(string, ...any) { panic("subject") }

func TestWhoseFaultARefusedPodIs(t *testing.T) {
	env := environment()
	env.T = verdict{}
	kind := schema.GroupKind{Kind: "Pod"}
	for name, row := range map[string]struct {
		err  error
		want string
	}{
		"the webhook made it invalid": {apierrors.NewInvalid(kind, "probe", nil), "subject"},
		"the webhook denied it":       {apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "probe", errText(`admission webhook "iam-for-pods.amazonaws.com" denied the request: bad content`)), "subject"},
		"the namespace is not there":  {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "ns"), "harness"},
		"no API server":               {errText("dial tcp 127.0.0.1:6443: connect: connection refused"), "harness"},
	} {
		func() {
			defer func() {
				if got := recover(); got != row.want {
					t.Errorf("%s: blames %v, want %s", name, got, row.want)
				}
			}()
			FailAdmission(env, NewPod(env, "ns", ""), row.err)
		}()
	}
}

type errText string

func (e errText) Error() string { return string(e) }

func TestInitTokenReadsTheTerminationMessage(t *testing.T) {
	env := environment()
	env.T = verdict{}
	message, err := json.Marshal(probe.Token{File: "/token", Claims: probe.TokenClaims{Subject: "system:serviceaccount:ns:reader"}})
	if err != nil {
		t.Fatal(err)
	}
	p := &Probe{env: env, Pod: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "probe"},
		Status: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{
			{Name: "init", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: string(message)}}},
		}},
	}}
	if token := p.InitToken("init"); token.Claims.Subject != "system:serviceaccount:ns:reader" {
		t.Errorf("token %+v", token)
	}
	defer func() {
		if recover() != "harness" {
			t.Error("an init container that there is not has a token")
		}
	}()
	p.InitToken("other")
}

func TestBrokenSubject(t *testing.T) {
	failed := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}
	pod := NewPod(environment(), "ns", "", WithInit("init"))
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "agent", Image: "agent:1"})
	for name, row := range map[string]struct {
		statuses []corev1.ContainerStatus
		want     string
	}{
		"nothing ended":               {[]corev1.ContainerStatus{{Name: "agent"}}, ""},
		"the probe ended":             {[]corev1.ContainerStatus{{Name: Main, State: failed}, {Name: "init", State: failed}}, ""},
		"the agent ended":             {[]corev1.ContainerStatus{{Name: "agent", State: failed}}, "agent"},
		"the agent ended before":      {[]corev1.ContainerStatus{{Name: "agent", LastTerminationState: failed}}, "agent"},
		"the agent ended with code 0": {[]corev1.ContainerStatus{{Name: "agent", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}, ""},
	} {
		pod.Status.ContainerStatuses = row.statuses
		if got, broken := brokenSubject(pod, "probe:1"); got != row.want || broken != (row.want != "") {
			t.Errorf("%s: %q, %v", name, got, broken)
		}
	}
}
