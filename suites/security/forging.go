package security

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// forger is the service account of pods that try to get another identity.
const forger = "forger"

var _ = Describe("A pod that tries to be another", func() {
	It("cannot replace the tags of its session by assuming a further role", Covers("TAG-08"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			first := cloud.NewRole(ctx, env)
			second := cloud.NewRoleTrusting(ctx, env, cloud.TrustSession(first))
			first.Put(ctx, env, cloud.Allow([]string{second.ARN}, "sts:AssumeRole", "sts:TagSession"))
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, forger)
			cloud.Associate(ctx, env, namespace, forger, first)
			session := workload.NewSession(ctx, env, workload.NewUnscheduledPod(ctx, env, namespace, forger))
			assume := func(tags map[string]string) func(SpecContext) error {
				return func(ctx SpecContext) error {
					_, err := session.Assume(ctx, second, tags)
					return err
				}
			}

			By("assuming a second role with a tag of its own, which is allowed")
			Eventually(assume(map[string]string{"team": "blue"})).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())

			By("assuming it with each tag of the first session and another value")
			for _, tag := range []string{
				"eks-cluster-arn", "eks-cluster-name", "kubernetes-namespace", "kubernetes-service-account",
				"kubernetes-pod-name", "kubernetes-pod-uid", "Kubernetes-Namespace",
			} {
				Expect(assume(map[string]string{tag: "kube-system"})(ctx)).To(
					BeRefusedWith("InvalidParameterValue", http.StatusBadRequest), "the tag %s", tag)
			}
		})
})
