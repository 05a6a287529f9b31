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

// renewed is the time in which what is due is renewed: agents may look for it once a minute, as
// upstream's does, and retries of what fails take seconds.
const renewed = 100 * time.Second

var _ = Describe("The agent's cache", func() {
	It("is renewed without anyone asking, and drops what EKS Auth refuses for good", Covers("AGT-11", "AGT-20"),
		Needs(clusters.EmulatorControl, clusters.HostNetworkPods), Slow(3*time.Minute),
		SpecTimeout(5*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			tenants := map[string]*workload.Tenant{}
			for _, name := range []string{"steady", "failing", "refused", "gone"} {
				tenants[name] = workload.NewTenant(ctx, env, namespace, role)
			}
			flags, address := workload.HostPorts()

			By("asking an agent of one's own that renews after ten seconds")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, "", workload.OnHostNetwork(),
				workload.NewAgentUnderTest(ctx, env).Serving("agent", append(flags, "--max-credential-retention-before-renewal", "10s", "--max-cache-size", "20")...)))
			pod.AwaitAgent(ctx, address)
			ask := func(ctx context.Context, name string) probe.Answer {
				return pod.AskOnce(ctx, workload.RequestTo(address, tenants[name].Token))
			}
			first := map[string]probe.Answer{}
			for name := range tenants {
				first[name] = ask(ctx, name)
				Expect(first[name]).To(GrantCredentials(), name)
			}

			By("making EKS Auth fail for one account and refuse another, deleting the pod of a third, and waiting")
			cloud.AddFault(ctx, env, control.Fault{Association: tenants["failing"].Association.ID, Error: &control.Refusal{Kind: control.Internal}})
			cloud.AddFault(ctx, env, control.Fault{Association: tenants["refused"].Association.ID, Error: &control.Refusal{Kind: control.AccessDenied}})
			workload.Delete(ctx, env, tenants["gone"].Pod)
			calls := func(name string) int { return len(cloud.SessionCalls(ctx, env, string(tenants[name].Token))) }
			for name, least := range map[string]int{"steady": 2, "refused": 2, "failing": 4} { // failures are tried three times
				Eventually(calls).WithArguments(name).WithContext(ctx).Within(renewed).Should(BeNumerically(">=", least), "calls to EKS Auth for the account that is "+name)
			}

			By("asking again")
			Expect(ask(ctx, "steady")).To(GrantOthersThan(first["steady"]))
			Expect(ask(ctx, "failing")).To(GrantTheSameAs(first["failing"]))
			Eventually(ask).WithArguments("refused").WithContext(ctx).Within(renewed).Should(RefuseWith(400, `AccessDeniedException`))
			AddReportEntry("calls to EKS Auth for a pod that was deleted after the first", calls("gone")-1)
		})
})
