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
	"github.com/podidentity/epi/framework/probe"
	"github.com/podidentity/epi/framework/workload"
)

// PodStart is what a user waits for.
var PodStart = Scenario{
	Name: "pod-start", Title: "From a pod's creation to its first object",
	About: "Pods with an association are created at a steady rate, as a rollout does, and each does what an application does first: " +
		"credentials by the AWS SDK's default chain, then one object of S3. Told is when a pod is admitted with the variables, when its " +
		"program starts, when that has credentials and when the object, all counted from when its creation was due; and how long the step to " +
		"credentials takes. Most of the time is the kubelet's; a pod without credentials is a failure.",
	Source:  "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html",
	Subject: "agent",
	Size:    Size{Rates: []float64{5}, Pods: 10, Repeats: 4},
	Primary: []Primary{{"rate=*/step=" + hasIdentity, P50.Name}},
	Run: func(ctx context.Context, s *Setup) {
		app := s.newApplication(ctx)
		s.compareClocks(ctx)
		n := 0
		for range s.Size.Repeats {
			for _, rate := range s.Size.Rates {
				n++
				s.rollout(ctx, app, n, rate)
			}
		}
	},
}

// startLabel has the number of the rollout.
const startLabel = "epi.podidentity.dev/start"

// compareClocks notes how far apart the clocks are that admission and the rest are timed by.
func (s *Setup) compareClocks(ctx context.Context) {
	s.T.Helper()
	offset, err := s.Fleet.Clocks(ctx)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	s.T.Report("clocks of the nodes, ahead of the one that admission is timed by", offset)
}

// rollout creates pods, waits until all have done what they do, records that and removes them.
func (s *Setup) rollout(ctx context.Context, app application, number int, rate float64) {
	s.T.Helper()
	selector := labels.Set{startLabel: fmt.Sprint(number)}
	followed, stop, err := watchPods(ctx, s.Clientset, app.namespace, selector.String())
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	defer stop()
	name := func(milestone string) *Case { return s.Case("rate=%g/%s", rate, milestone) }
	var births []startup
	sample := s.Observe(ctx, s.Size.Pods, func(ctx context.Context) *load.Result {
		births = s.startPods(ctx, app, followed, selector, rate)
		return nil
	})
	recordStartups(births, name)
	name("step=" + hasIdentity).Add(sample)

	s.Progress("removing %d pods", len(births))
	err = s.Clientset.CoreV1().Pods(app.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		s.T.Fatalf("remove pods of namespace %s: %v", app.namespace, err)
	}
	if left, ok := followed.await(ctx, s.Timeouts.PodRunning, noneLeft); !ok {
		s.T.Fatalf("%d pods of namespace %s are not gone after %s", len(left), app.namespace, s.Timeouts.PodRunning)
	}
}

// startPods creates the pods and returns how each came to its object.
func (s *Setup) startPods(ctx context.Context, app application, followed *podWatch, label labels.Set, rate float64) []startup {
	s.T.Helper()
	s.Progress("creating %d pods, %g a second", s.Size.Pods, rate)
	created := s.createAll(ctx, app, label, rate)
	s.Progress("waiting for %d pods to read their object", s.Size.Pods)
	pods, ok := followed.await(ctx, s.Timeouts.PodRunning, allEnded(len(created)))
	if !ok {
		for _, name := range slices.Sorted(maps.Keys(pods)) {
			if pod := pods[name]; pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				s.T.Fatalf("pod %s/%s has not ended after %s: %s", app.namespace, name, s.Timeouts.PodRunning, workload.Describe(pod))
			}
		}
		s.T.Fatalf("of %d pods in namespace %s that were created there are %d", len(created), app.namespace, len(pods))
	}
	births := make([]startup, 0, len(created))
	for _, c := range created {
		b, err := startupOf(pods[c.admitted.Name], c.asked, c.answered, len(workload.Injected(c.admitted)) > 0)
		if err != nil {
			s.T.Fatalf("%v", err)
		}
		births = append(births, b)
	}
	return births
}

// creation is the creation of one pod.
type creation struct {
	// asked is when it was due, answered when the API server had made admitted.
	asked, answered time.Time
	admitted        *corev1.Pod
	err             error
}

// createAll creates the pods, each when its time has come, however long others take.
func (s *Setup) createAll(ctx context.Context, app application, label labels.Set, rate float64) []creation {
	s.T.Helper()
	created := make([]creation, s.Size.Pods)
	var group sync.WaitGroup
	begin := time.Now()
	for i := range created {
		pod := s.pod(app, fmt.Sprintf("start-%s-%d", label[startLabel], i),
			"do", "--timeout", herdTimeout.String(), "--attempts", "3", "--output", corev1.TerminationMessagePathDefault, probe.OpFirstObject, app.bucket.Name, app.own)
		pod.Labels[startLabel] = label[startLabel]
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		group.Go(func() { created[i] = s.create(ctx, pod, due) })
	}
	group.Wait()
	for i := range created {
		if err := created[i].err; err != nil {
			workload.FailAdmission(s.Env, created[i].admitted, err)
		}
	}
	return created
}

func (s *Setup) create(ctx context.Context, pod *corev1.Pod, due time.Time) creation {
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
