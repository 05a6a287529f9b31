// Package isolation has the specs of instance metadata (IMDS): pods cannot reach it, and a report names
// the pods that do.
package isolation

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

const account = "reader"

var _ = Describe("Instance metadata", func() {
	It("answers a pod on the host network with the node's role, and does not answer a pod of its own network", Covers("IMDS-02"),
		Needs(clusters.IMDS, clusters.HostNetworkPods), SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), ""))
			host := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), "", workload.OnHostNetwork()))

			By("asking for a session token and the role's name from the host's network")
			Eventually(host.Metadata).WithContext(ctx).Within(env.Timeouts.MetadataAnswer).Should(GetMetadataOf(env.NodeRole))

			By("asking for a session token from the pod's network")
			Expect(pod.Metadata(ctx)).To(GetNoMetadata())
		})

	It("closed to pods, still lets the agent work as the node", Covers("IMDS-03"), Needs(clusters.IMDS),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			role := cloud.NewRole(ctx, env)
			workload.AwaitAssociation(ctx, env, cloud.Associate(ctx, env, namespace, account, role))

			By("starting an associated pod that cannot reach instance metadata")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, account))
			Expect(pod.Metadata(ctx)).To(GetNoMetadata())

			Eventually(pod.Caller).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeSessionOf(role.Name))
		})
})
