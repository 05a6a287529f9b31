// Package token has the specs of the projected token (TOK): its claims and its rotation.
package token

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

const (
	account = "reader"
	// expirationAnnotation sets the life of a pod's token in seconds.
	expirationAnnotation = "eks.amazonaws.com/token-expiration"
	// rotation is the time within which the kubelet replaces a token with a lifetime of ten minutes.
	rotation = 10 * time.Minute
	// usesPerRead is how often credentials are used between two reads of the token.
	usesPerRead = 20
)

var _ = Describe("A workload", func() {
	It("goes on without a failure while the kubelet replaces its token", Covers("TOK-05", "TOK-08"), Slow(10*time.Minute),
		SpecTimeout(13*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			short := func(pod *corev1.Pod) { pod.Annotations = map[string]string{expirationAnnotation: "600"} }
			workload.AwaitAssociation(ctx, env, cloud.Associate(ctx, env, namespace, account, role))

			By("starting a pod whose token is good for ten minutes, and that uses credentials every second")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, account, short))
			Eventually(pod.Caller).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeSessionOf(role.Name))
			first := pod.Token(ctx, workload.Main)
			Expect(first.Claims.Expires.Sub(first.Claims.IssuedAt)).To(BeNumerically("~", workload.TokenLife, time.Minute))
			// The requests are in several batches, because a connection that lasts until the token is replaced could be
			// closed.
			use := func(ctx context.Context) time.Time {
				for _, answer := range pod.Ask(ctx, probe.Request{
					URL: workload.CredentialsURL, TokenFile: workload.TokenMountPath + "/" + workload.TokenName,
					Times: usesPerRead, Every: time.Second, Identify: true,
				})[0] {
					Expect(answer).To(GrantCredentials())
					Expect(answer.Identity.Failure).To(BeNil(), "the credentials' use")
				}
				return pod.Token(ctx, workload.Main).Claims.Expires
			}

			By("waiting until the kubelet replaces the token, and going on after that")
			Eventually(use).WithContext(ctx).Within(rotation).Should(BeTemporally(">", first.Claims.Expires))
			Expect(time.Now()).To(BeTemporally("<", first.Claims.Expires), "when the token was replaced")
			use(ctx)
		})
})
