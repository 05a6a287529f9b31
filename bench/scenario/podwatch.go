package scenario

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// podWatch knows the pods of a namespace with a label as they are now: from one watch, however many
// there are.
type podWatch struct {
	mu   sync.Mutex
	pods map[string]*corev1.Pod
	// changed is closed at the next change.
	changed chan struct{}
}

// watchPods begins to, and returns when it knows what there is; stop ends it.
func watchPods(ctx context.Context, clientset kubernetes.Interface, namespace, selector string) (f *podWatch, stop func(), err error) {
	f = &podWatch{pods: map[string]*corev1.Pod{}, changed: make(chan struct{})}
	factory := informers.NewSharedInformerFactoryWithOptions(clientset, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = selector }))
	informer := factory.Core().V1().Pods().Informer()
	handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { f.update(object, false) },
		UpdateFunc: func(_, object any) { f.update(object, false) },
		DeleteFunc: func(object any) { f.update(object, true) },
	})
	if err != nil {
		return nil, nil, fmt.Errorf("follow pods of namespace %s: %w", namespace, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	factory.StartWithContext(ctx)
	stop = func() {
		cancel()
		factory.Shutdown()
	}
	if !cache.WaitForCacheSync(ctx.Done(), handler.HasSynced) {
		stop()
		return nil, nil, fmt.Errorf("follow pods of namespace %s: %w", namespace, context.Cause(ctx))
	}
	return f, stop, nil
}

func (f *podWatch) update(object any, gone bool) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if gone {
		delete(f.pods, pod.Name)
	} else {
		f.pods[pod.Name] = pod
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// now is the pods by name, which are not to be changed, and what is closed when that is no longer so.
func (f *podWatch) now() (pods map[string]*corev1.Pod, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.pods), f.changed
}

// await waits, at most so long, until the pods are as they should be; false if they are not by then.
// It returns them as they were last.
func (f *podWatch) await(ctx context.Context, patience time.Duration, as func(map[string]*corev1.Pod) bool) (map[string]*corev1.Pod, bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		pods, changed := f.now()
		if as(pods) {
			return pods, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return pods, false
		}
	}
}

// allEnded says whether n pods are there and their containers have ended.
func allEnded(n int) func(map[string]*corev1.Pod) bool {
	return func(pods map[string]*corev1.Pod) bool {
		for _, pod := range pods {
			if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				return false
			}
		}
		return len(pods) == n
	}
}

// noneLeft says whether all pods are gone.
func noneLeft(pods map[string]*corev1.Pod) bool { return len(pods) == 0 }
