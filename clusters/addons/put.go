package addons

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/e2e-framework/klient/decoder"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/manifests"
)

// errNoAgentManifest means that this program was built wrongly.
var errNoAgentManifest = errors.New("no DaemonSet among the agent's manifests")

// Template is the agent's pod template after an installation.
func (a Agent) Template(ctx context.Context) (corev1.PodTemplateSpec, error) {
	set, err := a.installed(ctx)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	return set.Spec.Template, nil
}

// installed is the agent's DaemonSet after an installation.
func (a Agent) installed(ctx context.Context) (*appsv1.DaemonSet, error) {
	sets, err := decodeEach[*appsv1.DaemonSet](ctx, manifests.Agent)
	if err != nil {
		return nil, err
	}
	if len(sets) == 0 {
		return nil, errNoAgentManifest
	}
	return sets[0], a.edit(sets[0])
}

// decodeEach reads the objects of one type from manifests.
func decodeEach[T k8s.Object](ctx context.Context, files fs.FS) ([]T, error) {
	objects, err := decoder.DecodeAllFiles(ctx, files, "*/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("decode manifests: %w", err)
	}
	var list []T
	for _, object := range objects {
		if one, ok := object.(T); ok {
			list = append(list, one)
		}
	}
	return list, nil
}

// AgentTemplate is the pod template of the installed agent.
func (i *Installer) AgentTemplate(ctx context.Context) (corev1.PodTemplateSpec, error) {
	set := agentSet()
	if err := i.resources.Get(ctx, set.Name, set.Namespace, set); err != nil {
		return corev1.PodTemplateSpec{}, fmt.Errorf("get %s/%s: %w", set.Namespace, set.Name, err)
	}
	return set.Spec.Template, nil
}

// PutAgent gives the installed agent another pod template. It returns when the new pods are ready and all old ones are
// gone. The pods are new also if the template is the same.
func (i *Installer) PutAgent(ctx context.Context, template corev1.PodTemplateSpec, task clusters.Task) error {
	set := agentSet()
	if err := i.change(ctx, set, func() { set.Spec.Template = *template.DeepCopy() }); err != nil {
		return err
	}
	// The DaemonSet may create a pod with the old template before it has seen the change.
	generation := set.Generation
	if err := i.await(ctx, task, set, func() (bool, string) {
		return set.Status.ObservedGeneration >= generation, "waiting for the change to be seen"
	}); err != nil {
		return err
	}
	old, err := i.removePods(ctx, podsOfSet(set))
	if err != nil {
		return err
	}
	return i.waitAnew(ctx, set, old, task)
}

func agentSet() *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: clusters.AgentNamespace, Name: clusters.AgentName}}
}

// owned are the pods that an object of that name creates.
type owned struct {
	namespace, name string
	selector        *metav1.LabelSelector
}

func podsOfSet(set *appsv1.DaemonSet) owned { return owned{set.Namespace, set.Name, set.Spec.Selector} }

// pods lists the owned pods.
func (i *Installer) pods(ctx context.Context, by owned) ([]corev1.Pod, error) {
	var pods corev1.PodList
	selector := resources.WithLabelSelector(metav1.FormatLabelSelector(by.selector))
	if err := i.resources.WithNamespace(by.namespace).List(ctx, &pods, selector); err != nil {
		return nil, fmt.Errorf("list pods of %s/%s: %w", by.namespace, by.name, err)
	}
	return pods.Items, nil
}

// removePods deletes the owned pods on all nodes at the same time, and returns them.
func (i *Installer) removePods(ctx context.Context, by owned) ([]types.UID, error) {
	pods, err := i.pods(ctx, by)
	if err != nil {
		return nil, err
	}
	var removed []types.UID
	for n := range pods {
		removed = append(removed, pods[n].UID)
		if err := i.resources.Delete(ctx, &pods[n]); err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("delete pod %s/%s: %w", pods[n].Namespace, pods[n].Name, err)
		}
	}
	return removed, nil
}

// waitAnew waits until pods of set's template are ready on all nodes and none of the old ones is left. It ends early if one
// of them crashes.
func (i *Installer) waitAnew(ctx context.Context, set *appsv1.DaemonSet, old []types.UID, task clusters.Task) error {
	seen := "nothing"
	err := wait.For(func(ctx context.Context) (bool, error) {
		// The status is read first. If all pods had the template then, the pods that are listed afterwards have it too.
		err := i.resources.Get(ctx, set.Name, set.Namespace, set)
		var pods []corev1.Pod
		if err == nil {
			pods, err = i.pods(ctx, podsOfSet(set))
		}
		if err != nil {
			seen = err.Error()
			return false, nil //nolint:nilerr // if it persists the timeout's error contains it
		}
		seen, err = anew(set.Status, pods, old)
		task.Detail("%s", seen)
		return seen == "", err
	}, pollOften(ctx)...)
	if err != nil {
		return fmt.Errorf("wait for new pods of %s/%s: %w; last seen: %s", set.Namespace, set.Name, err, seen)
	}
	return nil
}

// anew returns the reason why the pods are not only the new ones, all of them ready; "" if they are. An error means that
// they never will be.
func anew(status appsv1.DaemonSetStatus, pods []corev1.Pod, old []types.UID) (waiting string, err error) {
	ready := 0
	for n := range pods {
		pod := &pods[n]
		switch {
		case slices.Contains(old, pod.UID) || pod.DeletionTimestamp != nil:
			waiting = pod.Name + " is ending"
		case crashed(pod):
			return failureOf(pod), errCrashed
		case !podReady(pod):
			waiting = pod.Name + " is not ready"
			if why := failureOf(pod); why != "" {
				waiting += ": " + why
			}
		default:
			ready++
		}
	}
	desired := int(status.DesiredNumberScheduled)
	if waiting == "" && (ready != desired || status.UpdatedNumberScheduled != status.DesiredNumberScheduled || desired == 0) {
		waiting = fmt.Sprintf("ready on %d of %d nodes", ready, desired)
	}
	return waiting, nil
}
