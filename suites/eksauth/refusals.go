package eksauth

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
)

// workerNodePolicy is the policy of nodes, and so of the agents on them:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html.
const workerNodePolicy = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"

var _ = Describe("EKS Auth", func() {
	It("refuses a request without a token, and one that is no JSON", Covers("AUT-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			good, _ := associated(ctx, env)
			Expect(cloud.Send(ctx, env, request(env, good)).Status).To(Equal(http.StatusOK), "the same request with a token")

			Expect(asking(env, &env.Clients, "")(ctx)).To(BeRefusedWith("InvalidParameterException", http.StatusBadRequest))

			broken := request(env, pod{})
			broken.Body = "token"
			Expect(cloud.Send(ctx, env, broken).Status).To(Equal(http.StatusBadRequest))
		})

	It("answers throttling and its own errors with their documented status", Covers("AUT-05"), Needs(clusters.EmulatorControl),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, association := associated(ctx, env)

			cloud.FailOnce(ctx, env, association, control.Refusal{Kind: control.Throttling})
			Expect(asking(env, &env.Clients, pod.token)(ctx)).To(BeRefusedWith("ThrottlingException", http.StatusTooManyRequests))

			cloud.FailOnce(ctx, env, association, control.Refusal{Kind: control.Internal})
			Expect(asking(env, &env.Clients, pod.token)(ctx)).To(BeRefusedWith("InternalServerException", http.StatusInternalServerError))

			cloud.FailOnce(ctx, env, association, control.Refusal{Kind: control.Unavailable})
			Expect(asking(env, &env.Clients, pod.token)(ctx)).To(BeRefusedWith("ServiceUnavailableException", http.StatusServiceUnavailable))
		})

	It("finds nothing for a service account without an association", Covers("AUT-06"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, _ := associated(ctx, env)
			other := newPod(ctx, env) // a service account of the same name, elsewhere

			Expect(asking(env, &env.Clients, other.token)(ctx)).To(BeRefusedWith("ResourceNotFoundException", http.StatusNotFound))

			By("asking for a cluster that does not exist")
			_, err := assume(ctx, &env.Clients, env.ClusterName+"-unknown", pod.token)
			Expect(err).To(BeRefusedWith("ResourceNotFoundException", http.StatusNotFound))
		})

	It("serves callers that have the permission, and no others", Covers("AUT-10"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, _ := associated(ctx, env)

			By("asking as a caller who may do everything else")
			stranger := cloud.NewCaller(ctx, env, cloud.Allow([]string{"*"}, "eks:*", "sts:*", "iam:*"))
			Expect(asking(env, stranger, pod.token)(ctx)).To(BeRefusedWith("AccessDeniedException", http.StatusBadRequest))

			By("asking as a caller with the policy of nodes")
			role := cloud.NewRoleTrusting(ctx, env, cloud.TrustAccount(env))
			role.AttachManaged(ctx, env, workerNodePolicy)
			node := cloud.Assume(ctx, env, role)
			Eventually(asking(env, node, pod.token)).WithContext(ctx).Within(env.Timeouts.PolicyVisible).Should(Succeed())
		})
})
