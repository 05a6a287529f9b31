package injection

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook", func() {
	It("respects a container that sets one of the two variables by itself", Covers("INJ-07"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			for _, own := range []string{workload.CredentialsVariable, workload.TokenFileVariable} {
				pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account, workload.WithContainer(second), withVariable(second, own, "own")))

				for _, name := range []string{workload.CredentialsVariable, workload.TokenFileVariable} {
					want := ""
					if name == own {
						want = "own"
					}
					Expect(values(pod.Spec.Containers[1], name)).To(Equal(nonEmpty(want)), "%s of a container that sets %s", name, own)
				}
				Expect(tokenMounts(pod.Spec.Containers[1])).To(HaveLen(1), "the mount of a container that sets %s", own)
				Expect(variables(pod, workload.CredentialsVariable)).To(HaveKeyWithValue(workload.Main, workload.CredentialsURL), "another container")
			}
		})

	It("respects a variable that has no value of its own, in containers of every kind", Covers("INJ-07"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			for what, variable := range map[string]corev1.EnvVar{
				"an empty value": {Name: workload.CredentialsVariable},
				"the value of a field of the pod": {Name: workload.CredentialsVariable,
					ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}},
			} {
				pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account, append(everyKind(), func(pod *corev1.Pod) {
					for _, c := range []*corev1.Container{&pod.Spec.InitContainers[0], &pod.Spec.InitContainers[1], &pod.Spec.Containers[1]} {
						c.Env = append(c.Env, variable)
					}
				})...))

				for _, c := range append([]corev1.Container{pod.Spec.Containers[1]}, pod.Spec.InitContainers...) {
					Expect(named(c, workload.CredentialsVariable)).To(Equal([]corev1.EnvVar{variable}), "%s in container %s", what, c.Name)
					Expect(named(c, workload.TokenFileVariable)).To(BeEmpty(), "beside %s in container %s", what, c.Name)
				}
				Expect(variables(pod, workload.CredentialsVariable)).To(HaveKeyWithValue(workload.Main, workload.CredentialsURL), "another container")
			}
		})

	It("leaves alone a container that sets credentials, region and STS by itself", Covers("INJ-07"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)
			asked := workload.NewPod(env, association.Namespace, account, withoutVariables(),
				withVariable(workload.Main, workload.CredentialsVariable, "own"), withVariable(workload.Main, workload.RegionVariable, "own"),
				withVariable(workload.Main, workload.STSVariable, "own"))

			pod := workload.Admit(ctx, env, asked)

			Expect(pod.Spec.Containers[0].Env).To(Equal(asked.Spec.Containers[0].Env))
			Expect(tokenMounts(pod.Spec.Containers[0])).To(BeEmpty())
		})

	It("keeps a volume and a mount of the token's name", Covers("INJ-07"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)
			volume := corev1.Volume{Name: workload.TokenName, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
			mount := corev1.VolumeMount{Name: workload.TokenName, MountPath: "/own"}

			pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account, func(pod *corev1.Pod) {
				pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
				pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, mount)
			}))

			Expect(pod.Spec.Volumes).To(Equal([]corev1.Volume{volume}))
			Expect(pod.Spec.Containers[0].VolumeMounts).To(Equal([]corev1.VolumeMount{mount}))
		})

	It("leaves a pod that it changed before as it is", Covers("INJ-13"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			once := workload.AwaitAssociation(ctx, env, associate(ctx, env), everyKind()...)

			By("admitting what came of the first admission, as with reinvocationPolicy IfNeeded")
			again := once.DeepCopy()
			again.ResourceVersion, again.UID = "", ""
			again = workload.Admit(ctx, env, again)

			Expect(again.Spec).To(BeTheSameSpecAs(once.Spec))
			Expect(again.Labels).To(Equal(once.Labels))
		})
})

// named are the variables of a container that have a name.
func named(container corev1.Container, name string) []corev1.EnvVar {
	var found []corev1.EnvVar
	for _, variable := range container.Env {
		if variable.Name == name {
			found = append(found, variable)
		}
	}
	return found
}

// values of a variable: a container may list it more than once.
func values(container corev1.Container, name string) []string {
	found := []string{}
	for _, variable := range container.Env {
		if variable.Name == name {
			found = append(found, variable.Value)
		}
	}
	return found
}

func nonEmpty(value string) []string {
	if value == "" {
		return []string{}
	}
	return []string{value}
}
