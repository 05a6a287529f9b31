// Package injection has the specs of the webhook (INJ): how it changes pods. Most of them make dry runs
// on the API server, which call the webhook as a real creation does.
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
	account   = "reader"
	second    = "second"
	initial   = "init"
	sidecar   = "sidecar"
	tokenFile = workload.TokenMountPath + "/" + workload.TokenName
)

// everyKind of container that a pod can be created with.
func everyKind() []workload.Option {
	return []workload.Option{
		workload.WithInit(initial, probe.OpToken), workload.WithSidecar(sidecar), workload.WithContainer(second),
	}
}

// associate makes an association in a namespace of its own.
func associate(ctx context.Context, env *framework.Env) *cloud.Association {
	return associateIn(ctx, env, workload.NewNamespace(ctx, env), account)
}

// associateIn makes a service account and its association.
func associateIn(ctx context.Context, env *framework.Env, namespace, serviceAccount string) *cloud.Association {
	workload.NewServiceAccount(ctx, env, namespace, serviceAccount)
	return cloud.Associate(ctx, env, namespace, serviceAccount, cloud.NewRole(ctx, env))
}

// variables of each container of a pod that is not an init container, by the container's name.
func variables(pod *corev1.Pod, name string) map[string]string {
	values := map[string]string{}
	for _, container := range pod.Spec.Containers {
		values[container.Name] = workload.Variable(container, name)
	}
	return values
}

func inEveryContainer(value string) map[string]string {
	return map[string]string{workload.Main: value, second: value}
}

var _ = Describe("The webhook", func() {
	It("tells every container of an associated pod where the agent is", Covers("INJ-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env), everyKind()...)

			Expect(variables(pod, workload.CredentialsVariable)).To(Equal(inEveryContainer(workload.CredentialsURL)))
		})

	It("does so on the host's network too", Covers("INJ-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account, workload.OnHostNetwork()))

			Expect(variables(pod, workload.CredentialsVariable)).To(HaveKeyWithValue(workload.Main, workload.CredentialsURL))
		})

	It("tells every container of an associated pod where its token is", Covers("INJ-02"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env), everyKind()...)

			Expect(variables(pod, workload.TokenFileVariable)).To(Equal(inEveryContainer(tokenFile)))
		})

	It("names the token's file in the form of Windows where the pod selects Windows", Covers("INJ-14"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account, func(pod *corev1.Pod) {
				pod.Spec.NodeSelector = map[string]string{corev1.LabelOSStable: string(corev1.Windows)}
			}))

			Expect(variables(pod, workload.TokenFileVariable)).To(HaveKeyWithValue(workload.Main,
				`C:\var\run\secrets\pods.eks.amazonaws.com\serviceaccount\eks-pod-identity-token`))
		})

	It("mounts one projected token for Pod Identity, read-only, in every container", Covers("INJ-03"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env), everyKind()...)

			Expect(tokenVolumes(pod)).To(ConsistOf(aToken(Fields{
				"Audience": Equal(workload.TokenAudience),
				"Path":     Equal(workload.TokenName),
			})))
			for _, container := range pod.Spec.Containers {
				Expect(tokenMounts(container)).To(ConsistOf(MatchFields(IgnoreExtras, Fields{
					"MountPath": Equal(workload.TokenMountPath),
					"ReadOnly":  BeTrue(),
				})), "container "+container.Name)
			}
		})

	It("gives init containers and native sidecars what it gives to containers", Covers("INJ-04"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env), everyKind()...)

			model := pod.Spec.Containers[0]
			Expect(tokenMounts(model)).NotTo(BeEmpty())
			for _, container := range pod.Spec.InitContainers {
				Expect(container.Env).To(Equal(model.Env), "container "+container.Name)
				Expect(tokenMounts(container)).To(Equal(tokenMounts(model)), "container "+container.Name)
			}
		})

	It("serves the service account that every namespace has, and every container of many", Covers("INJ-01", "INJ-02", "INJ-03"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			association := cloud.Associate(ctx, env, namespace, "default", cloud.NewRole(ctx, env))
			many := everyKind()
			for _, name := range []string{"third", "fourth", "fifth"} {
				many = append(many, workload.WithContainer(name), workload.WithInit("init-"+name, probe.OpToken), workload.WithSidecar("sidecar-"+name))
			}

			pod := workload.AwaitAssociation(ctx, env, association, many...)
			Expect(pod.Spec.ServiceAccountName).To(Equal("default"))
			for _, container := range workload.Containers(pod) {
				Expect(workload.Variable(container, workload.CredentialsVariable)).To(Equal(workload.CredentialsURL), "container "+container.Name)
				Expect(workload.Variable(container, workload.TokenFileVariable)).To(Equal(tokenFile), "container "+container.Name)
				Expect(tokenMounts(container)).To(HaveLen(1), "container "+container.Name)
			}

			By("admitting a pod that names no service account")
			Expect(workload.Injected(workload.Admit(ctx, env, workload.NewPod(env, namespace, "")))).NotTo(BeEmpty())
		})

	It("labels the pods that it changed", Covers("INJ-09"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env))

			Expect(pod.Labels).To(HaveKeyWithValue(workload.InjectedLabel, "enabled"))
			for name, value := range env.Labels() {
				Expect(pod.Labels).To(HaveKeyWithValue(name, value), "a label of the pod's own")
			}
		})

	It("names the region and its STS to containers that do not", Covers("INJ-15"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account,
				withoutVariables(), workload.WithContainer(second), workload.WithContainer("third"), workload.WithContainer("fourth"),
				withVariable(second, workload.RegionVariable, "elsewhere"), withVariable("third", workload.DefaultRegionVariable, "elsewhere"),
				withVariable("fourth", workload.STSVariable, "legacy")))

			Expect(variables(pod, workload.RegionVariable)).To(Equal(map[string]string{
				workload.Main: env.Region, second: "elsewhere", "third": "", "fourth": env.Region}))
			Expect(variables(pod, workload.DefaultRegionVariable)).To(Equal(map[string]string{
				workload.Main: env.Region, second: "", "third": "elsewhere", "fourth": env.Region}))
			Expect(variables(pod, workload.STSVariable)).To(Equal(map[string]string{
				workload.Main: "regional", second: "regional", "third": "regional", "fourth": "legacy"}))
			for _, container := range pod.Spec.Containers {
				Expect(values(container, workload.CredentialsVariable)).To(Equal([]string{workload.CredentialsURL}), "container "+container.Name)
			}
		})

	It("lets containers of every kind read their token, also those that do not run as root", Covers("INJ-04", "TOK-06"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			By("starting a pod as another user whose init container reads its token")
			pod := workload.Start(ctx, env, workload.NewPod(env, association.Namespace, account, append(everyKind(), asUser(65532))...))

			for name, token := range map[string]probe.Token{initial: pod.InitToken(initial), sidecar: pod.Token(ctx, sidecar)} {
				Expect(token).To(BeTokenOf(pod.Pod), "container "+name)
			}
		})
})

func asUser(id int64) workload.Option {
	return func(pod *corev1.Pod) { pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &id} }
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
