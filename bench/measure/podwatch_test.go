package measure

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestPodWatchSeesEachChange(t *testing.T) {
	pod := func(name, label string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{"start": label}}, Status: corev1.PodStatus{Phase: phase}}
	}
	clientset := fake.NewClientset(pod("there", "1", corev1.PodSucceeded))
	// An API server's watch starts where its list ended, whenever it starts. The fake one's does not.
	watching := make(chan struct{})
	clientset.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, apiwatch.Interface, error) {
		defer close(watching)
		w, err := clientset.Tracker().Watch(action.GetResource(), action.GetNamespace())
		return true, w, err
	})
	watched, stop, err := WatchPods(t.Context(), clientset, "ns", "start=1")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	<-watching
	if pods, _ := watched.now(); len(pods) != 1 || pods["there"] == nil {
		t.Fatalf("it knows %v, want the pod that was there", pods)
	}
	api := clientset.CoreV1().Pods("ns")
	do := func(_ *corev1.Pod, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(api.Create(t.Context(), pod("comes", "1", corev1.PodPending), metav1.CreateOptions{}))
	both := func(pods map[string]*corev1.Pod) bool { return len(pods) == 2 }
	if pods, ok := watched.Await(t.Context(), time.Minute, both); !ok || AllEnded(2)(pods) {
		t.Errorf("%v: one runs, want both and not ended", pods)
	}
	do(api.UpdateStatus(t.Context(), pod("comes", "1", corev1.PodFailed), metav1.UpdateOptions{}))
	if pods, ok := watched.Await(t.Context(), time.Minute, AllEnded(2)); !ok || AllEnded(3)(pods) {
		t.Errorf("%v: want two that ended, and not three", pods)
	}
	for _, name := range []string{"there", "comes"} {
		if err := api.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if pods, ok := watched.Await(t.Context(), time.Minute, NoneLeft); !ok {
		t.Errorf("%v are left", pods)
	}
}

func TestPodWatchEndsItsWaits(t *testing.T) {
	watched, stop, err := WatchPods(t.Context(), fake.NewClientset(), "ns", "")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if pods, ok := watched.Await(t.Context(), time.Millisecond, AllEnded(1)); ok || len(pods) != 0 {
		t.Errorf("%v: want none, and no success", pods)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := watched.Await(ended, time.Minute, AllEnded(1)); ok {
		t.Error("a wait that was cut short succeeded")
	}
	if _, _, err := WatchPods(ended, fake.NewClientset(), "ns", ""); err == nil || !strings.Contains(err.Error(), "namespace ns") {
		t.Errorf("error %v, want one that says what could not be watched", err)
	}
}
