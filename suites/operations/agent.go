// Package operations has the specs of running the agent (OPS, NET): health, metrics, updates, and the
// node's network as the agent prepares it.
package operations

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The agent", func() {
	It("is healthy and ready only while it answers at every address", Covers("OPS-01"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			agent := workload.NewAgentUnderTest(ctx, env)

			By("starting an agent that serves at its pod's address")
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), "",
				agent.Serving("agent", "--bind-hosts", "$(POD_IP)"), workload.MayAdministerNetwork()))
			pod.AwaitAgent(ctx, pod.Pod.Status.PodIP)
			health := []probe.Request{{URL: "http://127.0.0.1:2703/healthz", Timeout: 15 * time.Second}, {URL: "http://127.0.0.1:2703/readyz", Timeout: 15 * time.Second}}
			for _, answer := range pod.AskTogether(ctx, health...) {
				Expect(answer[0].Status).To(Equal(http.StatusOK), "while it answers")
			}

			By("taking the address away")
			pod.RemoveAddress(ctx, pod.Pod.Status.PodIP)
			for _, answer := range pod.AskTogether(ctx, health...) {
				Expect(answer[0].Status).To(BeElementOf(http.StatusInternalServerError, http.StatusRequestTimeout), "when it cannot be reached any more")
			}
		})

	It("counts its answers and what its cache does", Covers("OPS-02"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			tenant := workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env))
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, ""))

			By("asking once with a token and once without, then for the metrics of the node's agent")
			answers := pod.Ask(ctx, tenant.AgentRequest(), probe.Request{URL: workload.CredentialsURL},
				probe.Request{URL: "http://" + pod.Pod.Status.HostIP + ":2705/metrics"})

			Expect(answers[2][0].Status).To(Equal(http.StatusOK))
			Expect(answers[2][0].Body).To(And(
				MatchRegexp(`(?m)^pod_identity_http_response\{code="200"\} [1-9]`),
				MatchRegexp(`(?m)^pod_identity_http_response\{code="400"\} [1-9]`),
				MatchRegexp(`(?m)^pod_identity_cache_state\{state="miss"\} [1-9]`)))
		})

	It("is on every node, whatever its taints, and stays there", Covers("OPS-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			set := workload.AgentSet(ctx, env)
			pod := set.Spec.Template.Spec

			By("reading the agent's DaemonSet")
			Expect(pod.HostNetwork).To(BeTrue(), "hostNetwork")
			Expect(pod.PriorityClassName).To(Equal("system-node-critical"))
			Expect(pod.Tolerations).To(ContainElement(corev1.Toleration{Operator: corev1.TolerationOpExists}))
			Expect(set.Status.NumberReady).To(Equal(set.Status.DesiredNumberScheduled), "nodes with an agent that is ready")
		})
})
