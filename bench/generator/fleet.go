// Package generator has the load generators of a benchmark: pods, one on each node, that make load together. Beside each an
// observer on the host meters the subjects. Kubernetes distributes the work: an Indexed Job spreads the generators, and
// each makes its share of one schedule.
package generator

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/workload"
)

const (
	// roleLabel distinguishes the fleet's pods.
	roleLabel = "epi.podidentity.dev/bench"
	generator = "generator"
	observer  = "observer"
	// nullPort is the null handler's port on each node's own address. It is below the ports that Kubernetes and the kernel
	// assign.
	nullPort = 19_170
	// most is the default limit of the number of generators.
	most = 10
)

// Fleet has the running generators with their observers. It is safe for concurrent use, except for Start and Calibrate: a
// mixed load consists of several that run together.
type Fleet struct {
	generators []*workload.Probe
	// observers by node.
	observers map[string]*workload.Probe
	// calibrations of the generators, in their order; nil before Calibrate.
	calibrations []load.Calibration
}

// Start starts n generators in namespace, 0 for one on each node (up to 10), and observers on all nodes. The clean-up of
// env removes them.
func Start(ctx context.Context, env *framework.Env, namespace string, n int) *Fleet {
	env.T.Helper()
	nodes := readyNodes(ctx, env)
	if n == 0 {
		n = min(len(nodes), most)
	}
	workload.Create(ctx, env, job(env, namespace, n))
	fleet := &Fleet{observers: map[string]*workload.Probe{}}
	for _, node := range nodes {
		workload.Create(ctx, env, observerOn(env, namespace, node))
	}
	for _, pod := range await(ctx, env, namespace, generator, n) {
		fleet.generators = append(fleet.generators, workload.ProbeIn(env, pod))
	}
	for _, pod := range await(ctx, env, namespace, observer, len(nodes)) {
		fleet.observers[pod.Spec.NodeName] = workload.ProbeIn(env, pod)
	}
	return fleet
}

// Pods is the number of generators.
func (f *Fleet) Pods() int { return len(f.generators) }

func readyNodes(ctx context.Context, env *framework.Env) []string {
	env.T.Helper()
	var list corev1.NodeList
	if err := env.Resources.List(ctx, &list); err != nil {
		env.T.Fatalf("list nodes: %v", err)
	}
	var names []string
	for _, node := range list.Items {
		ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		if ready && !node.Spec.Unschedulable {
			names = append(names, node.Name)
		}
	}
	if len(names) == 0 {
		env.T.Fatalf("start load generators: none of %d nodes is ready", len(list.Items))
	}
	return names
}

// job returns the generators as an Indexed Job, evenly on all nodes.
func job(env *framework.Env, namespace string, n int) *batchv1.Job {
	pod := workload.NewPod(env, namespace, "")
	pod.Labels[roleLabel] = generator
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	// The generator has priority over its subject. Otherwise it would wait for the subject on the same processors; see
	// epi-probe.
	root := int64(0) // an added capability is effective only for root
	main := &pod.Spec.Containers[0]
	main.SecurityContext = &corev1.SecurityContext{RunAsUser: &root, Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_NICE"}}}
	main.Env = append(main.Env, corev1.EnvVar{Name: load.GeneratorVariable, Value: "1"})
	pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{roleLabel: generator}},
	}}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: generator, Labels: env.Labels()},
		Spec: batchv1.JobSpec{
			CompletionMode: ptr.To(batchv1.IndexedCompletion), Completions: ptr.To(int32(n)), Parallelism: ptr.To(int32(n)),
			BackoffLimit: ptr.To(int32(0)),
			Template:     corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec},
		},
	}
}

// observerOn returns an observer on the node's network, which sees its processes and control groups. It meters, and serves
// the null handler on the same path that pods have to the agent.
func observerOn(env *framework.Env, namespace, node string) *corev1.Pod {
	pod := workload.NewPod(env, namespace, "", workload.OnHostNetwork())
	pod.Name, pod.Labels[roleLabel] = observer+"-"+node, observer
	pod.Spec.NodeName, pod.Spec.HostPID = node, true
	pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	root := int64(0)
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &root}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "cgroup", VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: "/sys/fs/cgroup", Type: ptr.To(corev1.HostPathDirectory)},
	}})
	main := &pod.Spec.Containers[0]
	// Only a process that may trace other processes sees their sockets.
	main.SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}}}
	main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: "cgroup", MountPath: "/sys/fs/cgroup", ReadOnly: true})
	main.Env = append(main.Env, corev1.EnvVar{Name: "NODE_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.hostIP"}}})
	main.Args = []string{"null", fmt.Sprintf("$(NODE_IP):%d", nullPort)}
	return pod
}

// await waits until n pods of that role run.
func await(ctx context.Context, env *framework.Env, namespace, role string, n int) []*corev1.Pod {
	env.T.Helper()
	var found []*corev1.Pod
	seen := "nothing"
	err := wait.For(func(ctx context.Context) (bool, error) {
		var list corev1.PodList
		selector := labels.Set{roleLabel: role}.String()
		if err := env.Resources.WithNamespace(namespace).List(ctx, &list, resources.WithLabelSelector(selector)); err != nil {
			seen = err.Error()
			return false, nil //nolint:nilerr // if it persists the timeout's error contains it
		}
		found, seen = nil, fmt.Sprintf("%d pods", len(list.Items))
		for i := range list.Items {
			pod := &list.Items[i]
			if !workload.Running(pod) {
				seen = fmt.Sprintf("pod %s: %s", pod.Name, workload.Describe(pod))
				return false, nil
			}
			found = append(found, pod)
		}
		return len(found) == n, nil
	}, wait.WithContext(ctx), wait.WithTimeout(env.Timeouts.PodRunning), wait.WithImmediate())
	if err != nil {
		env.T.Fatalf("start %d load generator pods (%s): %v; last seen: %s", n, role, err, seen)
	}
	slices.SortFunc(found, func(a, b *corev1.Pod) int { return indexOf(a) - indexOf(b) })
	return found
}

func indexOf(pod *corev1.Pod) int {
	n := 0
	_, _ = fmt.Sscan(pod.Annotations[batchv1.JobCompletionIndexAnnotation], &n) // observers have none
	return n
}
