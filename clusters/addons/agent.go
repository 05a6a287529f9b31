package addons

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/e2e-framework/klient/k8s"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/manifests"
)

// Agent has the values that the agent's manifest leaves open.
type Agent struct {
	Subject
	ClusterName string
	Region      string
	// Endpoint of EKS Auth; empty means AWS's own.
	Endpoint string
}

// InstallAgent creates the agent's DaemonSet.
func (i *Installer) InstallAgent(ctx context.Context, agent Agent) error {
	return i.install(ctx, manifests.Agent, agent.edit)
}

func (a Agent) edit(object k8s.Object) error {
	set, ok := object.(*appsv1.DaemonSet)
	if !ok {
		return nil
	}
	pod := &set.Spec.Template.Spec
	for n := range pod.InitContainers {
		container := &pod.InitContainers[n]
		container.Image = a.Image
		if a.Layout == clusters.LayoutEKS {
			container.Command = []string{eksAgentProgram}
			container.SecurityContext = &corev1.SecurityContext{Privileged: ptr.To(true)}
		}
	}
	for n := range pod.Containers {
		container := &pod.Containers[n]
		container.Image = a.Image
		container.Args = append(container.Args, "--cluster-name", a.ClusterName)
		if a.Endpoint != "" {
			container.Args = append(container.Args, "--endpoint", a.Endpoint)
		}
		container.Env = append(container.Env, corev1.EnvVar{Name: "AWS_REGION", Value: a.Region})
		if a.Layout == clusters.LayoutEKS {
			container.Command = []string{eksAgentProgram}
			container.SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_BIND_SERVICE"}}}
		}
		a.extend(container)
	}
	return nil
}
