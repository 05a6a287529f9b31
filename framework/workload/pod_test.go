package workload

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/podidentity/epi/framework"
)

// A pod is waited for by its events, over connections that end.
func TestWatchUntilRunning(t *testing.T) {
	at := func(version string, phase corev1.PodPhase, containers ...corev1.ContainerStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "blue", Name: "app", ResourceVersion: version},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
			Status:     corev1.PodStatus{Phase: phase, ContainerStatuses: containers},
		}
	}
	running := corev1.ContainerStatus{Name: "main", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	waiting := corev1.ContainerStatus{Name: "main", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}
	pending, runs := at("2", corev1.PodPending, waiting), at("3", corev1.PodRunning, running)
	for name, row := range map[string]struct {
		// connections are the events of each connection, which ends after them.
		connections [][]watch.Event
		last, err   string
	}{
		"it runs":                     {[][]watch.Event{{{Type: watch.Modified, Object: pending}, {Type: watch.Modified, Object: runs}}}, "3", ""},
		"the connection ends between": {[][]watch.Event{{{Type: watch.Modified, Object: pending}}, {{Type: watch.Modified, Object: runs}}}, "3", ""},
		"it never runs":               {[][]watch.Event{{{Type: watch.Modified, Object: pending}}}, "2", "timed out"},
		"nothing is known":            {nil, "1", "timed out"},
		"it is deleted":               {[][]watch.Event{{{Type: watch.Deleted, Object: at("4", corev1.PodPending)}}}, "4", "deleted"},
		"its events are too old": {[][]watch.Event{{{Type: watch.Error, Object: &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired, Message: "too old resource version",
		}}}}, "1", "too old"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset()
				opened := 0
				client.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, watch.Interface, error) {
					if of := action.(clienttesting.WatchAction).GetWatchRestrictions().Fields.String(); of != "metadata.name=app" {
						t.Errorf("watches %q", of)
					}
					events := watch.NewFakeWithChanSize(10, false)
					if opened < len(row.connections) {
						for _, event := range row.connections[opened] {
							events.Action(event.Type, event.Object)
						}
						events.Stop()
					}
					opened++
					return true, events, nil
				})
				env := &framework.Env{Clientset: client, Timeouts: framework.Timeouts{PodRunning: 20 * time.Second}}
				last, err := watchUntilRunning(context.WithoutCancel(t.Context()), env, at("1", corev1.PodPending))
				if last.ResourceVersion != row.last || (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
					t.Errorf("version %s, error %v; want %s, %q", last.ResourceVersion, err, row.last, row.err)
				}
			})
		})
	}
}
