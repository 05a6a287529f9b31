package clients

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// endpointSpecs use the spec's own credentials endpoint in the client's container, which records its requests. AWS does not
// accept its credentials, so AWS's answers do not count.
func endpointSpecs(c client) {
	if c.holds("SDK-03") {
		It("asks loopback and any host over https, but no other over http", Covers("SDK-03"),
			SpecTimeout(2*time.Minute), func(ctx SpecContext) {
				client := start(ctx, c)
				connections := func(where string) int {
					_, run := client.Identity(ctx, workload.AtEndpoint(where, "200"))
					return run.Endpoint.Connections
				}

				Expect(connections(probe.AtLoopback)).To(BeNumerically(">", 0), "http on loopback")
				Expect(connections(probe.AtPod)).To(BeZero(), "http on the pod's own address")
				Expect(connections(probe.AtPodHTTPS)).To(BeNumerically(">", 0), "https on the pod's own address")
			})
	}

	if c.holds("SDK-04") {
		It("sends with each renewal the token that is in the file then", Covers("SDK-04"),
			SpecTimeout(2*time.Minute), func(ctx SpecContext) {
				client := start(ctx, c)

				By("getting credentials that have to be renewed at once, while the token rotates with each answer")
				seen, run := client.Refresh(ctx, workload.AtEndpoint(probe.AtLoopback, "200"), workload.RenewedAtOnce())

				Expect(seen.Failure).To(BeNil())
				Expect(run.Endpoint.Tokens()).To(FollowTheTokenFile())
			})
	}

	if c.holds("SDK-05") {
		It("tells why the agent refused, and asks again only where that helps", Covers("SDK-05"),
			SpecTimeout(2*time.Minute), func(ctx SpecContext) {
				client := start(ctx, c)

				By("refusing with 400")
				seen, run := client.Identity(ctx, workload.AtEndpoint(probe.AtLoopback, "400"))
				Expect(seen.Failure).NotTo(BeNil())
				Expect(seen.Failure.Message).To(ContainSubstring(probe.Refusal))
				Expect(run.Endpoint.Requests).To(HaveLen(1), "requests that were answered with 400")

				for _, first := range []string{"429", "500", "503"} {
					By("answering with " + first + " once")
					_, run := client.Identity(ctx, workload.AtEndpoint(probe.AtLoopback, first+",200"))
					Expect(run.Endpoint.Requests).To(HaveLen(2), "requests, the first of them answered with %s", first)
					Expect(run.Endpoint.Requests[1].Status).To(Equal(http.StatusOK))
				}
			})
	}

	if c.holds("SDK-07") {
		It("sends the file's token where a variable has another", Covers("SDK-07"),
			SpecTimeout(2*time.Minute), func(ctx SpecContext) {
				client := start(ctx, c)

				_, run := client.Identity(ctx, workload.AtEndpoint(probe.AtLoopback, "200"), workload.WithTokenVariable())

				Expect(run.Endpoint.Tokens()).To(Equal([]string{"file 1"}))
			})
	}
}

// start starts the client in a namespace of its own, without an association.
func start(ctx SpecContext, c client) *workload.Client {
	GinkgoHelper()
	env := framework.From(ctx)
	return workload.StartClient(ctx, env, c.Name, workload.NewNamespace(ctx, env), "")
}
