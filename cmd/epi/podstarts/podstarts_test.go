package podstarts

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/reports"
)

func podOf(name string, injected bool) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "epi-1", UID: types.UID(name), Labels: map[string]string{"run": "r"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}},
	}
	if injected {
		pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: fullURI, Value: "http://169.254.170.23/v1/credentials"}}
	}
	return pod
}

// moments is a clock that advances by one second for each reading.
func moments() (func() time.Time, func(n int) time.Time) {
	start, n := time.Date(2026, time.November, 24, 9, 0, 0, 0, time.UTC), 0
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	return func() time.Time { n++; return at(n - 1) }, at
}

func TestPodsAreSeenStep(t *testing.T) {
	now, at := moments()
	w := &Watch{now: now, stop: func() {}, pods: map[types.UID]*reports.PodStart{}}
	pod := podOf("app", true)
	w.seen(pod, true) // 0
	w.seen(pod, false)
	pod.Spec.NodeName = "node"
	w.seen(pod, false) // 2
	w.seen(pod, false)
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}}}
	w.seen(pod, false)
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	w.seen(pod, false)                        // 5
	w.seen(podOf("plain", false), true)       // 6
	w.seen(podOf("from-before", true), false) // was there before the watch
	want := []reports.PodStart{
		{Namespace: "epi-1", Name: "app", Injected: true, Admitted: at(0), Scheduled: at(2), Started: at(5)},
		{Namespace: "epi-1", Name: "plain", Admitted: at(6)},
	}
	if diff := cmp.Diff(want, w.End(nil)); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyTheNewestPodsAreKept(t *testing.T) {
	now, _ := moments()
	w := &Watch{now: now, stop: func() {}, pods: map[types.UID]*reports.PodStart{}}
	for n := range mostPods + 20 {
		w.seen(podOf(strings.Repeat("x", n+1), true), true)
	}
	starts := w.End(nil)
	if len(starts) != mostPods || len(starts[0].Name) != 21 {
		t.Errorf("%d pods, the first is number %d", len(starts), len(starts[0].Name))
	}
}

func TestCallsReportWhenAPodWasFirstServed(t *testing.T) {
	_, at := moments()
	const uuid = "a3cbf5fe-da77-4efc-8102-ae0098203ba7"
	principal := func(pod string) string { return "arn:aws:sts::123456789012:assumed-role/r/eks-epi-" + pod + "-" + uuid }
	calls := []control.Call{
		{Time: at(1), Service: "s3", Operation: "GetObject", Principal: principal("app-1"), Status: 200},                      // of a session before
		{Time: at(2), Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Subject: "epi/epi-1/sa/app-1", Status: 429}, // refused
		{Time: at(3), Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Subject: "epi/epi-2/sa/app-1", Status: 200}, // another namespace
		{Time: at(4), Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Subject: "epi/epi-1/sa/app-1", Status: 200},
		{Time: at(5), Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Subject: "epi/epi-1/sa/app-1", Status: 200},      // a renewal
		{Time: at(6), Service: "s3", Operation: "GetObject", Principal: principal("app-1"), Status: 403},                           // refused
		{Time: at(7), Service: "s3", Operation: "GetObject", Principal: principal("app-10"), Status: 200},                          // another pod
		{Time: at(8), Service: "s3", Operation: "GetObject", Principal: "arn:aws:iam::123456789012:user/epi-app-1-x", Status: 200}, // no pod's session
		{Time: at(9), Service: "s3", Operation: "GetObject", Principal: principal("app-1"), Status: 200},
		{Time: at(10), Service: "s3", Operation: "GetObject", Principal: principal("app-1"), Status: 200},
	}
	starts := []reports.PodStart{{Namespace: "epi-1", Name: "app-1"}, {Namespace: "epi-1", Name: "other"}}
	join(starts, calls)
	want := []reports.PodStart{{Namespace: "epi-1", Name: "app-1", Credentials: at(4), Object: at(9)}, {Namespace: "epi-1", Name: "other"}}
	if diff := cmp.Diff(want, starts); diff != "" {
		t.Error(diff)
	}
}

func TestCallsAreSummedUp(t *testing.T) {
	var calls []control.Call
	for n := range 100 {
		call := control.Call{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Duration: time.Duration(n+1) * time.Millisecond, Status: 200}
		if n%10 == 0 {
			call.Status = 429
		}
		calls = append(calls, call)
	}
	calls = append(calls, control.Call{Service: "s3", Operation: "GetObject", Duration: time.Second}, control.Call{Operation: "Unknown"})
	got := Calls(calls)
	slices.SortFunc(got, func(a, b reports.Calls) int { return strings.Compare(a.Service, b.Service) })
	want := []reports.Calls{
		{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Count: 100, Refused: 10, P50: 0.051, P99: 0.1},
		{Service: "s3", Operation: "GetObject", Count: 1, Refused: 1, P50: 1, P99: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The watch records pods of the run that are created after its begin, and no others.
func TestTheWatchSeesPodsOfTheRun(t *testing.T) {
	client := fake.NewClientset(podOf("before", true))
	w := Begin(t.Context(), client, "run=r")
	deadline := time.After(30 * time.Second)
	for n := 0; ; n++ {
		// A pod that is created before the watch has begun counts as existing, so pods are created until one is recorded.
		pod := podOf("app"+strings.Repeat("x", n), true)
		if _, err := client.CoreV1().Pods("epi-1").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		seen := len(w.pods)
		w.mu.Unlock()
		if seen > 0 {
			break
		}
		select {
		case <-deadline:
			t.Fatal("no pod is seen")
		case <-time.After(10 * time.Millisecond):
		}
	}
	starts := w.End(nil)
	if len(starts) == 0 || slices.ContainsFunc(starts, func(s reports.PodStart) bool { return s.Name == "before" || !s.Injected }) {
		t.Errorf("%+v", starts)
	}
}
