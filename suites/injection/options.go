package injection

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework/workload"
)

// eachContainer calls change for every container of a pod, of any kind.
func eachContainer(pod *corev1.Pod, change func(*corev1.Container)) {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			change(&list[i])
		}
	}
}

// withVariable sets a variable of one container.
func withVariable(container, name, value string) workload.Option {
	return func(pod *corev1.Pod) {
		eachContainer(pod, func(c *corev1.Container) {
			if c.Name == container {
				c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: value})
			}
		})
	}
}

// withoutVariables removes the variables with which the probe finds AWS.
func withoutVariables() workload.Option {
	return func(pod *corev1.Pod) { eachContainer(pod, func(c *corev1.Container) { c.Env = nil }) }
}

func withAnnotation(name, value string) workload.Option {
	return func(pod *corev1.Pod) { pod.Annotations = map[string]string{name: value} }
}

func withLabel(name, value string) workload.Option {
	return func(pod *corev1.Pod) { pod.Labels[name] = value }
}
