// Package podstarts records how the pods of a run start: when they exist, have a node and run, and when AWS got their first
// requests.
package podstarts

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/reports"
)

// mostPods is the number of pods to keep, the newest.
const mostPods = 300

// fullURI is the variable that the webhook adds
// (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html).
const fullURI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"

// Watch records pods.
type Watch struct {
	now  func() time.Time
	stop func()

	mu   sync.Mutex
	pods map[types.UID]*reports.PodStart
}

// Begin watches pods with the labels of selector until ctx ends or End is called. If the cluster does not answer, there are
// no pods: the result is information, and no verdict.
func Begin(ctx context.Context, client kubernetes.Interface, selector string) *Watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &Watch{now: time.Now, pods: map[types.UID]*reports.PodStart{}}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = selector }))
	informer := factory.Core().V1().Pods().Informer()
	_ = informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {}) // it has not begun
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{                        // it has not ended
		AddFunc: func(object any, before bool) {
			if pod, ok := object.(*corev1.Pod); ok && !before { // it is unknown when an existing pod was created
				w.seen(pod, true)
			}
		},
		UpdateFunc: func(_, object any) {
			if pod, ok := object.(*corev1.Pod); ok {
				w.seen(pod, false)
			}
		},
	})
	factory.StartWithContext(ctx)
	w.stop = func() {
		cancel()
		factory.Shutdown()
	}
	return w
}

// seen records the state of a pod.
func (w *Watch) seen(pod *corev1.Pod, first bool) {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	start := w.pods[pod.UID]
	if start == nil {
		if !first {
			return
		}
		start = &reports.PodStart{Namespace: pod.Namespace, Name: pod.Name, Injected: injected(pod), Admitted: now}
		w.pods[pod.UID] = start
		w.forget()
	}
	if start.Scheduled.IsZero() && pod.Spec.NodeName != "" {
		start.Scheduled = now
	}
	if start.Started.IsZero() && slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Running != nil || s.State.Terminated != nil
	}) {
		start.Started = now
	}
}

// forget drops the oldest pod above the limit.
func (w *Watch) forget() {
	if len(w.pods) <= mostPods {
		return
	}
	var oldest types.UID
	for uid, start := range w.pods {
		if oldest == "" || start.Admitted.Before(w.pods[oldest].Admitted) {
			oldest = uid
		}
	}
	delete(w.pods, oldest)
}

func injected(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == fullURI })
	})
}

// End ends the watch and returns the pods in the order of their admission, with data from the calls of AWS. calls is nil if
// AWS does not report them.
func (w *Watch) End(calls []control.Call) []reports.PodStart {
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	starts := make([]reports.PodStart, 0, len(w.pods))
	for _, start := range w.pods {
		starts = append(starts, *start)
	}
	slices.SortFunc(starts, func(a, b reports.PodStart) int { return a.Admitted.Compare(b.Admitted) })
	join(starts, calls)
	return starts
}

// session is EKS Auth's name for the session of a pod: eks-CLUSTER-POD-UUID
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html).
var session = regexp.MustCompile(`/eks-.*-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// join adds the time of the first call to EKS Auth for each pod, and the time of S3's first object for its session.
func join(starts []reports.PodStart, calls []control.Call) {
	asked := map[[2]string]time.Time{}
	var objects []control.Call
	for _, call := range calls {
		switch {
		case call.Status < 200 || call.Status > 299:
		case call.Service == "eks-auth" && call.Operation == "AssumeRoleForPodIdentity":
			// cluster/namespace/service account/pod
			if part := strings.Split(call.Subject, "/"); len(part) == 4 {
				if key := [2]string{part[1], part[3]}; asked[key].IsZero() {
					asked[key] = call.Time
				}
			}
		case call.Service == "s3" && call.Operation == "GetObject" && session.MatchString(call.Principal):
			objects = append(objects, call)
		}
	}
	for i := range starts {
		starts[i].Credentials = asked[[2]string{starts[i].Namespace, starts[i].Name}]
		if starts[i].Credentials.IsZero() {
			continue
		}
		for _, call := range objects {
			// The run chooses the pods' names, and none is a part of another.
			if !call.Time.Before(starts[i].Credentials) && strings.Contains(call.Principal, "-"+starts[i].Name+"-") {
				starts[i].Object = call.Time
				break
			}
		}
	}
}

// Calls summarizes calls by service and operation, services with the most calls first.
func Calls(calls []control.Call) []reports.Calls {
	type operation struct{ service, name string }
	took := map[operation][]time.Duration{}
	refused := map[operation]int{}
	for _, call := range calls {
		if call.Service == "" || call.Operation == "" {
			continue
		}
		of := operation{call.Service, call.Operation}
		took[of] = append(took[of], call.Duration)
		if call.Status < 200 || call.Status > 299 {
			refused[of]++
		}
	}
	list := make([]reports.Calls, 0, len(took))
	for of, durations := range took {
		slices.Sort(durations)
		at := func(share float64) float64 {
			return durations[min(len(durations)-1, int(share*float64(len(durations))))].Seconds()
		}
		list = append(list, reports.Calls{Service: of.service, Operation: of.name, Count: len(durations), Refused: refused[of], P50: at(0.5), P99: at(0.99)})
	}
	return list
}
