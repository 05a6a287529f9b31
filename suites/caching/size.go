package caching

import (
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

var _ = Describe("The agent's cache", func() {
	It("holds as many tokens as --max-cache-size says, and drops the least recently used", Covers("AGT-13"), Needs(clusters.HostNetworkPods),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			first, second, third := workload.NewTenant(ctx, env, namespace, role), workload.NewTenant(ctx, env, namespace, role), workload.NewTenant(ctx, env, namespace, role)
			agent := workload.NewAgentUnderTest(ctx, env)
			small, forTwo := workload.HostPorts()
			none, forNone := workload.HostPorts()

			By("starting an agent that keeps two tokens, and one that keeps none")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, "", workload.OnHostNetwork(),
				agent.Serving("small", append(small, "--max-cache-size", "2")...), agent.Serving("none", append(none, "--max-cache-size", "0")...)))
			pod.AwaitAgent(ctx, forTwo)
			pod.AwaitAgent(ctx, forNone)

			By("asking for three tokens, of which the first is asked for again in between")
			one, two, three := workload.RequestTo(forTwo, first.Token), workload.RequestTo(forTwo, second.Token), workload.RequestTo(forTwo, third.Token)
			answers := pod.Ask(ctx, one, two, one, three, one, two)
			Expect(answers[0][0]).To(GrantCredentials())
			Expect(answers[4][0]).To(GrantTheSameAs(answers[0][0]))
			Expect(answers[1][0]).To(GrantCredentials())
			Expect(answers[5][0]).To(GrantOthersThan(answers[1][0]))

			By("asking the agent that keeps nothing twice")
			uncached := workload.RequestTo(forNone, first.Token)
			answers = pod.Ask(ctx, uncached, uncached)
			Expect(answers[0][0]).To(GrantCredentials())
			Expect(answers[1][0]).To(GrantOthersThan(answers[0][0]))
		})
})
