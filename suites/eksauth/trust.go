package eksauth

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
)

var _ = Describe("A role that does not trust Pod Identity any more", func() {
	It("is not assumed", Covers("AUT-07"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, association := associated(ctx, env)

			By("trusting another service")
			association.Role.SetTrust(ctx, env, cloud.TrustService("ec2.amazonaws.com", "sts:AssumeRole", "sts:TagSession"))
			Eventually(asking(env, &env.Clients, pod.token)).WithContext(ctx).Within(env.Timeouts.PolicyVisible).Should(notTrusted())

			By("trusting Pod Identity again")
			association.Role.SetTrust(ctx, env, cloud.TrustPodIdentity())
			Eventually(asking(env, &env.Clients, pod.token)).WithContext(ctx).Within(env.Timeouts.PolicyVisible).Should(Succeed())
		})

	It("is not assumed with session tags where it allows no sts:TagSession, and without them it is", Covers("AUT-07"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			tagged, plain := newPod(ctx, env), newPod(ctx, env)
			role := cloud.NewRole(ctx, env)
			cloud.Associate(ctx, env, tagged.Namespace, account, role)
			cloud.Associate(ctx, env, plain.Namespace, account, role, cloud.WithoutSessionTags())
			cloud.AwaitSession(ctx, env, string(tagged.token))
			cloud.AwaitSession(ctx, env, string(plain.token))

			By("taking sts:TagSession out of the trust policy")
			role.SetTrust(ctx, env, cloud.TrustService("pods.eks.amazonaws.com", "sts:AssumeRole"))

			Eventually(asking(env, &env.Clients, tagged.token)).WithContext(ctx).Within(env.Timeouts.PolicyVisible).Should(notTrusted())
			Expect(asking(env, &env.Clients, plain.token)(ctx)).To(Succeed())
		})
})

// notTrusted is EKS Auth's answer if a role's trust policy does not allow it.
func notTrusted() OmegaMatcher { return BeRefusedWith("AccessDeniedException", http.StatusBadRequest) }
