package security

import (
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The agent's log", func() {
	It("has neither tokens nor credentials in it, however much it tells", Covers("SEC-04"), Needs(clusters.HostNetworkPods),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			tenant := workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env))
			agent := workload.NewAgentUnderTest(ctx, env)
			flags, address := workload.HostPorts()
			quietFlags, quietAddress := workload.HostPorts()

			By("asking an agent that logs all it can, and one that logs as by default, with good tokens and bad ones")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, "", workload.OnHostNetwork(),
				agent.Serving(loud, append(flags, "--verbosity", "trace")...), agent.Serving(quiet, quietFlags...)))
			tokens := []workload.Token{
				tenant.Token, "Bearer " + tenant.Token, workload.NewToken(ctx, env, tenant.Pod, "sts.amazonaws.com"),
				workload.Forge(env, tenant.Token, func(_, _ map[string]any) {}),
				workload.Forge(env, tenant.Token, func(_, claims map[string]any) { claims["exp"] = time.Now().Add(-time.Minute).Unix() }),
				tenant.Token[:len(tenant.Token)-40],
			}
			secrets := probe.Pieces{}
			for _, token := range tokens {
				claims, signature := parts(token)
				secrets = append(secrets, probe.PiecesOf(claims, signature)...)
			}
			for _, at := range []string{address, quietAddress} {
				pod.AwaitAgent(ctx, at)
				var requests []probe.Request
				for _, token := range tokens {
					requests = append(requests, workload.RequestTo(at, token))
				}
				answers := pod.Ask(ctx, requests...)
				Expect(answers[0][0]).To(GrantCredentials())
				secrets = append(secrets, answers[0][0].Credentials.Pieces...)
				for n, answer := range answers[1:] {
					Expect(answer[0]).To(GrantNothing(), "token %d", n+2)
					Expect(answer[0].RepeatsToken).To(BeFalse(), "whether the refusal of token %d repeats it", n+2)
				}
			}

			By("looking for them in what the agents logged, and in their metrics")
			for _, name := range []string{loud, quiet} {
				log := workload.Log(ctx, env, pod.Pod, name)
				Expect(log).NotTo(BeEmpty(), "the log of the agent that is %s", name)
				Expect(secrets.In(log)).To(BeFalse(), "whether the log of the agent that is %s has a part of a token or of credentials", name)
			}
			for _, metrics := range pod.Ask(ctx, probe.Request{URL: metricsURL(flags)}, probe.Request{URL: metricsURL(quietFlags)}) {
				Expect(metrics[0].Status).To(Equal(http.StatusOK), "GET /metrics")
				Expect(metrics[0].Body).To(ContainSubstring("pod_identity_"))
				Expect(secrets.In(metrics[0].Body)).To(BeFalse(), "whether the metrics have a part of a token or of credentials")
			}
		})
})

// The agents of the spec's pod.
const loud, quiet = "loud", "quiet"

// parts of a token that only its owner may see: the claims and the signature.
func parts(token workload.Token) (claims, signature string) {
	GinkgoHelper()
	list := strings.Split(string(token), ".")
	Expect(list).To(HaveLen(3), "parts of a token")
	return list[1], list[2]
}

// metricsURL is the metrics URL of an agent with the flags of workload.HostPorts.
func metricsURL(flags []string) string {
	return "http://127.0.0.1:" + flags[slices.Index(flags, "--metrics-port")+1] + "/metrics"
}
