package isolation

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// These specs change all pods' access to instance metadata, so each runs alone and is short.
var _ = Describe("Instance metadata that was opened", Serial, func() {
	It("by hop limit 2 answers a pod, which becomes its node and is told as the wrong identity",
		Covers("IMDS-04", "IMDS-07"), Needs(clusters.EmulatorControl, clusters.IMDS),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), ""))

			By("setting the hop limit to 2")
			cloud.SetHopLimit(ctx, env, 2)

			Eventually(pod.Metadata).WithContext(ctx).Within(env.Timeouts.MetadataAnswer).Should(GetMetadataOf(env.NodeRole))

			By("asking AWS in the pod who it is")
			caller := pod.Caller(ctx)
			Expect(caller).To(BeTheNodeRole(env.NodeRole))
			Expect(caller).NotTo(HaveNoCredentials())
			Expect(caller).NotTo(BeSessionOf(env.NodeRole))
			Expect(caller.String()).To(ContainSubstring("WRONG IDENTITY"))
		})

	It("by optional tokens answers a pod beyond the hop limit, but gives it no token",
		Covers("IMDS-08"), Needs(clusters.EmulatorControl, clusters.IMDS),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), ""))

			By("turning IMDSv1 on, at hop limit 1")
			cloud.SetIMDSv1(ctx, env, true)

			Eventually(pod.MetadataV1).WithContext(ctx).Within(env.Timeouts.MetadataAnswer).
				Should(And(AnswerWith(http.StatusOK), HaveField("Body", ContainSubstring(env.NodeRole))))
			Expect(pod.Metadata(ctx)).To(GetNoMetadata())
		})
})
