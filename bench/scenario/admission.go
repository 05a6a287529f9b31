package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/workload"
)

// Pods is how many pods a second the API server admits.
var Pods = measure.Metric{Name: "pods", Unit: "pods/s", Better: measure.Higher}

const (
	// admissionClients is how many clients create pods at the same time.
	admissionClients = 8
	// reviewed is how many different service accounts the reviews are about.
	reviewed = 100
	// notMutated is the kind of error of a pod that was admitted unchanged: the API server ignores a failing webhook.
	notMutated = "not mutated"
)

// Admission is about a cluster with many associations.
var Admission = measure.Scenario{
	Name: "admission", Title: "Admission of pods among many associations",
	About: "Reviews of pods with an association go to the webhook at a steady rate, while the cluster has 10, 1,000 and 10,000 associations " +
		"in addition to those of the run. Eight clients also make dry runs through the API server; each waits for its answer. " +
		"The number of associations should make no difference. EKS allows 5,000 a cluster; the emulator's quota is raised for the larger number.",
	Source:  "https://github.com/aws/containers-roadmap/issues/2397",
	Subject: "webhook",
	Needs:   []clusters.Capability{clusters.WebhookInCluster, clusters.EmulatorControl},
	Size:    measure.Size{Rates: []float64{200, 500}, Duration: 750 * time.Millisecond, Repeats: 4, Identities: 10_000},
	Metrics: []string{Pods.Name},
	Primary: []measure.Primary{{Case: "associations=*/rate=*", Metric: measure.P50.Name}, {Case: "associations=*/rate=*", Metric: measure.CPU.Name}, {Case: "associations=*/rate=*", Metric: measure.Failed.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		a := newAdmission(ctx, s)
		for _, step := range sizeSteps([]int{10, 1000}, s.Size.Identities, s.Size.Repeats) {
			a.resize(ctx, step.size)
			for range step.repeats {
				a.measure(ctx)
			}
		}
	},
}

// sizeStep is a number of associations, and how many repeats are measured with it before the next step.
type sizeStep struct{ size, repeats int }

// sizeSteps goes up to the largest size and down again, so that a machine that becomes slower or faster
// does not look like an effect of the size. The sizes are the largest one and the usual ones below it.
func sizeSteps(usual []int, largest, repeats int) []sizeStep {
	var up, down []sizeStep
	for _, size := range usual {
		if size < largest {
			up = append(up, sizeStep{size, (repeats + 1) / 2})
			down = append(down, sizeStep{size, repeats / 2})
		}
	}
	slices.Reverse(down)
	steps := slices.Concat(up, []sizeStep{{largest, repeats}}, down)
	return slices.DeleteFunc(steps, func(s sizeStep) bool { return s.repeats == 0 })
}

type admission struct {
	*measure.Setup
	associations *cloud.BulkAssociations
	url          string
	authorities  string
	// pod of a service account that exists, for dry runs.
	pod *corev1.Pod
}

func newAdmission(ctx context.Context, s *measure.Setup) *admission {
	s.T.Helper()
	a := &admission{Setup: s, associations: cloud.NewBulkAssociations(s.Env, s.Identities.Role)}
	a.url, a.authorities = workload.WebhookEndpoint(ctx, s.Env)
	a.pod = applicationPod(s.Identities.Account())
	// The associations of the run and of anything else in the cluster count, too.
	const others = 1000
	limit, err := s.Control.AssociationLimit(ctx)
	if err != nil {
		s.T.Fatalf("%v", err)
	}
	if needed := s.Size.Identities + others; needed > limit {
		s.T.Cleanup("quota of associations", func(ctx context.Context) error { return s.Control.SetAssociationLimit(ctx, limit) })
		if err := s.Control.SetAssociationLimit(ctx, needed); err != nil {
			s.T.Fatalf("%v", err)
		}
	}
	return a
}

// resize creates or deletes associations until there are size, and waits until the webhook knows that.
func (a *admission) resize(ctx context.Context, size int) {
	a.T.Helper()
	before := a.associations.Size()
	a.Progress("changing the number of associations from %d to %d", before, size)
	switch {
	case size > before:
		a.associations.Grow(ctx, size)
		a.await(ctx, size-1, true)
	case size < before:
		a.associations.Shrink(ctx, size)
		a.await(ctx, size, false)
	}
}

// await waits until the webhook knows, or no longer knows, an association.
func (a *admission) await(ctx context.Context, n int, known bool) {
	a.T.Helper()
	body := a.review(n)
	last := workload.AskWebhook(ctx, a.Env, "application/json", body)
	err := wait.For(func(ctx context.Context) (bool, error) {
		last = workload.AskWebhook(ctx, a.Env, "application/json", body)
		return last.Failure == nil && last.Status == 200 && mutated(last.Body) == known, nil
	}, wait.WithContext(ctx), wait.WithTimeout(a.Timeouts.AssociationVisible), wait.WithInterval(50*time.Millisecond), wait.WithImmediate())
	if err != nil {
		a.T.Blamef("of %d associations the webhook does not know the last change after %s: %v; last seen: status %d, mutated %t, %v",
			a.associations.Size(), a.Timeouts.AssociationVisible, err, last.Status, mutated(last.Body), last.Failure)
	}
}

// review is the review of a pod of the nth service account.
func (a *admission) review(n int) []byte {
	a.T.Helper()
	body, err := review(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)), applicationPod(a.associations.Namespace, a.associations.ServiceAccount(n)))
	if err != nil {
		a.T.Fatalf("%v", err)
	}
	return body
}

func (a *admission) measure(ctx context.Context) {
	a.T.Helper()
	size := a.associations.Size()
	for _, rate := range a.Size.Rates {
		a.Progress("%d associations: %g reviews a second", size, rate)
		a.Case("associations=%d/rate=%g", size, rate).Add(a.Measure(ctx, a.reviews().Settled(rate, a.Size.Duration)))
	}
	a.Progress("%d associations: dry runs of %d clients", size, admissionClients)
	a.dryRuns(ctx, a.Case("associations=%d/clients=%d", size, admissionClients))
}

// reviews are reviews for service accounts at equal distances among all, round robin.
func (a *admission) reviews() measure.Request {
	a.T.Helper()
	request := measure.Request{HTTPOptions: load.HTTPOptions{
		URL: a.url, CA: a.authorities, Header: map[string]string{"Content-Type": "application/json"}, Expect: load.Admitted,
	}}
	size := a.associations.Size()
	count := min(size, reviewed)
	for i := range count {
		request.Bodies = append(request.Bodies, string(a.review(i*size/count)))
	}
	return request
}

// dryRuns lets clients create pods for half the time of a repeat.
func (a *admission) dryRuns(ctx context.Context, c *measure.Case) {
	a.T.Helper()
	var (
		mu        sync.Mutex
		group     sync.WaitGroup
		latencies []time.Duration
		failed    = map[string]int{}
	)
	began := time.Now()
	for range admissionClients {
		group.Go(func() {
			for ctx.Err() == nil && time.Since(began) < a.Size.Duration/2 {
				latency, kind := a.dryRun(ctx)
				mu.Lock()
				latencies = append(latencies, latency)
				if kind != "" {
					failed[kind]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	c.RecordLatencies(latencies)
	admitted := len(latencies)
	for _, count := range failed {
		admitted -= count
	}
	c.RecordFailures(len(latencies), failed)
	c.Record(Pods, float64(admitted)/took.Seconds())
}

// dryRun makes one dry run. It returns its latency, and the kind of its failure or "".
func (a *admission) dryRun(ctx context.Context) (latency time.Duration, kind string) {
	began := time.Now()
	pod, err := a.Identities.Clientset.CoreV1().Pods(a.pod.Namespace).Create(ctx, a.pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	latency = time.Since(began)
	switch {
	case err != nil:
		return latency, reason(err)
	case len(workload.Injected(pod)) == 0:
		return latency, notMutated
	}
	return latency, ""
}

// reason is the status of the API server's refusal, or "network".
func reason(err error) string {
	var refused apierrors.APIStatus
	if errors.As(err, &refused) {
		return strconv.Itoa(int(refused.Status().Code))
	}
	return "network"
}
