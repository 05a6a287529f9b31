package injection

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// The default lifetime of the token in seconds, and the largest reduction by the webhook, which prevents that all tokens
// end together.
const (
	tokenLife   = 24 * 60 * 60
	tokenJitter = 2 * 60 * 60
)

var _ = Describe("The webhook", func() {
	It("asks for tokens that live a day, less some jitter", Covers("TOK-02"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.AwaitAssociation(ctx, env, associate(ctx, env))

			Expect(expiration(pod)).To(And(BeNumerically(">=", tokenLife-tokenJitter), BeNumerically("<=", tokenLife)))
		})

	It("asks for the token's life that the pod, else the service account, is annotated with", Covers("TOK-03"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			for name, seconds := range map[string]string{account: "1200", "hasty": "60"} {
				workload.NewServiceAccount(ctx, env, namespace, name, map[string]string{workload.ExpirationAnnotation: seconds})
				workload.AwaitAssociation(ctx, env, cloud.Associate(ctx, env, namespace, name, cloud.NewRole(ctx, env)))
			}
			admit := func(serviceAccount string, options ...workload.Option) int64 {
				return expiration(workload.Admit(ctx, env, workload.NewPod(env, namespace, serviceAccount, options...)))
			}

			By("waiting until the service accounts' annotations are effective")
			Eventually(func() int64 { return admit(account) }).WithContext(ctx).Within(env.Timeouts.AnnotationVisible).
				Should(BeEquivalentTo(1200), "of the service account")
			Eventually(func() int64 { return admit("hasty") }).WithContext(ctx).Within(env.Timeouts.AnnotationVisible).
				Should(BeEquivalentTo(600), "of the service account: 60")

			for annotation, want := range map[string]int64{
				"1300":  1300,
				"600":   600,
				"3601":  3601,
				"43200": 43200,
				"86399": 86399,
				"599":   600, // Kubernetes takes no less
				"-1":    600,
				"1h":    1200, // no number of seconds
				"":      1200,
			} {
				Expect(admit(account, withAnnotation(workload.ExpirationAnnotation, annotation))).To(Equal(want), "of the pod: %q; of the service account: 1200", annotation)
			}
			Expect(admit(account, withAnnotation(workload.ExpirationAnnotation, "86400"))).To(And(BeNumerically(">=", tokenLife-tokenJitter), BeNumerically("<=", tokenLife)))
		})
})

// expiration is the requested expiration of the pod's projected token, in seconds; -1 for none.
func expiration(pod *corev1.Pod) int64 {
	for _, volume := range pod.Spec.Volumes {
		if volume.Projected == nil || volume.Name != workload.TokenName {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.ServiceAccountToken != nil && source.ServiceAccountToken.ExpirationSeconds != nil {
				return *source.ServiceAccountToken.ExpirationSeconds
			}
		}
	}
	return -1
}
