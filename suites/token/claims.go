package token

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("A pod", func() {
	It("with an association gets a token that is bound to it, for Pod Identity alone", Covers("TOK-01"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			association := cloud.Associate(ctx, env, namespace, account, cloud.NewRole(ctx, env))
			workload.AwaitAssociation(ctx, env, association)

			By("reading the claims of the projected token in the pod")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, account))
			token := pod.Token(ctx, workload.Main)

			Expect(token).To(BeTokenOf(pod.Pod))
			Expect(token.File).To(Equal(workload.TokenMountPath + "/" + workload.TokenName))
			Expect(token.Claims.Audience).To(ConsistOf(workload.TokenAudience))
			Expect(token.Claims.Expires).To(BeTemporally(">", time.Now()))
		})
})
