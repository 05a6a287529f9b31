package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/probe"
)

// Main is the name of the container in which a probe's commands run.
const Main = "main"

// Option changes a pod before it is created.
type Option func(*corev1.Pod)

// OnHostNetwork gives the pod its node's network.
func OnHostNetwork() Option {
	return func(pod *corev1.Pod) { pod.Spec.HostNetwork = true }
}

// MayAdministerNetwork lets the probe change the pod's own network.
func MayAdministerNetwork() Option {
	return func(pod *corev1.Pod) {
		root := int64(0) // an added capability is effective only for root
		pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
			RunAsUser: &root, Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}},
		}
	}
}

// WithContainer adds a second container.
func WithContainer(name string) Option {
	return func(pod *corev1.Pod) {
		pod.Spec.Containers = append(pod.Spec.Containers, container(pod, name, "pause"))
	}
}

// WithInit adds an init container that does one check of the probe. The result is its termination message.
func WithInit(name string, operation ...string) Option {
	return func(pod *corev1.Pod) {
		args := append([]string{"do", "--output", corev1.TerminationMessagePathDefault}, operation...)
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, container(pod, name, args...))
	}
}

// WithSidecar adds a native sidecar: an init container that keeps running.
func WithSidecar(name string) Option {
	return func(pod *corev1.Pod) {
		sidecar := container(pod, name, "pause")
		always := corev1.ContainerRestartPolicyAlways
		sidecar.RestartPolicy = &always
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, sidecar)
	}
}

// NewPod returns a pod of the probe with a service account; "" for none. It is not created yet.
func NewPod(env *framework.Env, namespace, serviceAccount string, options ...Option) *corev1.Pod {
	no, seconds := false, int64(1)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "probe", Labels: env.Labels()},
		Spec: corev1.PodSpec{
			ServiceAccountName:            serviceAccount,
			AutomountServiceAccountToken:  &no, // the probe does not use Kubernetes
			EnableServiceLinks:            &no,
			TerminationGracePeriodSeconds: &seconds,
			RestartPolicy:                 corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{
				Name: Main, Image: env.ProbeImage, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"pause"}, Env: variables(env),
			}},
		},
	}
	for _, option := range options {
		option(pod)
	}
	return pod
}

// container returns another container like the first one.
func container(pod *corev1.Pod, name string, args ...string) corev1.Container {
	another := *pod.Spec.Containers[0].DeepCopy()
	another.Name, another.Args = name, args
	return another
}

// variables set the SDK's endpoint of AWS, if it is not AWS's own.
func variables(env *framework.Env) []corev1.EnvVar {
	list := []corev1.EnvVar{{Name: "AWS_REGION", Value: env.Region}}
	if env.AWS.PodEndpointURL != "" {
		list = append(list, corev1.EnvVar{Name: "AWS_ENDPOINT_URL", Value: env.AWS.PodEndpointURL})
	}
	return list
}

// Admit asks the API server for a dry run, with admission webhooks, and returns the resulting pod. Nothing is created.
func Admit(ctx context.Context, env *framework.Env, pod *corev1.Pod) *corev1.Pod {
	env.T.Helper()
	admitted, err := admit(ctx, env, pod)
	if err != nil {
		FailAdmission(env, pod, err)
	}
	return admitted
}

func admit(ctx context.Context, env *framework.Env, pod *corev1.Pod) (*corev1.Pod, error) {
	admitted := pod.DeepCopy()
	err := env.Resources.GetControllerRuntimeClient().Create(ctx, admitted, crclient.DryRunAll)
	if err == nil {
		env.NoteAdmitted(admitted)
	}
	return admitted, err
}

// FailAdmission ends the spec after the refusal of a valid pod, and blames the part that is at fault.
func FailAdmission(env *framework.Env, pod *corev1.Pod, err error) {
	env.T.Helper()
	if apierrors.IsInvalid(err) || strings.Contains(err.Error(), "admission webhook") {
		env.T.Blamef("the pod %s/%s, valid as it was sent, was refused after admission: %v", pod.Namespace, pod.Name, err)
	}
	env.T.Fatalf("create pod %s/%s: %v", pod.Namespace, pod.Name, err)
}

// Start creates the pod and waits until its containers run.
func Start(ctx context.Context, env *framework.Env, pod *corev1.Pod) *Probe {
	env.T.Helper()
	created := pod.DeepCopy()
	if err := env.Resources.Create(ctx, created); err != nil {
		FailAdmission(env, pod, err)
	}
	env.T.Cleanup("pod "+pod.Name, func(ctx context.Context) error {
		if err := env.Resources.Delete(ctx, created); !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	})
	created, err := watchUntilRunning(ctx, env, created)
	if name, broken := brokenSubject(created, env.ProbeImage); err != nil && broken {
		env.T.Blamef("container %s of pod %s/%s, which is under test, does not start: %s", name, pod.Namespace, pod.Name, Describe(created))
	}
	if err != nil {
		env.T.Fatalf("wait for pod %s/%s to run: %v; last seen: %s", pod.Namespace, pod.Name, err, Describe(created))
	}
	return &Probe{Pod: created, env: env}
}

// watchUntilRunning waits until all containers of a pod run, and returns the pod as it was last seen. It watches: half
// of the time of the suites is spent here, and requests in short intervals would slow down what they wait for.
func watchUntilRunning(ctx context.Context, env *framework.Env, pod *corev1.Pod) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, env.Timeouts.PodRunning)
	defer cancel()
	pods := env.Clientset.CoreV1().Pods(pod.Namespace)
	one := fields.OneTermEqualSelector(metav1.ObjectNameField, pod.Name).String()
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		options.FieldSelector = one
		return pods.Watch(ctx, options)
	}}
	last := pod
	_, err := watchtools.Until(ctx, pod.ResourceVersion, source, func(event watch.Event) (bool, error) {
		seen, isPod := event.Object.(*corev1.Pod)
		if !isPod {
			return false, fmt.Errorf("watch pod: %w", apierrors.FromObject(event.Object))
		}
		last = seen
		if event.Type == watch.Deleted {
			return false, errors.New("it was deleted")
		}
		return Running(seen), nil
	})
	return last, err
}

// Running says that all containers of a pod run.
func Running(pod *corev1.Pod) bool {
	if pod.Status.Phase != corev1.PodRunning || len(pod.Status.ContainerStatuses) < len(pod.Spec.Containers) {
		return false
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Running == nil {
			return false
		}
	}
	return true
}

// brokenSubject returns the first container that ended with an error and is no probe. The errors of probes are the
// harness's.
func brokenSubject(pod *corev1.Pod, probeImage string) (string, bool) {
	ours := map[string]bool{}
	for _, container := range Containers(pod) {
		ours[container.Name] = container.Image == probeImage
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		for _, state := range []corev1.ContainerState{status.State, status.LastTerminationState} {
			if state.Terminated != nil && state.Terminated.ExitCode != 0 && !ours[status.Name] {
				return status.Name, true
			}
		}
	}
	return "", false
}

// Describe says why a pod does not continue.
func Describe(pod *corev1.Pod) string {
	text := "phase " + string(pod.Status.Phase)
	for _, condition := range pod.Status.Conditions {
		if condition.Status == corev1.ConditionFalse && condition.Message != "" {
			text += fmt.Sprintf("; %s: %s", condition.Type, condition.Message)
		}
	}
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		switch {
		case status.State.Waiting != nil:
			text += fmt.Sprintf("; container %s waits: %s %s", status.Name, status.State.Waiting.Reason, status.State.Waiting.Message)
		case status.State.Terminated != nil && status.State.Terminated.ExitCode != 0:
			text += fmt.Sprintf("; container %s ended: %s %s", status.Name, status.State.Terminated.Reason, probe.Redact(status.State.Terminated.Message))
		}
	}
	return text
}
