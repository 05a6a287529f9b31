package irsa

import (
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

var _ = Describe("A pod of a service account that is annotated with a role", func() {
	It("is a session of it, by a token for STS", Covers("IRSA-07"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			role := cloud.NewRoleTrusting(ctx, env, cloud.TrustServiceAccount(cloud.ClusterProvider(ctx, env), namespace, reader))
			workload.NewServiceAccount(ctx, env, namespace, reader, map[string]string{workload.RoleAnnotation: role.ARN})
			workload.AwaitRole(ctx, env, namespace, reader)

			By("asking AWS in the pod who it is")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, reader, withSTSEndpoint(env)))
			Eventually(pod.Caller).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeSessionOf(role.Name))
		})
})

// withSTSEndpoint sets the SDK's endpoint of STS: its provider of web identities is made before it has read
// AWS_ENDPOINT_URL, the only other setting of pods.
func withSTSEndpoint(env *framework.Env) workload.Option {
	return func(pod *corev1.Pod) {
		if endpoint := env.AWS.PodEndpointURL; endpoint != "" {
			main := &pod.Spec.Containers[0]
			main.Env = append(main.Env, corev1.EnvVar{Name: "AWS_ENDPOINT_URL_STS", Value: endpoint})
		}
	}
}
