// Package injection asks what the webhook makes of pods. Most of it is decided by dry runs on the
// API server, which call the webhook as a real creation does.
package injection

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

const (
	account = "reader"
	// The default life of the token, and how much of it the webhook takes off for jitter at most.
	tokenLife   = 24 * time.Hour
	tokenJitter = 2 * time.Hour
)

// everyKind of container that a pod can be created with.
func everyKind() []workload.Option {
	return []workload.Option{
		workload.WithInit("init", probe.OpToken), workload.WithSidecar("sidecar"), workload.WithContainer("second"),
	}
}

// associate makes an association in a namespace of its own.
func associate(ctx context.Context, env *framework.Env) *cloud.Association {
	namespace := workload.NewNamespace(ctx, env)
	workload.NewServiceAccount(ctx, env, namespace, account)
	return cloud.Associate(ctx, env, namespace, account, cloud.NewRole(ctx, env))
}

// variables of each container of a pod, by the container's name.
func variables(pod *corev1.Pod, name string) map[string]string {
	values := map[string]string{}
	for _, container := range workload.Containers(pod) {
		values[container.Name] = workload.Variable(container, name)
	}
	return values
}

func inEveryContainer(value string) map[string]string {
	return map[string]string{"init": value, "sidecar": value, workload.Main: value, "second": value}
}

var _ = Describe("The webhook", func() {
	It("tells every container of an associated pod where the agent is", Covers("INJ-01", "INJ-04"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env), everyKind()...)

			Expect(variables(pod, workload.CredentialsVariable)).To(Equal(inEveryContainer(workload.CredentialsURL)))
		})

	It("tells every container of an associated pod where its token is", Covers("INJ-02", "INJ-04"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env), everyKind()...)

			Expect(variables(pod, workload.TokenFileVariable)).To(Equal(inEveryContainer(workload.TokenMountPath + "/" + workload.TokenName)))
		})

	It("mounts one projected token for Pod Identity, read-only, in every container", Covers("INJ-03", "INJ-04"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env), everyKind()...)

			Expect(tokenVolumes(pod)).To(ConsistOf(aToken(Fields{
				"Audience": Equal(workload.TokenAudience),
				"Path":     Equal(workload.TokenName),
			})))
			for _, container := range workload.Containers(pod) {
				Expect(tokenMounts(container)).To(ConsistOf(MatchFields(IgnoreExtras, Fields{
					"MountPath": Equal(workload.TokenMountPath),
					"ReadOnly":  BeTrue(),
				})), "container "+container.Name)
			}
		})

	It("asks for tokens that live a day, less some jitter", Covers("TOK-02"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env))

			Expect(tokenVolumes(pod)).To(ConsistOf(aToken(Fields{
				"ExpirationSeconds": PointTo(And(
					BeNumerically(">=", (tokenLife-tokenJitter).Seconds()), BeNumerically("<=", tokenLife.Seconds()),
				)),
			})))
		})

	It("keeps every other field of an associated pod", Covers("INJ-04"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			options := append(everyKind(), manyFields)
			workload.NewServiceAccount(ctx, env, association.Namespace, "stranger")

			By("admitting the same pod with and without the association")
			with := workload.AwaitAssociation(ctx, env, association, options...)
			without := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, "stranger", options...))

			Expect(workload.Uninjected(with).Spec).To(BeTheSameSpecAs(workload.Uninjected(without).Spec))
		})

	It("labels the pods that it changed", Covers("INJ-09"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env))

			Expect(pod.Labels).To(HaveKeyWithValue(workload.InjectedLabel, "enabled"))
		})

	It("leaves pods of another service account of the same namespace alone", Covers("INJ-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.NewServiceAccount(ctx, env, association.Namespace, "stranger")

			By("waiting until the association is effective")
			workload.AwaitAssociation(ctx, env, association)

			Expect(workload.Injected(workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, "stranger", everyKind()...)))).To(BeEmpty())
			Expect(workload.Injected(workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, "", everyKind()...)))).To(BeEmpty())
		})

	It("leaves pods of a service account of the same name in another namespace alone", Covers("INJ-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			other := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, other, account)

			By("waiting until the association is effective")
			workload.AwaitAssociation(ctx, env, association)

			Expect(workload.Injected(workload.Admit(ctx, env, workload.NewPod(env, other, account, everyKind()...)))).To(BeEmpty())
		})

	It("lets init containers and native sidecars read the token of their pod", Covers("INJ-04"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			By("starting a pod whose init container reads its token")
			pod := workload.Start(ctx, env, workload.NewPod(env, association.Namespace, account, everyKind()...))

			for name, token := range map[string]probe.Token{"init": pod.InitToken("init"), "sidecar": pod.Token(ctx, "sidecar")} {
				Expect(token).To(BeTokenOf(pod.Pod), "container "+name)
			}
		})
})

// manyFields sets fields that a webhook that replaces whole containers may lose.
func manyFields(pod *corev1.Pod) {
	grace := int64(7)
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			list[i].WorkingDir = "/tmp"
			list[i].TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
			list[i].Env = append(list[i].Env, corev1.EnvVar{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{
				FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"},
			}})
			list[i].VolumeMounts = append(list[i].VolumeMounts, corev1.VolumeMount{Name: "scratch", MountPath: "/scratch", SubPath: "a"})
		}
	}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}
		pod.Spec.Containers[i].StartupProbe = &corev1.Probe{
			ProbeHandler:                  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{probe.Program, "version"}}},
			TerminationGracePeriodSeconds: &grace,
		}
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
}

// aToken matches a projected volume with one source, a service account token with the fields.
func aToken(fields Fields) types.GomegaMatcher {
	return PointTo(MatchFields(IgnoreExtras, Fields{
		"Sources": ConsistOf(MatchFields(IgnoreExtras, Fields{"ServiceAccountToken": PointTo(MatchFields(IgnoreExtras, fields))})),
	}))
}

// tokenVolumes are the projected volumes with the name of Pod Identity's.
func tokenVolumes(pod *corev1.Pod) []*corev1.ProjectedVolumeSource {
	var found []*corev1.ProjectedVolumeSource
	for _, volume := range pod.Spec.Volumes {
		if volume.Name == workload.TokenName {
			found = append(found, volume.Projected)
		}
	}
	return found
}

func tokenMounts(container corev1.Container) []corev1.VolumeMount {
	var found []corev1.VolumeMount
	for _, mount := range container.VolumeMounts {
		if mount.Name == workload.TokenName {
			found = append(found, mount)
		}
	}
	return found
}
