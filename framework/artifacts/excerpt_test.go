package artifacts

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/clusters/emulator/control"
)

func TestLinesAboutASpec(t *testing.T) {
	var long []string
	for n := range 20 {
		long = append(long, fmt.Sprintf("%d namespace=ns-1", n))
	}
	for name, row := range map[string]struct {
		log  string
		want string
	}{
		"nothing":                    {"", ""},
		"those that hold a name":     {"a namespace=ns-1\nb namespace=ns-2\nc source=10.0.0.1:80\n", "a namespace=ns-1\nc source=10.0.0.1:80"},
		"not those of a longer name": {"a namespace=ns-11\nb source=10.0.0.12:80\nc ns-11 in ns-1", "c ns-11 in ns-1"},
		"none":                       {"a\nb\nc", "nothing about this spec in 3 lines; the last one:\nc"},
		"one that says why":          {"no pod with labels x in namespace y\n", "no pod with labels x in namespace y"},
		"the last of many":           {strings.Join(long, "\n"), "[… 8 lines before]\n" + strings.Join(long[8:], "\n")},
		"long ones are cut":          {"ns-1 " + strings.Repeat("x", 1000), "ns-1 " + strings.Repeat("x", maxLine-5) + " …"},
	} {
		if got := linesAbout(logLines(row.log), []string{"ns-1", "10.0.0.1"}); got != row.want {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

func TestBriefLeavesOutWhatEveryPodHas(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "probe", UID: "u-1"},
		Spec: corev1.PodSpec{
			ServiceAccountName: "app", SchedulerName: "default-scheduler",
			InitContainers: []corev1.Container{{Name: "sidecar", RestartPolicy: &always}},
			Containers: []corev1.Container{{
				Name: "main", Image: "probe:1", TerminationMessagePath: "/dev/termination-log",
				Env:          []corev1.EnvVar{{Name: "AWS_REGION", Value: "us-west-2"}},
				VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access-x7", MountPath: "/a"}, {Name: "eks-pod-identity-token", MountPath: "/b", ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{{Name: "kube-api-access-x7"}, {Name: "eks-pod-identity-token"}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodPending, PodIP: "10.0.0.9",
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
				{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady", Message: "[main]"},
			},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "main", RestartCount: 2,
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}},
			}},
		},
	}
	collector := &Collector{Redact: func(s string) string { return s }}
	got := collector.brief(pod)
	for _, want := range []string{
		"name: probe\nnamespace: ns\nserviceAccount: app\n", "restartPolicy: Always", "- AWS_REGION=us-west-2\n",
		"- eks-pod-identity-token at /b, read-only\n", "phase: Pending",
		"ContainersReady: ContainersNotReady: [main]", "waiting: ErrImagePull: not found, restarted 2 times",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	for _, unwanted := range []string{"kube-api-access", "default-scheduler", "termination-log"} {
		if strings.Contains(got, unwanted) {
			t.Errorf("has %q:\n%s", unwanted, got)
		}
	}
	pod.Annotations = map[string]string{"long": strings.Repeat("x\n", excerptLimit)}
	if got := collector.brief(pod); len(got) > excerptLimit+50 || !strings.Contains(got, "bytes more]") {
		t.Errorf("%d bytes of a long pod", len(got))
	}
}

func TestCallsAsPeopleReadThem(t *testing.T) {
	call := control.Call{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Status: 400,
		ErrorCode: "AccessDeniedException", Subject: "epi/ns/app/probe", Principal: "arn:aws:sts::1:assumed-role/node/i-1", SourceIP: "10.0.0.1", Decision: "no statement allows it",
	}
	allowed := call
	allowed.Status, allowed.ErrorCode = 200, ""
	var got []string
	for _, line := range callLines([]control.Call{call, allowed}, strings.TrimSpace) {
		got = append(got, line.shown)
		if !strings.HasSuffix(line.whole, ": no statement allows it") {
			t.Errorf("%q is not the whole", line.whole)
		}
	}
	want := []string{
		"03:04:05.006 eks-auth AssumeRoleForPodIdentity: 400 AccessDeniedException about epi/ns/app/probe by assumed-role/node/i-1 from 10.0.0.1: no statement allows it",
		"03:04:05.006 eks-auth AssumeRoleForPodIdentity: 200 about epi/ns/app/probe by assumed-role/node/i-1 from 10.0.0.1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStructuredLinesAsPeopleReadThem(t *testing.T) {
	for line, want := range map[string]string{
		`{"time":"2026-01-02T03:04:05.006789Z","level":"INFO","msg":"Injected pod","pod":"probe","namespace":"ns","n":2}`: "03:04:05.006 INFO Injected pod n=2 namespace=ns pod=probe",
		`{"ts":"yesterday","message":"m"}`: "yesterday m",
		"time=x level=INFO msg=y":          "time=x level=INFO msg=y",
		"[1, 2]":                           "[1, 2]",
	} {
		if got := readable(line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
