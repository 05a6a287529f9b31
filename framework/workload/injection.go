package workload

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
)

// What the webhook adds to pods with an association:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html.
const (
	CredentialsVariable = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	TokenFileVariable   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	CredentialsURL      = "http://169.254.170.23/v1/credentials"
	TokenAudience       = "pods.eks.amazonaws.com"
	TokenName           = "eks-pod-identity-token" // the name of the volume and of the file in it
	TokenMountPath      = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
	InjectedLabel       = "eks.amazonaws.com/pod-identity"
)

// Variables for the SDK's region and that region's STS, which the webhook may be configured to add:
// https://github.com/aws/amazon-eks-pod-identity-webhook.
const (
	RegionVariable        = "AWS_REGION"
	DefaultRegionVariable = "AWS_DEFAULT_REGION"
	STSVariable           = "AWS_STS_REGIONAL_ENDPOINTS"
)

// Containers of a pod, init containers first.
func Containers(pod *corev1.Pod) []corev1.Container {
	return slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
}

// Variable returns the value of a container's variable; "" if it has none.
func Variable(container corev1.Container, name string) string {
	for _, variable := range container.Env {
		if variable.Name == name {
			return variable.Value
		}
	}
	return ""
}

// Injected lists what the webhook added to the pod, such as "container main: AWS_CONTAINER_CREDENTIALS_FULL_URI"; empty for
// an unchanged pod.
func Injected(pod *corev1.Pod) []string { return podIdentity.in(pod) }

// Uninjected returns the pod without what the webhook adds or may add: the variables of Pod Identity, and those for the
// SDK's region and that region's STS.
func Uninjected(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			added := []string{CredentialsVariable, TokenFileVariable, DefaultRegionVariable, STSVariable}
			if Variable(list[i], DefaultRegionVariable) != "" {
				added = append(added, RegionVariable) // the webhook sets both or none
			}
			list[i].Env = slices.DeleteFunc(list[i].Env, func(v corev1.EnvVar) bool { return slices.Contains(added, v.Name) })
			list[i].VolumeMounts = slices.DeleteFunc(list[i].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == TokenName })
		}
	}
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == TokenName })
	delete(pod.Labels, InjectedLabel)
	return pod
}

// AwaitAssociation waits until new pods with the association's service account get the variables, and returns how long that
// took. If the webhook does not notice the association, that is the subject's failure. The returned pod is the first one
// that was admitted with them, with the options. It was not created.
func AwaitAssociation(ctx context.Context, env *framework.Env, association *cloud.Association, options ...Option) *corev1.Pod {
	env.T.Helper()
	admitted, inTime := podIdentity.await(ctx, env, NewPod(env, association.Namespace, association.ServiceAccount, options...), env.Timeouts.AssociationVisible)
	if !inTime {
		env.T.Blamef("association %s of %s/%s is not effective after %s: new pods are admitted without %s; is the webhook running?",
			association.ID, association.Namespace, association.ServiceAccount, env.Timeouts.AssociationVisible, CredentialsVariable)
	}
	env.T.Report("association visible to the webhook after", fmt.Sprint(time.Since(association.Created).Round(10*time.Millisecond)))
	return admitted
}

// injection is what the webhook adds to pods for one method.
type injection struct {
	// variables of each container, and the token's volume with its mount path.
	variables         []string
	volume, mountPath string
}

var (
	podIdentity = injection{[]string{CredentialsVariable, TokenFileVariable}, TokenName, TokenMountPath}
	webIdentity = injection{[]string{RoleVariable, WebIdentityVariable}, WebIdentityVolume, WebIdentityMountPath}
)

// in lists its parts that the pod has.
func (i injection) in(pod *corev1.Pod) []string {
	found := []string{}
	for _, container := range Containers(pod) {
		for _, variable := range container.Env {
			if slices.Contains(i.variables, variable.Name) {
				found = append(found, "container "+container.Name+": "+variable.Name)
			}
		}
		for _, mount := range container.VolumeMounts {
			if mount.MountPath == i.mountPath || mount.Name == i.volume {
				found = append(found, "container "+container.Name+": mount "+mount.MountPath)
			}
		}
	}
	for _, volume := range pod.Spec.Volumes {
		if volume.Name == i.volume {
			found = append(found, "volume "+volume.Name)
		}
	}
	return found
}

// await waits until the API server would admit the pod with some of it. It returns the last admitted pod. Nothing is
// created.
func (i injection) await(ctx context.Context, env *framework.Env, pod *corev1.Pod, timeout time.Duration) (admitted *corev1.Pod, inTime bool) {
	env.T.Helper()
	var refused error
	// The spec's own context is used, and not the wait's: a request that ends with the wait would say nothing about the API
	// server.
	err := wait.For(func(context.Context) (bool, error) {
		admitted, refused = admit(ctx, env, pod)
		return refused == nil && len(i.in(admitted)) > 0, refused
	}, poll(ctx, timeout)...)
	if refused != nil {
		FailAdmission(env, pod, refused)
	}
	return admitted, err == nil
}
