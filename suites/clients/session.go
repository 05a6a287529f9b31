package clients

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
	"github.com/podidentity/epi/reports"
)

// soon is the time within which a client that cannot work has to fail.
const soon = 15 * time.Second

const (
	webIdentityFolder = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
	agentOverIPv6     = "http://[fd00:ec2::23]/v1/credentials"
)

// sessionSpecs use the client in a pod with an association.
func sessionSpecs(c client) {
	It("may do what its association allows, and nothing else", Covers("SDK-01"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			role := cloud.NewRole(ctx, env, cloud.OwnPrefix(bucket))
			association := associate(ctx, env, role)
			contents := []byte("An object of " + association.Namespace + " \x00\r\n\xff.\n")
			own, other := env.ClusterName+"/"+association.Namespace+"/test.txt", env.ClusterName+"/hoge/test.txt"
			bucket.Put(ctx, own, contents)
			bucket.Put(ctx, other, []byte("another's"))
			client := workload.StartClient(ctx, env, c.Name, association.Namespace, account)

			By("asking who it is")
			Eventually(client.Caller).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeSessionOf(role.Name))

			By("reading an object of its own namespace")
			Eventually(client.Get(bucket.Name, own)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeDownloadOf(contents))

			By("reaching for another namespace's")
			Expect(client.Head(ctx, bucket.Name, other)).To(BeDenied("HeadObject"))
			Expect(client.Get(bucket.Name, other)(ctx)).To(BeDenied("GetObject"))

			By("going without the variables of Pod Identity")
			seen, _ := client.Identity(ctx, workload.WithoutVariables(workload.CredentialsVariable, workload.TokenFileVariable))
			Expect(seen).To(HaveNoIdentity(env.NodeRole))
		})
	if c.first && c.holds("IRSA-03") {
		precedenceSpec(c)
	}
	if c.first && c.holds("SDK-06") {
		addressSpec(c)
	}
}

// precedenceSpec checks which of two sources the client uses.
func precedenceSpec(c client) {
	It("takes a web identity before Pod Identity", Covers("IRSA-03"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env, cloud.NewRole(ctx, env))
			web := cloud.NewRoleTrusting(ctx, env, cloud.TrustServiceAccount(cloud.ClusterProvider(ctx, env), association.Namespace, account))

			By("starting a pod that sets the variables of a web identity by hand and gets Pod Identity's injected")
			client := workload.StartClient(ctx, env, c.Name, association.Namespace, account, withWebIdentity(env, web))
			Expect(workload.Injected(client.Pod)).NotTo(BeEmpty())

			Eventually(client.Caller).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeSessionOf(web.Name))
		})
}

// addressSpec uses the agent's other address.
func addressSpec(c client) {
	It("asks the agent over IPv6", Covers("SDK-06"), Needs(clusters.HostNetworkPods),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role := cloud.NewRole(ctx, env)
			association := associate(ctx, env, role)
			client := workload.StartClient(ctx, env, c.Name, association.Namespace, account, workload.OnHostNetwork())
			if answer := client.Fetch(ctx, agentOverIPv6); answer.Failure != nil {
				Skip("the agent does not serve IPv6 here: " + answer.Failure.Message)
			}

			By("leading it to the agent's IPv6 address")
			Eventually(func(ctx SpecContext) probe.Identity {
				seen, _ := client.Identity(ctx, workload.WithVariable(workload.CredentialsVariable, agentOverIPv6))
				return seen
			}).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeIdentityOf(role.Name, env.NodeRole))
		})
}

// oldSpecs use a client that is below its floor.
func oldSpecs(c client) {
	Describe("AWS client "+c.Name, ForClient(c.Name), Needs(clusters.OldClientCapability(c.Name)), func() {
		It("says soon that it gets no credentials", Covers("SDK-02"),
			SpecTimeout(2*time.Minute), func(ctx SpecContext) {
				env := framework.From(ctx)
				association := associate(ctx, env, cloud.NewRole(ctx, env))
				client := workload.StartClient(ctx, env, c.Name, association.Namespace, account)

				By("asking who it is")
				seen, run := client.Identity(ctx)

				Expect(seen).To(BeRefusedCredentials(env.NodeRole))
				Expect(run.Took).To(BeNumerically("<", soon))
				AddReportEntry(reports.ClientSaid, strings.Join(strings.Fields(seen.Failure.Message), " "))
			})
	})
}

// associate creates an association of the account, in a namespace of its own, and waits until the webhook knows it.
func associate(ctx SpecContext, env *framework.Env, role *cloud.Role) *cloud.Association {
	GinkgoHelper()
	namespace := workload.NewNamespace(ctx, env)
	workload.NewServiceAccount(ctx, env, namespace, account)
	association := cloud.Associate(ctx, env, namespace, account, role)
	workload.AwaitAssociation(ctx, env, association)
	return association
}

// withWebIdentity sets what the webhook sets for a service account with the role's annotation.
func withWebIdentity(env *framework.Env, role *cloud.Role) workload.Option {
	return func(pod *corev1.Pod) {
		seconds := int64(3600)
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "web-identity", VolumeSource: corev1.VolumeSource{
			Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
				ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: cloud.STSAudience, ExpirationSeconds: &seconds, Path: "token"},
			}}},
		}})
		main := &pod.Spec.Containers[0]
		main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: "web-identity", MountPath: webIdentityFolder, ReadOnly: true})
		main.Env = append(main.Env,
			corev1.EnvVar{Name: "AWS_ROLE_ARN", Value: role.ARN},
			corev1.EnvVar{Name: "AWS_WEB_IDENTITY_TOKEN_FILE", Value: webIdentityFolder + "/token"})
		if env.AWS.PodEndpointURL != "" {
			// SDK for Go v2 assumes the role before it has read AWS_ENDPOINT_URL, but reads this variable.
			main.Env = append(main.Env, corev1.EnvVar{Name: "AWS_ENDPOINT_URL_STS", Value: env.AWS.PodEndpointURL})
		}
	}
}
