package injection

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook", func() {
	It("gives Pod Identity alone where the service account is annotated with a role as well", Covers("INJ-08"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			role := cloud.NewRole(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account, map[string]string{workload.RoleAnnotation: role.ARN})

			By("waiting until the annotation is effective, and then the association")
			workload.AwaitRole(ctx, env, namespace, account)
			pod := workload.AwaitAssociation(ctx, env, cloud.Associate(ctx, env, namespace, account, role), everyKind()...)

			Expect(workload.InjectedRole(pod)).To(BeEmpty())
			Expect(variables(pod, workload.CredentialsVariable)).To(Equal(inEveryContainer(workload.CredentialsURL)))
		})
})
