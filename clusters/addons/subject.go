package addons

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/clusters"
)

// The programs in EKS's own images, which have no entrypoint.
const (
	eksAgentProgram   = "/eks-pod-identity-agent"
	eksWebhookProgram = "/webhook"
)

// Subject is the image of an agent or a webhook, with the way to call its program.
type Subject struct {
	Image string
	// Layout is clusters.LayoutEntrypoint or clusters.LayoutEKS; empty means the former.
	Layout clusters.Layout
	// Args follow the manifest's arguments. Env, as KEY=value, follows its variables.
	Args, Env []string
}

// extend adds the arguments and variables to the container that serves.
func (s Subject) extend(container *corev1.Container) {
	container.Args = append(container.Args, s.Args...)
	for _, variable := range s.Env {
		name, value, _ := strings.Cut(variable, "=")
		container.Env = append(container.Env, corev1.EnvVar{Name: name, Value: value})
	}
}
