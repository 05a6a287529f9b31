package caching

import (
	"context"
	"slices"
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

// renewed is the time within which a due entry is renewed. Agents may check once a minute. What their limiter refuses may
// be delayed by up to two minutes more, as in upstream's.
const renewed = 5 * time.Minute

// final are the errors of EKS Auth that make a token unusable for good. The others are passing:
// https://github.com/aws/eks-pod-identity-agent/blob/main/internal/cloud/eksauth/errors.go.
var (
	final = []control.Refusal{
		{Code: "AccessDeniedException", Status: 400}, {Code: "ResourceNotFoundException", Status: 404},
		{Code: "ExpiredTokenException", Status: 400}, {Code: "InvalidTokenException", Status: 400},
	}
	passing = []control.Refusal{
		{Code: "InternalServerException", Status: 500}, {Code: "ThrottlingException", Status: 429}, {Code: "ServiceUnavailableException", Status: 503},
		{Code: "InvalidRequestException", Status: 400}, {Code: "InvalidParameterException", Status: 400},
	}
)

var _ = Describe("The agent's cache", func() {
	It("is renewed without a request, and drops what EKS Auth refuses for good", Covers("AGT-11", "AGT-20"),
		Needs(clusters.EmulatorControl, clusters.HostNetworkPods), Slow(3*time.Minute),
		SpecTimeout(12*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			steady, gone := workload.NewTenant(ctx, env, namespace, role), workload.NewTenant(ctx, env, namespace, role)
			var refused, failing []*workload.Tenant
			for range final {
				refused = append(refused, workload.NewTenant(ctx, env, namespace, role))
			}
			for range passing {
				failing = append(failing, workload.NewTenant(ctx, env, namespace, role))
			}
			flags, address := workload.HostPorts()

			By("asking an agent of one's own that renews after ten seconds")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, "", workload.OnHostNetwork(),
				workload.NewAgentUnderTest(ctx, env).Serving("agent", append(flags,
					"--max-credential-retention-before-renewal", "10s", "--max-cache-size", "20", "--max-service-qps", "50")...)))
			pod.AwaitAgent(ctx, address)
			ask := func(ctx context.Context, tenant *workload.Tenant) probe.Answer {
				request := workload.RequestTo(address, tenant.Token)
				request.Identify = true
				return pod.AskOnce(ctx, request)
			}
			first := map[*workload.Tenant]probe.Answer{}
			for _, tenant := range slices.Concat([]*workload.Tenant{steady, gone}, refused, failing) {
				first[tenant] = ask(ctx, tenant)
				Expect(first[tenant]).To(GrantCredentials())
			}

			By("making EKS Auth refuse some accounts and fail for others, deleting the pod of another, and waiting")
			refuse := func(tenants []*workload.Tenant, refusals []control.Refusal) {
				for i, refusal := range refusals {
					refusal.Message = "no session any more"
					cloud.AddFault(ctx, env, control.Fault{Association: tenants[i].Association.ID, Error: &refusal})
				}
			}
			refuse(refused, final)
			refuse(failing, passing)
			workload.Delete(ctx, env, gone.Pod)
			calls := func(tenant *workload.Tenant) int { return len(cloud.SessionCalls(ctx, env, string(tenant.Token))) }
			for _, tenant := range slices.Concat([]*workload.Tenant{steady}, refused, failing) {
				Eventually(calls).WithArguments(tenant).WithContext(ctx).Within(renewed).Should(BeNumerically(">=", 2), "calls to EKS Auth without anyone asking")
			}

			By("asking again")
			Eventually(ask).WithArguments(steady).WithContext(ctx).Within(renewed).Should(GrantOthersThan(first[steady]))
			Expect(ask(ctx, steady).Identity.ARN).To(ContainSubstring(":assumed-role/"+role.Name+"/"), "whose the renewed credentials are")
			for i, tenant := range failing {
				Expect(ask(ctx, tenant)).To(GrantTheSameAs(first[tenant]), "after %s", passing[i].Code)
			}
			for i, tenant := range refused {
				Eventually(ask).WithArguments(tenant).WithContext(ctx).Within(renewed).Should(RefuseWith(final[i].Status, final[i].Code), "after %s", final[i].Code)
			}
			AddReportEntry("calls to EKS Auth for a pod that was deleted after the first", calls(gone)-1)
		})
})
