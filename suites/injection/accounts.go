package injection

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// maxLabel is how long a DNS label may be, and with it the name of a namespace.
const maxLabel = 63

// manyAssociations are more than the pages of 100 in which EKS lists them:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_ListPodIdentityAssociations.html.
const manyAssociations = 150

var _ = Describe("The webhook", func() {
	It("leaves pods of other service accounts of the same namespace alone", Covers("INJ-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.NewServiceAccount(ctx, env, association.Namespace, "stranger")
			workload.NewServiceAccount(ctx, env, association.Namespace, account+"s")

			By("waiting until the association is effective")
			workload.AwaitAssociation(ctx, env, association)

			for _, other := range []string{"stranger", account + "s", ""} {
				pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, other, everyKind()...))
				Expect(workload.Injected(pod)).To(BeEmpty(), "service account %q", other)
			}
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

	It("distinguishes namespaces and service accounts whose joined names are equal", Covers("INJ-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			short := workload.NewNamespace(ctx, env)
			long := workload.NewNamespaceNamed(ctx, env, short+"-x")
			workload.NewServiceAccount(ctx, env, long, account)

			By("waiting until the association of the shorter namespace's account is effective")
			workload.AwaitAssociation(ctx, env, associateIn(ctx, env, short, "x-"+account))

			Expect(workload.Injected(workload.Admit(ctx, env, workload.NewPod(env, long, account)))).To(BeEmpty())
		})

	It("serves each of many associations", Covers("INJ-01"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			many := cloud.NewBulkAssociations(env, cloud.NewRole(ctx, env))
			workload.NewNamespaceNamed(ctx, env, many.Namespace)

			By("making 150 associations, and asking for pods of the first, of the hundredth, of the one behind it and of the last")
			many.Grow(ctx, manyAssociations)
			for _, n := range []int{0, 99, 100, manyAssociations - 1} {
				workload.NewServiceAccount(ctx, env, many.Namespace, many.ServiceAccount(n))
				injected := func(ctx context.Context) []string {
					return workload.Injected(workload.Admit(ctx, env, workload.NewPod(env, many.Namespace, many.ServiceAccount(n))))
				}
				Eventually(injected).WithContext(ctx).Within(env.Timeouts.AssociationVisible).ShouldNot(BeEmpty(), "association %d", n+1)
			}
		})

	It("serves namespaces and service accounts of unusual names", Covers("INJ-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			name := "0" + env.NewName()
			namespace := workload.NewNamespaceNamed(ctx, env, name+strings.Repeat("z", maxLabel-len(name)))

			pod := workload.AwaitAssociation(ctx, env, associateIn(ctx, env, namespace, "0.of-many.parts"))

			Expect(variables(pod, workload.CredentialsVariable)).To(HaveKeyWithValue(workload.Main, workload.CredentialsURL))
		})

	It("serves the namespace that every cluster has", Covers("INJ-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			name := env.NewName()
			association := associateIn(ctx, env, corev1.NamespaceDefault, name)
			env.T.Cleanup("service account "+name, func(ctx context.Context) error {
				return env.Clientset.CoreV1().ServiceAccounts(corev1.NamespaceDefault).Delete(ctx, name, metav1.DeleteOptions{})
			})

			pod := workload.AwaitAssociation(ctx, env, association)

			Expect(variables(pod, workload.CredentialsVariable)).To(HaveKeyWithValue(workload.Main, workload.CredentialsURL))
		})
})
