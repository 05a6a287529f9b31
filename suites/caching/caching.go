// Package caching has the specs of the agent's cache (AGT): how often the agent calls EKS Auth, and
// whether the credentials that it serves from memory are valid.
package caching

import (
	"context"
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
	// leastLife is the remaining lifetime that the agent requires to serve credentials.
	leastLife = 15 * time.Second
	// shortLife is a little more: the cache may serve such credentials only for a moment.
	shortLife = 18 * time.Second
	// onTheWay is how much of its lifetime an answer may lose before it arrives.
	onTheWay = time.Second
	// second is the time during which nothing more may happen.
	second = time.Second
	// manyTokens is more than a node has pods, 250 at most on EKS
	// (https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html), and far less than an
	// agent's cache has room for.
	manyTokens = 250
	// half a minute is the agent's time for an answer.
	half = 30 * time.Second
	// clockSkew is the largest difference of the node's clock and the harness's.
	clockSkew = 5 * time.Second
	// atOnce is the number of simultaneous requests for one token.
	atOnce = 50
)

// refusals are those of EKS Auth that the agent passes on without a retry, and one that it retries.
var refusals = []control.Refusal{
	{Code: "AccessDeniedException", Status: 400}, {Code: "ResourceNotFoundException", Status: 404}, {Code: "ExpiredTokenException", Status: 400},
	{Code: "InvalidTokenException", Status: 400}, {Code: "InvalidParameterException", Status: 400}, {Code: "InvalidRequestException", Status: 400},
	{Code: "InternalServerException", Status: 500},
}

func start(ctx context.Context, env *framework.Env) (*workload.Probe, *workload.Tenant) {
	GinkgoHelper()
	namespace := workload.NewNamespace(ctx, env)
	tenant := workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env))
	return workload.Start(ctx, env, workload.NewPod(env, namespace, "")), tenant
}

var _ = Describe("The agent", func() {
	It("serves a token that it knows from its cache", Covers("AGT-08"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			request := tenant.AgentRequest()
			request.Times = 10

			By("asking ten times with one token")
			answers := pod.Ask(ctx, request)[0]

			Expect(answers[0]).To(GrantCredentials())
			for _, answer := range answers[1:] {
				Expect(answer).To(GrantTheSameAs(answers[0]))
			}
			if env.Control != nil {
				calls := func() int { return len(cloud.SessionCalls(ctx, env, string(tenant.Token))) }
				Consistently(calls).WithContext(ctx).Within(second).Should(Equal(1), "calls to EKS Auth")
			}
		})

	It("keeps the credentials of every token of many", Covers("AGT-08"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			var requests []probe.Request
			for _, token := range workload.NewTokens(ctx, env, tenant.Pod, manyTokens) {
				request := workload.AgentRequest(token)
				request.Timeout = half
				requests = append(requests, request)
			}

			By("asking with another token, then with each of 250 tokens, and with each once more")
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials())
			first, second := pod.Ask(ctx, requests...), pod.Ask(ctx, requests...)

			owners := map[string]int{}
			for n := range requests {
				Expect(first[n][0]).To(GrantCredentials(), "token %d", n+1)
				Expect(second[n][0]).To(GrantTheSameAs(first[n][0]), "token %d", n+1)
				Expect(owners).NotTo(HaveKey(first[n][0].Credentials.AccessKeyID), "token %d has the credentials of another", n+1)
				owners[first[n][0].Credentials.AccessKeyID] = n
			}
			if env.Control != nil {
				for n, request := range requests {
					Expect(cloud.SessionCalls(ctx, env, request.Token)).To(HaveLen(1), "calls to EKS Auth for token %d", n+1)
				}
			}
		})

	It("asks EKS Auth once, however many ask it for one token at the same time", Covers("AGT-10"), Needs(clusters.EmulatorControl),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			cloud.AddFault(ctx, env, control.Fault{Association: tenant.Association.ID, Latency: &control.Latency{Fixed: control.Duration(500 * time.Millisecond)}})
			request := tenant.AgentRequest()
			request.Times, request.AtOnce = atOnce, atOnce

			By("asking fifty times at once, while EKS Auth takes half a second to answer")
			answers := pod.Ask(ctx, request)[0]

			for _, answer := range answers {
				Expect(answer).To(GrantTheSameAs(answers[0]))
			}
			Expect(cloud.SessionCalls(ctx, env, string(tenant.Token))).To(HaveLen(1), "calls to EKS Auth")
		})

	It("fetches anew what is about to end", Covers("AGT-09"), Needs(clusters.EmulatorControl),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			cloud.AddFault(ctx, env, control.Fault{Association: tenant.Association.ID, Life: control.Duration(shortLife)})

			request := tenant.AgentRequest()
			request.Times, request.Every = 14, 400*time.Millisecond

			By("asking with another token, then again and again for credentials that end soon")
			Expect(pod.AskOnce(ctx, workload.AgentRequest(workload.NewToken(ctx, env, tenant.Pod)))).To(GrantCredentials())
			answers := pod.Ask(ctx, request)[0]

			for _, answer := range answers {
				Expect(answer).To(GrantCredentials())
				Expect(answer.Credentials.Left).To(BeNumerically(">", leastLife-onTheWay), "life left of what was served")
			}
			Expect(answers[1]).To(GrantTheSameAs(answers[0]))
			Expect(answers[len(answers)-1]).To(GrantOthersThan(answers[0]))
		})

	It("serves nothing that ends at once", Covers("AGT-17"), Needs(clusters.EmulatorControl),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			fault := cloud.AddFault(ctx, env, control.Fault{Association: tenant.Association.ID, Life: control.Duration(leastLife - time.Second)})

			By("asking while EKS Auth gives credentials that have less than fifteen seconds left")
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(RefuseWith(500, `^fetched credentials are expired or will expire within the next`))

			By("asking again when it gives others")
			fault.Remove(ctx)
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials())
		})

	It("serves what it has while EKS Auth fails", Covers("AGT-18"), Needs(clusters.EmulatorControl),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			first := pod.AskOnce(ctx, tenant.AgentRequest())
			Expect(first).To(GrantCredentials())

			By("asking again when EKS Auth does not answer any more")
			cloud.AddFault(ctx, env, control.Fault{Association: tenant.Association.ID, Outage: &control.Outage{}})
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantTheSameAs(first))
		})

	It("keeps no refusal", Covers("AGT-19"), Needs(clusters.EmulatorControl),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			var requests []probe.Request
			var faults []*cloud.Fault
			for _, refusal := range refusals {
				tenant := workload.NewTenant(ctx, env, namespace, role)
				faults = append(faults, cloud.AddFault(ctx, env, control.Fault{Association: tenant.Association.ID, Error: &refusal}))
				request := tenant.AgentRequest()
				request.Timeout = half
				requests = append(requests, request)
			}
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, ""))

			By("asking while EKS Auth refuses in each of its ways, and right after it stopped to")
			for i, answer := range pod.AskTogether(ctx, requests...) {
				Expect(answer[0]).To(RefuseWith(refusals[i].Status, refusals[i].Code))
			}
			for _, fault := range faults {
				fault.Remove(ctx)
			}
			for i, answer := range pod.Ask(ctx, requests...) {
				Expect(answer[0]).To(GrantCredentials(), "after %s", refusals[i].Code)
			}
		})

	It("refuses a token that has ended while it holds its credentials", Covers("AGT-03"), Needs(clusters.EmulatorControl, clusters.HostNetworkPods),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			cluster := cloud.NewUnbackedCluster(ctx, env, cloud.NewRole(ctx, env))
			flags, address := workload.HostPorts()

			By("starting an agent for a cluster whose tokens may live for seconds")
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), "", workload.OnHostNetwork(),
				workload.NewAgentUnderTest(ctx, env).Serving("agent", append(flags, "--cluster-name", cluster.Name)...)))
			pod.AwaitAgent(ctx, address)

			By("asking with a token that is about to end, until it has ended")
			var ends time.Time
			var request probe.Request
			var answer probe.Answer
			for life := 10 * time.Second; life < time.Minute && answer.Credentials == nil; life *= 2 { // a machine may be slow
				ends = time.Now().Add(life).Truncate(time.Second)
				request = workload.RequestTo(address, workload.Token(cluster.Token(env, map[string]any{"exp": ends.Unix()})))
				answer = pod.AskOnce(ctx, request)
			}
			Expect(answer).To(GrantCredentials())
			Expect(answer.Credentials.Expiration).To(BeTemporally(">", ends.Add(time.Hour)), "when the credentials end, long after their token")
			ask := func(ctx context.Context) probe.Answer { return pod.AskOnce(ctx, request) }
			Eventually(ask).WithContext(ctx).Within(time.Until(ends)+clockSkew).ProbeEvery(second).ShouldNot(GrantCredentials(), "after the token's end")

			Expect(ask(ctx)).To(RefuseWith(400, `^Service account token failed basic claim validations: .*token is expired`))
			Expect(cloud.SessionCalls(ctx, env, request.Token)).To(HaveLen(1), "calls to EKS Auth")
		})

	It("keeps the tokens of a pod apart, and takes each until it ends", Covers("TOK-04"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			older, newer := tenant.AgentRequest(), workload.AgentRequest(workload.NewTokenLasting(ctx, env, tenant.Pod, 2*workload.TokenLife))
			older.Times, older.Every = 10, 20*time.Millisecond

			By("asking with the newer of two tokens of a pod, then with both alternately")
			Expect(pod.AskOnce(ctx, newer)).To(GrantCredentials())
			for _, answers := range pod.AskTogether(ctx, older, newer) {
				for _, answer := range answers {
					Expect(answer).To(GrantCredentials())
				}
			}
		})
})
