// Package associations asks EKS for Pod Identity associations and waits for their effect.
package associations

import (
	"net/http"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

const account = "reader"

var _ = Describe("An association", func() {
	It("has an ID and an ARN of the documented form", Covers("ASC-02"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := cloud.Associate(ctx, env, env.NewName(), account, cloud.NewRole(ctx, env))

			Expect(association.ID).To(MatchRegexp(`^a-[a-z0-9]{17}$`))
			Expect(association.ARN).To(MatchRegexp(`^arn:aws[a-z-]*:eks:%s:%s:podidentityassociation/%s/%s$`,
				env.Region, env.AccountID, regexp.QuoteMeta(env.ClusterName), association.ID))
		})

	It("is the only one of its service account", Covers("ASC-03"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := cloud.Associate(ctx, env, env.NewName(), account, cloud.NewRole(ctx, env))

			By("asking for a second one")
			err := cloud.AssociateAgain(ctx, env, association)

			Expect(err).To(BeRefusedWith("ResourceInUseException", http.StatusConflict))
		})

	It("made before its namespace and service account works once they exist", Covers("ASC-04"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := env.NewName()
			association := cloud.Associate(ctx, env, namespace, account, cloud.NewRole(ctx, env))

			By("creating the namespace and the service account afterwards")
			workload.NewNamespaceNamed(ctx, env, namespace)
			workload.NewServiceAccount(ctx, env, namespace, account)

			Expect(workload.Injected(workload.AwaitAssociation(ctx, env, association))).NotTo(BeEmpty())
		})

	It("is effective within bounded time, for the webhook and for EKS Auth", Covers("ASC-08"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			role := cloud.NewRole(ctx, env)

			By("waiting until a new pod gets the variables")
			association := cloud.Associate(ctx, env, namespace, account, role)
			workload.AwaitAssociation(ctx, env, association)

			By("waiting until EKS Auth gives a pod a session, and it works")
			token := string(workload.NewToken(ctx, env, workload.NewBystander(ctx, env, namespace, account)))
			Eventually(sessionOf(env, token)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(beOf(role))
			report(env, "an association counted for EKS Auth after", association.Created)
			Eventually(callerOf).WithContext(ctx).WithArguments(cloud.AwaitSession(ctx, env, token)).Within(env.Timeouts.CredentialsWork).Should(beOf(role))
		})
})
