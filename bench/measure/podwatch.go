package measure

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

// PodWatch has the current state of a namespace's pods with a label. It uses one watch for all of them.
type PodWatch struct {
	mu   sync.Mutex
	pods map[string]*corev1.Pod
	// changed is closed at the next change.
	changed chan struct{}
}

// WatchPods starts a watch, and returns when it knows the pods that exist. stop ends it.
func WatchPods(ctx context.Context, clientset kubernetes.Interface, namespace, selector string) (w *PodWatch, stop func(), err error) {
	w = &PodWatch{pods: map[string]*corev1.Pod{}, changed: make(chan struct{})}
	factory := informers.NewSharedInformerFactoryWithOptions(clientset, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = selector }))
	informer := factory.Core().V1().Pods().Informer()
	handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { w.update(object, false) },
		UpdateFunc: func(_, object any) { w.update(object, false) },
		DeleteFunc: func(object any) { w.update(object, true) },
	})
	if err != nil {
		return nil, nil, fmt.Errorf("watch pods of namespace %s: %w", namespace, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	factory.StartWithContext(ctx)
	stop = func() {
		cancel()
		factory.Shutdown()
	}
	if !cache.WaitForCacheSync(ctx.Done(), handler.HasSynced) {
		stop()
		return nil, nil, fmt.Errorf("watch pods of namespace %s: %w", namespace, context.Cause(ctx))
	}
	return w, stop, nil
}

func (w *PodWatch) update(object any, gone bool) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if gone {
		delete(w.pods, pod.Name)
	} else {
		w.pods[pod.Name] = pod
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// now returns the pods by name, which the caller must not change, and a channel that is closed at the next change.
func (w *PodWatch) now() (pods map[string]*corev1.Pod, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.pods), w.changed
}

// Await waits until wanted accepts the pods. It returns their last state, and false if the timeout ended first.
func (w *PodWatch) Await(ctx context.Context, timeout time.Duration, as func(map[string]*corev1.Pod) bool) (map[string]*corev1.Pod, bool) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		pods, changed := w.now()
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

// AllEnded reports whether there are n pods and all of their containers have ended.
func AllEnded(n int) func(map[string]*corev1.Pod) bool {
	return func(pods map[string]*corev1.Pod) bool {
		for _, pod := range pods {
			if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				return false
			}
		}
		return len(pods) == n
	}
}

// NoneLeft reports whether all pods are gone.
func NoneLeft(pods map[string]*corev1.Pod) bool { return len(pods) == 0 }
