// Package irsa has the specs of IAM roles for service accounts beside Pod Identity (IRSA).
package irsa

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// reader is the service account that roles trust.
const reader = "reader"

var _ = Describe("A role for a service account", func() {
	It("is taken with a token of that service account for STS, and with no other", Covers("IRSA-02"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)
			workload.NewServiceAccount(ctx, env, pod.Namespace, "other")
			other := workload.NewUnscheduledPod(ctx, env, pod.Namespace, "other")
			provider := cloud.ClusterProvider(ctx, env)
			role := cloud.NewRoleTrusting(ctx, env, cloud.TrustServiceAccount(provider, pod.Namespace, reader))
			take := func(of *cloud.Role, token func(SpecContext) workload.Token) func(SpecContext) error {
				return func(ctx SpecContext) error {
					_, err := cloud.AssumeWithToken(ctx, env, of, string(token(ctx)))
					return err
				}
			}
			tokenOf := func(pod *corev1.Pod, audience string) func(SpecContext) workload.Token {
				return func(ctx SpecContext) workload.Token { return workload.NewToken(ctx, env, pod, audience) }
			}
			good := tokenOf(pod, cloud.STSAudience)

			By("taking the role as its service account")
			Eventually(take(role, good)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())

			By("taking it as another, for another audience, and with a token that was changed")
			Expect(take(role, tokenOf(other, cloud.STSAudience))(ctx)).To(BeRefusedWith("AccessDenied", http.StatusForbidden), "another service account")
			Expect(take(role, tokenOf(pod, workload.TokenAudience))(ctx)).To(BeRefusedWith("InvalidIdentityToken", http.StatusBadRequest), "another audience")
			forged := func(ctx SpecContext) workload.Token {
				return workload.Tamper(env, workload.NewToken(ctx, env, other, cloud.STSAudience), func(claims map[string]any) {
					claims["sub"] = "system:serviceaccount:" + pod.Namespace + ":" + reader
				})
			}
			Expect(take(role, forged)(ctx)).To(BeRefusedWith("InvalidIdentityToken", http.StatusBadRequest), "a forged subject")

			By("taking a role that trusts Pod Identity alone")
			Expect(take(cloud.NewRole(ctx, env), good)(ctx)).To(BeRefusedWith("AccessDenied", http.StatusForbidden))
		})

	It("may be an associated service account's as well", Covers("IRSA-04"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)
			provider := cloud.ClusterProvider(ctx, env)

			By("associating a role that trusts the provider and Pod Identity")
			role := cloud.NewRoleTrusting(ctx, env, cloud.Join(cloud.TrustPodIdentity(), cloud.TrustServiceAccount(provider, pod.Namespace, reader)))
			cloud.Associate(ctx, env, pod.Namespace, reader, role)

			for _, session := range []*cloud.Session{workload.NewSession(ctx, env, pod), takeRole(ctx, env, role, pod)} {
				Expect(session.ARN).To(ContainSubstring(":assumed-role/" + role.Name + "/"))
			}
		})

	It("gives sessions without the tags of Pod Identity", Covers("IRSA-05"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)
			bucket := cloud.NewBucket(ctx, env)
			for _, tag := range cloud.SessionTags() {
				bucket.Put(ctx, cloud.UntaggedKey(tag), nil)
			}
			own := env.ClusterName + "/" + pod.Namespace + "/test.txt"
			bucket.Put(ctx, own, nil)
			trust := cloud.TrustServiceAccount(cloud.ClusterProvider(ctx, env), pod.Namespace, reader)
			role := cloud.NewRoleTrusting(ctx, env, trust, cloud.OwnPrefix(bucket), cloud.Untagged(bucket))

			By("reading, with a policy that is made for session tags, what a session without them may")
			session := takeRole(ctx, env, role, pod)
			for _, tag := range cloud.SessionTags() {
				Eventually(session.Get(bucket, cloud.UntaggedKey(tag))).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed(), "without the tag %s", tag)
			}

			Expect(session.Get(bucket, own)(ctx)).To(BeRefusedWith("AccessDenied", http.StatusForbidden))
		})

	It("keeps the claims of the token for the session's policies", Covers("IRSA-09"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)
			bucket := cloud.NewBucket(ctx, env)
			for _, key := range []string{"own/test.txt", "another/test.txt"} {
				bucket.Put(ctx, key, nil)
			}
			provider := cloud.ClusterProvider(ctx, env)
			to := func(prefix, serviceAccount string) cloud.Document {
				return cloud.Allow([]string{bucket.ARN() + "/" + prefix + "/*"}, "s3:GetObject").
					When("StringEquals", provider.Host+":sub", "system:serviceaccount:"+pod.Namespace+":"+serviceAccount).
					When("StringEquals", provider.Host+":aud", cloud.STSAudience)
			}
			role := cloud.NewRoleTrusting(ctx, env, cloud.TrustServiceAccount(provider, pod.Namespace, reader), cloud.Join(to("own", reader), to("another", "other")))

			By("reading what the role's policy gives to the service account of the token")
			session := takeRole(ctx, env, role, pod)
			Eventually(session.Get(bucket, "own/test.txt")).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())

			Expect(session.Get(bucket, "another/test.txt")(ctx)).To(BeRefusedWith("AccessDenied", http.StatusForbidden), "what it gives to another service account")
		})
})

// newPod makes a pod of the service account in a namespace of its own. It never runs.
func newPod(ctx SpecContext, env *framework.Env) *corev1.Pod {
	GinkgoHelper()
	namespace := workload.NewNamespace(ctx, env)
	workload.NewServiceAccount(ctx, env, namespace, reader)
	return workload.NewUnscheduledPod(ctx, env, namespace, reader)
}

// takeRole assumes the role with a token of the pod for STS. For a new role it repeats the request.
func takeRole(ctx SpecContext, env *framework.Env, role *cloud.Role, pod *corev1.Pod) *cloud.Session {
	GinkgoHelper()
	var session *cloud.Session
	Eventually(func(ctx SpecContext) (err error) {
		session, err = cloud.AssumeWithToken(ctx, env, role, string(workload.NewToken(ctx, env, pod, cloud.STSAudience)))
		return err
	}).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())
	return session
}
