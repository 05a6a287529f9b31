package agent

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
	"github.com/podidentity/epi/framework/workload"
)

const (
	// A flood of two times half, at the same time, is more than the pods of a node send.
	half = 1000
	// slowly is the duration of EKS Auth's calls meanwhile, so that many requests wait at the same time. It is far less
	// than an agent's timeout for EKS Auth: upstream's is one second.
	slowly = 300 * time.Millisecond
	// bounded is the time that an answer may take: the agent's server has no more for it. A request that
	// gets no answer fails after it.
	bounded = serverTimeout
)

var _ = Describe("The agent", func() {
	It("answers every request, or says that there are too many", Covers("AGT-21"), Needs(clusters.EmulatorControl, clusters.HostNetworkPods),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			tenant := workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env))
			cloud.AddFault(ctx, env, control.Fault{Association: tenant.Association.ID, Latency: &control.Latency{Fixed: control.Duration(slowly)}})

			By("starting an agent of one's own and asking it two thousand times at once, with a token that it does not know")
			flags, address := workload.HostPorts()
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, "", workload.OnHostNetwork(),
				workload.NewAgentUnderTest(ctx, env).Serving("agent", flags...)))
			pod.AwaitAgent(ctx, address)
			request := workload.RequestTo(address, tenant.Token)
			request.Times, request.AtOnce, request.Timeout = half, half, bounded
			granted, refused := 0, 0
			for _, answers := range pod.AskTogether(ctx, request, request) {
				for _, answer := range answers {
					if answer.Status == http.StatusTooManyRequests {
						Expect(answer).To(RefuseWith(http.StatusTooManyRequests, `^Too Many Requests$`))
						refused++
						continue
					}
					Expect(answer).To(GrantCredentials())
					granted++
				}
			}
			AddReportEntry("of 2000 requests", map[string]int{"granted": granted, "refused with 429": refused})

			By("asking once more")
			Expect(pod.AskOnce(ctx, workload.RequestTo(address, tenant.Token))).To(GrantCredentials())
		})
})
