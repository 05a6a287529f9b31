// Package associations has the specs of EKS's association API (ASC), and of the time until a change
// takes effect.
package associations

import (
	"context"
	"net/http"
	"regexp"
	"slices"
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
			token := string(workload.NewToken(ctx, env, workload.NewUnscheduledPod(ctx, env, namespace, account)))
			role := cloud.NewRole(ctx, env)
			association := cloud.Associate(ctx, env, namespace, account, role)

			By("watching both at once")
			asked := []effect{
				{"association visible to the webhook after", injecting(env, association)},
				{"association visible to EKS Auth after", assuming(env, role, token)},
			}
			Eventually(func(ctx SpecContext) (missing []string) {
				asked = slices.DeleteFunc(asked, func(e effect) bool {
					lacks := e.lacks(ctx)
					if lacks == "" {
						report(env, e.name, association.Created)
						return true
					}
					missing = append(missing, lacks)
					return false
				})
				return missing
			}).WithContext(ctx).Within(env.Timeouts.AssociationVisible).ProbeEvery(50 * time.Millisecond).Should(BeEmpty())

			By("using the session")
			session := cloud.AwaitSession(ctx, env, token)
			Eventually(callerOf).WithContext(ctx).WithArguments(session).Within(env.Timeouts.CredentialsWork).Should(beOf(role))
		})
})

// effect of an association: lacks names what is missing, and is "" when nothing is.
type effect struct {
	name  string
	lacks func(context.Context) string
}

// injecting is the effect on new pods.
func injecting(env *framework.Env, association *cloud.Association) func(context.Context) string {
	pod := workload.NewPod(env, association.Namespace, association.ServiceAccount)
	return func(ctx context.Context) string {
		if len(workload.Injected(workload.Admit(ctx, env, pod))) == 0 {
			return "a new pod is admitted without " + workload.CredentialsVariable
		}
		return ""
	}
}

// assuming is the effect on EKS Auth.
func assuming(env *framework.Env, role *cloud.Role, token string) func(context.Context) string {
	return func(ctx context.Context) string {
		arn, err := sessionOf(env, token)(ctx)
		if err != nil {
			return "EKS Auth gives no session: " + err.Error()
		}
		if isOf, err := beOf(role).Match(arn); err != nil || !isOf {
			return "EKS Auth gives the session " + arn
		}
		return ""
	}
}
