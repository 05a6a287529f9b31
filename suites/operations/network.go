package operations

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/identity"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// link is the one that the agent's addresses are on.
const link = "pod-id-link0"

var _ = Describe("The agent's preparation of a network", func() {
	It("makes its link with its address and route, however often it runs, and the agent serves there", Covers("NET-01", "NET-02"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			agent := workload.NewAgentUnderTest(ctx, env)

			By("preparing a pod's own network twice, then starting an agent in it")
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), "",
				agent.Linked(env, link), agent.Initializing("first"), agent.Initializing("second"), agent.Serving("agent")))
			links := pod.Links(ctx)

			Expect(links).To(ContainElement(MatchFields(IgnoreExtras, Fields{
				"Name": Equal(link), "Up": BeTrue(), "Addresses": ContainElement("169.254.170.23/32"), "Routes": ContainElement("169.254.170.23/32"),
			})))

			By("asking that agent at its addresses: of IPv6 where the network has it")
			pod.AwaitAgent(ctx, "127.0.0.1:2703")
			Expect(pod.AskOnce(ctx, probe.Request{URL: workload.CredentialsURL})).To(RefuseWith(http.StatusBadRequest, `token cannot be empty`))
			if slices.ContainsFunc(links, func(l probe.Link) bool { return l.Name == link && slices.Contains(l.Addresses, "fd00:ec2::23/128") }) {
				Expect(pod.AskOnce(ctx, probe.Request{URL: "http://[fd00:ec2::23]/v1/credentials"})).To(RefuseWith(http.StatusBadRequest, `token cannot be empty`))
			}
		})
})

const (
	account = "reader"
	// noProxy is an address where no proxy listens.
	noProxy = "http://127.0.0.1:9"
)

var _ = Describe("A pod behind a proxy", func() {
	It("gets credentials only if its proxy settings leave the agent out", Covers("NET-03"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			workload.AwaitAssociation(ctx, env, cloud.Associate(ctx, env, namespace, account, role))

			By("starting a container with HTTP_PROXY, and one whose NO_PROXY names the agent")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, account, workload.WithContainer("exempt"), func(pod *corev1.Pod) {
				for i, without := range [][]string{aws(env), append(aws(env), "169.254.170.23", "[fd00:ec2::23]")} {
					container := &pod.Spec.Containers[i]
					container.Env = append(container.Env,
						corev1.EnvVar{Name: "HTTP_PROXY", Value: noProxy}, corev1.EnvVar{Name: "NO_PROXY", Value: strings.Join(without, ",")})
				}
			}))
			exempt := func(ctx context.Context) identity.Caller { return pod.CallerIn(ctx, "exempt") }

			Eventually(exempt).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeSessionOf(role.Name))
			Expect(pod.Caller(ctx)).To(And(HaveField("Kind", identity.Broken), HaveField("Failure.Class", probe.CredentialsFailed)),
				"who the container is whose requests to the agent go to the proxy")
		})
})

// aws is the host of AWS over HTTP. HTTPS has another proxy.
func aws(env *framework.Env) []string {
	endpoint, err := url.Parse(env.AWS.PodEndpointURL)
	if err != nil || endpoint.Hostname() == "" {
		return nil
	}
	return []string{endpoint.Hostname()}
}
