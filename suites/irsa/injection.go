package irsa

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook, without an association", func() {
	It("gives pods the role that their service account is annotated with, and a token for STS", Covers("IRSA-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, reader, map[string]string{workload.RoleAnnotation: role.ARN})

			pod := workload.AwaitRole(ctx, env, namespace, reader,
				workload.WithInit("init", probe.OpToken), workload.WithSidecar("sidecar"), workload.WithContainer("second"))

			Expect(workload.Injected(pod)).To(BeEmpty(), "what Pod Identity gives")
			Expect(webIdentityTokens(pod)).To(ConsistOf(PointTo(MatchFields(IgnoreExtras, Fields{
				"Audience": Equal(workload.WebIdentityAudience), "Path": Equal("token"), "ExpirationSeconds": PointTo(BeEquivalentTo(86400)),
			}))))
			for _, container := range workload.Containers(pod) {
				Expect(workload.Variable(container, workload.RoleVariable)).To(Equal(role.ARN), "container "+container.Name)
				Expect(workload.Variable(container, workload.WebIdentityVariable)).To(Equal(workload.WebIdentityTokenFile), "container "+container.Name)
				Expect(container.VolumeMounts).To(ContainElement(MatchFields(IgnoreExtras, Fields{
					"Name": Equal(workload.WebIdentityVolume), "MountPath": Equal(workload.WebIdentityMountPath), "ReadOnly": BeTrue(),
				})), "container "+container.Name)
			}
		})

	It("gives them nothing where the service account is not annotated, or is one of the same name elsewhere", Covers("IRSA-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, other := workload.NewNamespace(ctx, env), workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, reader, map[string]string{workload.RoleAnnotation: cloud.NewRole(ctx, env).ARN})
			workload.NewServiceAccount(ctx, env, namespace, "stranger")
			workload.NewServiceAccount(ctx, env, other, reader)
			workload.AwaitRole(ctx, env, namespace, reader)

			Expect(workload.InjectedRole(workload.Admit(ctx, env, workload.NewPod(env, namespace, "stranger")))).To(BeEmpty())
			Expect(workload.InjectedRole(workload.Admit(ctx, env, workload.NewPod(env, other, reader)))).To(BeEmpty())
		})

	It("asks for a token of the audience that the service account is annotated with", Covers("IRSA-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)

			Expect(webIdentityTokens(awaitAnnotated(ctx, env, workload.AudienceAnnotation, "audience.example"))).To(ConsistOf(
				HaveField("Audience", "audience.example")))
		})

	It("asks for a token of the life that the service account is annotated with", Covers("TOK-03"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)

			Expect(webIdentityTokens(awaitAnnotated(ctx, env, workload.ExpirationAnnotation, "1200"))).To(ConsistOf(
				HaveField("ExpirationSeconds", PointTo(BeEquivalentTo(1200)))))
		})

	It("has pods use the STS of their region, or not, as the service account is annotated", Covers("IRSA-06"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			for name, value := range map[string]string{"regional": "true", "global": "false"} {
				workload.NewServiceAccount(ctx, env, namespace, name, map[string]string{workload.RoleAnnotation: role.ARN, workload.STSAnnotation: value})
			}

			Expect(workload.Variable(workload.AwaitRole(ctx, env, namespace, "regional").Spec.Containers[0], workload.STSVariable)).To(Equal("regional"))
			Expect(workload.Variable(workload.AwaitRole(ctx, env, namespace, "global").Spec.Containers[0], workload.STSVariable)).NotTo(Equal("regional"))
		})
})

// awaitAnnotated admits a pod whose service account has a role's annotation and one more.
func awaitAnnotated(ctx SpecContext, env *framework.Env, annotation, value string) *corev1.Pod {
	namespace := workload.NewNamespace(ctx, env)
	workload.NewServiceAccount(ctx, env, namespace, reader, map[string]string{
		workload.RoleAnnotation: cloud.NewRole(ctx, env).ARN, annotation: value,
	})
	return workload.AwaitRole(ctx, env, namespace, reader)
}

// webIdentityTokens are what the volumes of web identity project.
func webIdentityTokens(pod *corev1.Pod) []*corev1.ServiceAccountTokenProjection {
	var found []*corev1.ServiceAccountTokenProjection
	for _, volume := range pod.Spec.Volumes {
		if volume.Name != workload.WebIdentityVolume || volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			found = append(found, source.ServiceAccountToken)
		}
	}
	return found
}
