package agent

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

const (
	// burst is what the agent answers at once.
	burst = 500
	// flood is more than it answers in the time that so many requests take.
	flood = 4000
)

var _ = Describe("The agent", func() {
	It("answers a burst, and tells who asks too much", Covers("AGT-12"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			agent := workload.NewAgentUnderTest(ctx, env)

			By("starting an agent of one's own and asking it four thousand times")
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), "", agent.Serving("agent", "--bind-hosts", "$(POD_IP)")))
			pod.AwaitAgent(ctx, pod.Pod.Status.PodIP)
			request := workload.RequestTo(pod.Pod.Status.PodIP, "")
			request.KeepAlive, request.Times, request.AtOnce = true, flood, 100
			answers := pod.Ask(ctx, request)[0]

			for _, answer := range answers[:burst] {
				Expect(answer.Status).To(Equal(http.StatusBadRequest), "in the burst, without a token")
			}
			Expect(answers).To(ContainElement(RefuseWith(http.StatusTooManyRequests, `^Too Many Requests$`)))
		})
})
