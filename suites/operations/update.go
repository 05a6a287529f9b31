package operations

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
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

const (
	// pace is how often a workload sends requests while the agent is updated.
	pace = 50 * time.Millisecond
	// longestGap is how long a node may be without its agent. Clients bridge that time by retries.
	longestGap = 30 * time.Second
)

var _ = Describe("An update of the agent", func() {
	It("goes unnoticed by clients that ask again, even while EKS Auth is down", Serial, Covers("OPS-04", "OPS-07"), Needs(clusters.EmulatorControl),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			known, late := workload.NewTenant(ctx, env, namespace, role), workload.NewTenant(ctx, env, namespace, role)
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, ""))
			outage := cloud.AddFault(ctx, env, control.Fault{Association: late.Association.ID, Outage: &control.Outage{}})

			By("updating the agent while a pod asks twenty times a second")
			request := known.AgentRequest()
			request.Times, request.Every, request.Timeout = probe.MaxTimes, pace, 2*time.Second
			traffic := pod.StartTraffic(ctx, request)
			workload.RestartAgent(ctx, env)

			By("asking the new agent for an account about which EKS Auth does not answer, and again when it does")
			request = late.AgentRequest()
			request.Timeout = 30 * time.Second
			Expect(pod.AskOnce(ctx, request)).To(RefuseWith(http.StatusInternalServerError, ``))
			outage.Remove(ctx)
			Expect(pod.AskOnce(ctx, request)).To(GrantCredentials())

			answers := traffic.Stop()[0]
			gap := longest(answers)
			AddReportEntry("longest time without credentials", gap.Round(10*time.Millisecond).String())
			Expect(answers[0]).To(GrantCredentials(), "before the update")
			Expect(answers[len(answers)-1]).To(GrantCredentials(), "after the update")
			Expect(gap).To(BeNumerically("<", longestGap), "time without credentials")
		})
})

// longest is the longest time from a refusal, or the lack of an answer, to the next credentials.
func longest(answers []probe.Answer) time.Duration {
	var gap time.Duration
	since := time.Duration(-1)
	for _, answer := range answers {
		switch {
		case answer.Credentials == nil && since < 0:
			since = answer.At
		case answer.Credentials != nil && since >= 0:
			gap, since = max(gap, answer.At+answer.Took-since), -1
		}
	}
	return gap
}
