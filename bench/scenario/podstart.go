package scenario

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/framework/probe"
	"github.com/podidentity/epi/framework/workload"
)

// PodStart is about the time from a pod's creation until it reads its first object.
var PodStart = measure.Scenario{
	Name: "pod-start", Title: "From a pod's creation to its first object",
	About: "Pods with an association are created at a steady rate, as a rollout does, and each does what an application does first: " +
		"credentials by the AWS SDK's default chain, then one object of S3. Measured is when a pod is admitted with the variables, when its " +
		"program starts, when that has credentials and when it has the object, all from when the creation was due; and how long the step to " +
		"credentials takes. The kubelet takes most of the time. A pod without credentials is a failure.",
	Source:  "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html",
	Subject: "agent",
	Size:    measure.Size{Rates: []float64{5}, Pods: 10, Repeats: 4},
	Primary: []measure.Primary{{Case: "rate=*/step=" + hasIdentity, Metric: measure.P50.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		app := newApplication(ctx, s)
		compareClocks(ctx, s)
		n := 0
		for range s.Size.Repeats {
			for _, rate := range s.Size.Rates {
				n++
				rollout(ctx, s, app, n, rate)
			}
		}
	},
}

// startLabel is the label with the number of the rollout.
const startLabel = "epi.podidentity.dev/start"

// compareClocks reports the difference between the clock that admission is timed by and the nodes' clocks.
func compareClocks(ctx context.Context, s *measure.Setup) {
	s.T.Helper()
	offset, err := s.Fleet.Clocks(ctx)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	s.T.Report("clocks of the nodes, ahead of the one that admission is timed by", offset)
}

// rollout creates pods, waits until all have ended, records their times and removes them.
func rollout(ctx context.Context, s *measure.Setup, app application, number int, rate float64) {
	s.T.Helper()
	selector := labels.Set{startLabel: fmt.Sprint(number)}
	watched, stop, err := measure.WatchPods(ctx, s.Clientset, app.namespace, selector.String())
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	defer stop()
	name := func(milestone string) *measure.Case { return s.Case("rate=%g/%s", rate, milestone) }
	var startups []startup
	sample := s.Observe(ctx, s.Size.Pods, func(ctx context.Context) *load.Result {
		startups = startPods(ctx, s, app, watched, selector, rate)
		return nil
	})
	recordStartups(startups, name)
	name("step=" + hasIdentity).Add(sample)

	s.Progress("removing %d pods", len(startups))
	err = s.Clientset.CoreV1().Pods(app.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		s.T.Fatalf("remove pods of namespace %s: %v", app.namespace, err)
	}
	if left, ok := watched.Await(ctx, s.Timeouts.PodRunning, measure.NoneLeft); !ok {
		s.T.Fatalf("%d pods of namespace %s are not gone after %s", len(left), app.namespace, s.Timeouts.PodRunning)
	}
}

// startPods creates the pods, waits until all have ended, and returns the times of each.
func startPods(ctx context.Context, s *measure.Setup, app application, watched *measure.PodWatch, label labels.Set, rate float64) []startup {
	s.T.Helper()
	s.Progress("creating %d pods, %g a second", s.Size.Pods, rate)
	created := createAll(ctx, s, app, label, rate)
	s.Progress("waiting for %d pods to read their object", s.Size.Pods)
	pods, ok := watched.Await(ctx, s.Timeouts.PodRunning, measure.AllEnded(len(created)))
	if !ok {
		for _, name := range slices.Sorted(maps.Keys(pods)) {
			if pod := pods[name]; pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				s.T.Fatalf("pod %s/%s has not ended after %s: %s", app.namespace, name, s.Timeouts.PodRunning, workload.Describe(pod))
			}
		}
		s.T.Fatalf("of %d pods in namespace %s that were created there are %d", len(created), app.namespace, len(pods))
	}
	startups := make([]startup, 0, len(created))
	for _, c := range created {
		b, err := startupOf(pods[c.admitted.Name], c.asked, c.answered, len(workload.Injected(c.admitted)) > 0)
		if err != nil {
			s.T.Fatalf("%v", err)
		}
		startups = append(startups, b)
	}
	return startups
}

// creation is the result of creating one pod.
type creation struct {
	// asked is when the creation was due, answered when the API server had created the pod admitted.
	asked, answered time.Time
	admitted        *corev1.Pod
	err             error
}

// createAll creates each pod when it is due, independently of the others.
func createAll(ctx context.Context, s *measure.Setup, app application, label labels.Set, rate float64) []creation {
	s.T.Helper()
	created := make([]creation, s.Size.Pods)
	var group sync.WaitGroup
	begin := time.Now()
	for i := range created {
		pod := newPod(s, app, fmt.Sprintf("start-%s-%d", label[startLabel], i),
			"do", "--timeout", herdTimeout.String(), "--attempts", "3", "--output", corev1.TerminationMessagePathDefault, probe.OpFirstObject, app.bucket.Name, app.own)
		pod.Labels[startLabel] = label[startLabel]
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		group.Go(func() { created[i] = create(ctx, s, pod, due) })
	}
	group.Wait()
	for i := range created {
		if err := created[i].err; err != nil {
			workload.FailAdmission(s.Env, created[i].admitted, err)
		}
	}
	return created
}

func create(ctx context.Context, s *measure.Setup, pod *corev1.Pod, due time.Time) creation {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return creation{admitted: pod, err: ctx.Err()}
	}
	answer, err := s.Clientset.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return creation{admitted: pod, err: err}
	}
	return creation{asked: due, answered: time.Now(), admitted: answer}
}
