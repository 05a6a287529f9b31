package authorization

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The trust policy of a role", func() {
	It("lets in only the cluster, the namespace and the service account that its conditions name", Covers("TAG-05"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			named, elsewhere := newPod(ctx, env), newPod(ctx, env)
			workload.NewServiceAccount(ctx, env, named.Namespace, "other")
			other := workload.NewUnscheduledPod(ctx, env, named.Namespace, "other")

			By("associating three service accounts with a role that names one of them")
			trust := cloud.TrustPodIdentity().
				When("StringEquals", "aws:RequestTag/eks-cluster-name", env.ClusterName).
				When("ArnEquals", "aws:RequestTag/eks-cluster-arn", env.ClusterARN).
				When("StringEquals", "aws:RequestTag/kubernetes-namespace", named.Namespace).
				When("StringEquals", "aws:RequestTag/kubernetes-service-account", account)
			role := cloud.NewRoleTrusting(ctx, env, trust)
			for _, pod := range []*corev1.Pod{named, elsewhere, other} {
				cloud.Associate(ctx, env, pod.Namespace, pod.Spec.ServiceAccountName, role)
			}

			Eventually(askForSession(env, named)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())
			Expect(askForSession(env, elsewhere)(ctx)).To(beUntrusted(), "another namespace")
			Expect(askForSession(env, other)(ctx)).To(beUntrusted(), "another service account")

			By("naming another cluster")
			role.SetTrust(ctx, env, trust.When("StringEquals", "aws:RequestTag/eks-cluster-name", env.ClusterName+"-other"))
			Eventually(askForSession(env, named)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(beUntrusted())
		})

	It("sees the account and the cluster that EKS acts for", Covers("TAG-07"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)

			By("naming them as source account and source ARN")
			trust := cloud.TrustPodIdentity().
				When("StringEquals", "aws:SourceAccount", env.AccountID).
				When("ArnEquals", "aws:SourceArn", env.ClusterARN)
			role := cloud.NewRoleTrusting(ctx, env, trust)
			cloud.Associate(ctx, env, pod.Namespace, account, role)
			Eventually(askForSession(env, pod)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())

			By("naming another cluster")
			role.SetTrust(ctx, env, trust.When("ArnEquals", "aws:SourceArn", env.ClusterARN+"-other"))
			Eventually(askForSession(env, pod)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(beUntrusted())

			By("naming another account")
			role.SetTrust(ctx, env, trust.When("StringEquals", "aws:SourceAccount", "000000000000"))
			Eventually(askForSession(env, pod)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(beUntrusted())
		})

	It("compares the list of tag keys with a set operator only", Covers("TAG-09"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)

			By("naming the tag keys as a set")
			role := cloud.NewRoleTrusting(ctx, env, cloud.TrustPodIdentity().When("ForAllValues:StringEquals", "aws:TagKeys", cloud.SessionTags()...))
			cloud.Associate(ctx, env, pod.Namespace, account, role)
			Eventually(askForSession(env, pod)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())

			By("naming them without a set operator")
			role.SetTrust(ctx, env, cloud.TrustPodIdentity().When("StringEquals", "aws:TagKeys", cloud.SessionTags()...))
			Eventually(askForSession(env, pod)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(beUntrusted())
		})

	It("sees the request that EKS makes itself", Covers("TAG-10"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)

			By("wanting the service principal, TLS and the region")
			trust := cloud.TrustPodIdentity().
				When("Bool", "aws:PrincipalIsAWSService", "true").
				When("ForAnyValue:StringEquals", "aws:PrincipalServiceNamesList", "pods.eks.amazonaws.com").
				When("Bool", "aws:SecureTransport", "true").
				When("StringEquals", "aws:RequestedRegion", env.Region)
			role := cloud.NewRoleTrusting(ctx, env, trust)
			cloud.Associate(ctx, env, pod.Namespace, account, role)
			Eventually(askForSession(env, pod)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())

			By("denying what no service asks on behalf of somebody")
			role.SetTrust(ctx, env, cloud.Join(trust, cloud.Denying(trust.When("Bool", "aws:ViaAWSService", "false"))))
			Eventually(askForSession(env, pod)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(beUntrusted())
		})
})

// askForSession requests a session of the pod. The error is EKS Auth's.
func askForSession(env *framework.Env, pod *corev1.Pod) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := cloud.AssumeForPod(ctx, env, env.ClusterName, string(workload.NewToken(ctx, env, pod)))
		return err
	}
}

// beUntrusted is EKS Auth's answer if a role's trust policy does not allow it:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html.
func beUntrusted() types.GomegaMatcher {
	return BeRefusedWith("AccessDeniedException", http.StatusBadRequest)
}
