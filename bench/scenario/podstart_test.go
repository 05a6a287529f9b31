package scenario

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/reports"
)

// creating makes pods on an API server that reacts so.
func creating(t *testing.T, pods int, rate float64, reaction clienttesting.ReactionFunc) ([]creation, *measure.Attempt, *fake.Clientset) {
	t.Helper()
	clientset := fake.NewClientset()
	clientset.PrependReactor("create", "pods", reaction)
	app := application{namespace: "ns", serviceAccount: "app", bucket: &cloud.Bucket{Name: "bucket"}, own: "cluster/ns/object"}
	var created []creation
	attempt := measure.Do(t.Context(), func(ctx context.Context, attempt *measure.Attempt) {
		setup := &measure.Setup{Size: measure.Size{Pods: pods}, Env: &framework.Env{Environment: &clusters.Environment{}, Clientset: clientset, Options: framework.Options{T: attempt}}}
		created = createAll(ctx, setup, app, labels.Set{startLabel: "3"}, rate)
	})
	return created, attempt, clientset
}

func TestPodsAreCreatedWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		created, attempt, clientset := creating(t, 4, 5, func(clienttesting.Action) (bool, runtime.Object, error) { return false, nil, nil })
		if outcome, failure := attempt.Outcome(); outcome != reports.Pass {
			t.Fatalf("%s: %v", outcome, failure)
		}
		for i, c := range created {
			if want := time.Duration(i) * 200 * ms; c.asked.Sub(begin) != want || c.answered.Sub(begin) != want {
				t.Errorf("pod %d was due after %s and answered after %s, want %s", i, c.asked.Sub(begin), c.answered.Sub(begin), want)
			}
		}
		list, err := clientset.CoreV1().Pods("ns").List(t.Context(), metav1.ListOptions{LabelSelector: startLabel + "=3"})
		if err != nil || len(list.Items) != 4 {
			t.Fatalf("%v: there are %d pods, want 4", err, len(list.Items))
		}
		pod := list.Items[0]
		want := []string{"do", "--timeout", "40s", "--attempts", "3", "--output", "/dev/termination-log", "first-object", "bucket", "cluster/ns/object"}
		if got := pod.Spec.Containers[0].Args; pod.Spec.RestartPolicy != corev1.RestartPolicyNever || pod.Spec.ServiceAccountName != "app" || !slices.Equal(got, want) {
			t.Errorf("restart %s, account %s, args %q; want Never, app, %q", pod.Spec.RestartPolicy, pod.Spec.ServiceAccountName, got, want)
		}
	})
}

// The component that refuses a pod decides whose failure it is.
func TestPodsThatCannotBeCreatedEndTheScenario(t *testing.T) {
	for _, test := range []struct {
		err     error
		outcome reports.Outcome
	}{
		{apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Pod").GroupKind(), "start-3-0", nil), reports.Fail},
		{errors.New(`admission webhook "iam-for-pods.amazonaws.com" denied the request`), reports.Fail},
		{errors.New("connection refused"), reports.Error},
	} {
		_, attempt, _ := creating(t, 2, 1000, func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, test.err })
		if outcome, failure := attempt.Outcome(); outcome != test.outcome || failure == nil {
			t.Errorf("%v: %s, %v; want %s", test.err, outcome, failure, test.outcome)
		}
	}
}
