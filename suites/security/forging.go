// Package security asks that nobody gets what is another's.
package security

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

// forger is the service account of pods that would be others.
const forger = "forger"

var _ = Describe("A pod that would be another", func() {
	It("cannot replace the tags of its session by assuming a further role", Covers("TAG-08"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			first := cloud.NewRole(ctx, env)
			second := cloud.NewRoleTrusting(ctx, env, cloud.TrustSession(first))
			first.Put(ctx, env, cloud.Allow([]string{second.ARN}, "sts:AssumeRole", "sts:TagSession"))
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, forger)
			cloud.Associate(ctx, env, namespace, forger, first)
			session := workload.NewSession(ctx, env, workload.NewBystander(ctx, env, namespace, forger))
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

	It("gets its own tags whatever it says about itself", Covers("TAG-09"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, forger)
			cloud.Associate(ctx, env, namespace, forger, cloud.NewRole(ctx, env, cloud.OwnPrefix(bucket)))
			own, other := env.ClusterName+"/"+namespace+"/test.txt", env.ClusterName+"/kube-system/test.txt"
			bucket.Put(ctx, own, nil)
			bucket.Put(ctx, other, nil)

			By("naming another namespace in labels, annotations and variables of the pod")
			pod := workload.NewBystander(ctx, env, namespace, forger, func(pod *corev1.Pod) {
				claims := map[string]string{"kubernetes-namespace": "kube-system", "eks.amazonaws.com/kubernetes-namespace": "kube-system"}
				for name, value := range claims {
					pod.Labels[name] = value
				}
				pod.Annotations = claims
				pod.Spec.Containers[0].Env = append(pod.Spec.Containers[0].Env, corev1.EnvVar{Name: "KUBERNETES_NAMESPACE", Value: "kube-system"})
			})
			session := workload.NewSession(ctx, env, pod)

			Eventually(session.Get(bucket, own)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())
			Expect(session.Get(bucket, other)(ctx)).To(BeRefusedWith("AccessDenied", http.StatusForbidden))
		})
})
