package authorization

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("A pod", func() {
	It("without an association has no credentials at all", Covers("ABAC-03"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)

			By("starting a pod without a service account of its own")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, ""))

			Expect(pod.Caller(ctx)).To(HaveNoCredentials())

			By("presenting the token of an associated pod from it, which shows that there are credentials to be had")
			tenant := workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env))
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials())
			Expect(pod.Caller(ctx)).To(HaveNoCredentials(), "afterwards")
		})
})
