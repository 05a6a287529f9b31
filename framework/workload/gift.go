package workload

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/framework"
)

// gift is what the webhook adds to pods for one way to credentials.
type gift struct {
	// variables of each container, and the volume of the token and where it is mounted.
	variables         []string
	volume, mountPath string
}

var (
	podIdentity = gift{[]string{CredentialsVariable, TokenFileVariable}, TokenName, TokenMountPath}
	webIdentity = gift{[]string{RoleVariable, WebIdentityVariable}, WebIdentityVolume, WebIdentityMountPath}
)

// in lists what of it the pod has.
func (g gift) in(pod *corev1.Pod) []string {
	found := []string{}
	for _, container := range Containers(pod) {
		for _, variable := range container.Env {
			if slices.Contains(g.variables, variable.Name) {
				found = append(found, "container "+container.Name+": "+variable.Name)
			}
		}
		for _, mount := range container.VolumeMounts {
			if mount.MountPath == g.mountPath || mount.Name == g.volume {
				found = append(found, "container "+container.Name+": mount "+mount.MountPath)
			}
		}
	}
	for _, volume := range pod.Spec.Volumes {
		if volume.Name == g.volume {
			found = append(found, "volume "+volume.Name)
		}
	}
	return found
}

// await waits until the pod would be admitted with some of it, and returns it as it was admitted last;
// nothing is created.
func (g gift) await(ctx context.Context, env *framework.Env, pod *corev1.Pod, timeout time.Duration) (admitted *corev1.Pod, inTime bool) {
	env.T.Helper()
	var refused error
	// The spec's own context, not the wait's: a request that is cut short when the time to wait runs
	// out would say nothing about the API server.
	err := wait.For(func(context.Context) (bool, error) {
		admitted, refused = admit(ctx, env, pod)
		return refused == nil && len(g.in(admitted)) > 0, refused
	}, poll(ctx, timeout)...)
	if refused != nil {
		FailAdmission(env, pod, refused)
	}
	return admitted, err == nil
}
