package security

import (
	"regexp"
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

			By("asking an agent that logs all it can, with good tokens and bad ones")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, "", workload.OnHostNetwork(), agent.Serving("agent", append(flags, "--verbosity", "trace")...)))
			pod.AwaitAgent(ctx, address)
			tokens := []workload.Token{
				tenant.Token, "Bearer " + tenant.Token, workload.NewToken(ctx, env, tenant.Pod, "sts.amazonaws.com"),
				workload.Forge(env, tenant.Token, func(_, _ map[string]any) {}),
				workload.Forge(env, tenant.Token, func(_, claims map[string]any) { claims["exp"] = time.Now().Add(-time.Minute).Unix() }),
			}
			var requests []probe.Request
			for _, token := range tokens {
				requests = append(requests, workload.RequestTo(address, token))
			}
			granted := pod.Ask(ctx, requests...)[0][0]
			Expect(granted).To(GrantCredentials())

			By("looking for them in what it logged")
			log := workload.Log(ctx, env, pod.Pod, "agent")
			Expect(log).NotTo(BeEmpty(), "the agent's log")
			for _, token := range tokens {
				parts := strings.Split(string(token), ".")
				Expect(strings.Contains(log, parts[2])).To(BeFalse(), "the log has the signature of a token")
				Expect(strings.Contains(log, parts[1])).To(BeFalse(), "the log has the claims of a token")
			}
			Expect(fingerprints(log)).NotTo(ContainElement(granted.Credentials.SecretAccessKey), "the log has a secret access key")
			Expect(fingerprints(log)).NotTo(ContainElement(granted.Credentials.Token), "the log has a session token")
		})
})

// word is what a secret access key or a session token can be made of.
var word = regexp.MustCompile(`[A-Za-z0-9+/=_-]{20,}`)

// fingerprints are those of all that could be a secret in a text.
func fingerprints(text string) []string {
	var found []string
	for _, candidate := range word.FindAllString(text, -1) {
		found = append(found, probe.Fingerprint(candidate))
	}
	return found
}
