package addons

import (
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podOf returns a pod of an image that serves at an address.
func podOf(image, address string, edits ...func(*corev1.Pod)) corev1.Pod {
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "pod-" + address},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Image: image}}},
		Status:     corev1.PodStatus{PodIP: address, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	for _, edit := range edits {
		edit(&pod)
	}
	return pod
}

func ending(pod *corev1.Pod)   { pod.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }
func notReady(pod *corev1.Pod) { pod.Status.Conditions[0].Status = corev1.ConditionFalse }
func crashing(pod *corev1.Pod) {
	notReady(pod)
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "webhook", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}},
	}}
}

// A replacement is complete when only the new image serves, without an old pod and without a gap.
func TestReplacedWaitsForTheNewAndNoOther(t *testing.T) {
	for name, row := range map[string]struct {
		pods      []corev1.Pod
		n         int
		addresses []string
		waiting   string
	}{
		"only the new one serves":  {[]corev1.Pod{podOf("new", "10.0.0.2")}, 1, []string{"10.0.0.2"}, ""},
		"the old one still runs":   {[]corev1.Pod{podOf("new", "10.0.0.2"), podOf("old", "10.0.0.1")}, 1, nil, "pod-10.0.0.1 runs old"},
		"the old one is ending":    {[]corev1.Pod{podOf("old", "10.0.0.1", ending), podOf("new", "10.0.0.2")}, 1, nil, "pod-10.0.0.1 is ending"},
		"the new one is not ready": {[]corev1.Pod{podOf("new", "10.0.0.2", notReady)}, 1, nil, "pod-10.0.0.2 is not ready"},
		"one node has none":        {[]corev1.Pod{podOf("new", "10.0.0.2")}, 2, nil, "1 of 2 pods"},
		"none at all":              {nil, 1, nil, "0 of 1 pods"},
	} {
		addresses, waiting, err := replaced(row.pods, row.n, "new")
		if err != nil || waiting != row.waiting || row.waiting == "" && !slices.Equal(addresses, row.addresses) {
			t.Errorf("%s: %q, waiting %q, error %v", name, addresses, waiting, err)
		}
	}
	_, why, err := replaced([]corev1.Pod{podOf("old", "10.0.0.1", crashing), podOf("new", "10.0.0.2", crashing)}, 1, "new")
	if !errors.Is(err, errCrashed) || why != "container webhook: CrashLoopBackOff, exit code 3" {
		t.Errorf("the new one crashes: %q, error %v", why, err)
	}
	if _, _, err := replaced([]corev1.Pod{podOf("old", "10.0.0.1", crashing)}, 1, "new"); err != nil {
		t.Errorf("the old one crashes, which ends as soon as it is replaced: error %v", err)
	}
}
