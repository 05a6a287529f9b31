package authorization

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

var _ = Describe("One role for many", func() {
	It("gives each namespace its own prefix and no other's", Covers("ABAC-04"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			role := cloud.NewRole(ctx, env, cloud.OwnPrefix(bucket))

			By("associating a service account of the same name in two namespaces with the role")
			first, second := newTenant(ctx, env, role), newTenant(ctx, env, role)
			prefix := func(t tenant) string { return env.ClusterName + "/" + t.Pod.Namespace }
			for _, one := range []tenant{first, second} {
				expectAllowed(ctx, env, one.Put(bucket, prefix(one)+"/test.txt"))
				expectAllowed(ctx, env, one.Get(bucket, prefix(one)+"/test.txt"))
			}

			for _, pair := range [][2]tenant{{first, second}, {second, first}} {
				expectDenied(ctx, pair[0].Get(bucket, prefix(pair[1])+"/test.txt"), "reading the other namespace's")
				expectDenied(ctx, pair[0].Put(bucket, prefix(pair[1])+"/new.txt"), "writing to the other namespace's")
				expectDenied(ctx, pair[0].Put(bucket, prefix(pair[0])+"-2/new.txt"), "a prefix that only begins like its own")
			}
		})

	It("gives each service account and each pod its own prefix", Covers("ABAC-08"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			own := []string{}
			for _, tag := range []string{"kubernetes-service-account", "kubernetes-pod-name", "kubernetes-pod-uid"} {
				own = append(own, bucket.ARN()+"/"+tag+"/${aws:PrincipalTag/"+tag+"}/*")
			}
			role := cloud.NewRole(ctx, env, cloud.Allow(own, "s3:*"))

			By("making two pods under one service account, and one under another")
			first := newTenant(ctx, env, role)
			namespace := first.Pod.Namespace
			workload.NewServiceAccount(ctx, env, namespace, "other")
			cloud.Associate(ctx, env, namespace, "other", role)
			replica := workload.NewUnscheduledPod(ctx, env, namespace, account)
			stranger := workload.NewUnscheduledPod(ctx, env, namespace, "other")
			second, third := tenant{workload.NewSession(ctx, env, replica), replica}, tenant{workload.NewSession(ctx, env, stranger), stranger}

			key := func(tag string, of tenant) string { return tag + "/" + of.tags(env)[tag] + "/test.txt" }
			for _, one := range []tenant{first, second, third} {
				for _, tag := range []string{"kubernetes-service-account", "kubernetes-pod-name", "kubernetes-pod-uid"} {
					expectAllowed(ctx, env, one.Put(bucket, key(tag, one)), "its own %s", tag)
				}
			}
			expectAllowed(ctx, env, second.Get(bucket, key("kubernetes-service-account", first)), "the prefix of the service account that both have")
			expectDenied(ctx, third.Get(bucket, key("kubernetes-service-account", first)), "another service account's")
			for _, tag := range []string{"kubernetes-pod-name", "kubernetes-pod-uid"} {
				expectDenied(ctx, second.Get(bucket, key(tag, first)), "the %s of another pod", tag)
				expectDenied(ctx, first.Get(bucket, key(tag, second)), "the %s of another pod", tag)
			}
		})

	It("keeps two clusters apart", Covers("ABAC-09"), Needs(clusters.EmulatorControl),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			role := cloud.NewRole(ctx, env, cloud.OwnPrefix(bucket))
			tenant := newTenant(ctx, env, role)
			namespace := tenant.Pod.Namespace

			By("associating the same service account with the same role in a second cluster")
			second := cloud.SecondCluster(ctx, env)
			cloud.Associate(ctx, env, namespace, account, role, cloud.InCluster(second))
			there := cloud.AwaitSessionIn(ctx, env, second, string(workload.NewToken(ctx, env, tenant.Pod)))
			here, elsewhere := env.ClusterName+"/"+namespace+"/test.txt", second+"/"+namespace+"/test.txt"

			expectAllowed(ctx, env, tenant.Put(bucket, here))
			expectAllowed(ctx, env, there.Put(bucket, elsewhere))
			expectAllowed(ctx, env, tenant.Get(bucket, here))
			expectAllowed(ctx, env, there.Get(bucket, elsewhere))
			expectDenied(ctx, tenant.Get(bucket, elsewhere), "the second cluster's")
			expectDenied(ctx, there.Get(bucket, here), "the first cluster's")
		})

	It("is denied by a statement on a tag whatever else allows, also a session that has no tags", Covers("ABAC-10"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			bucket.Put(ctx, "open/test.txt", nil)
			bucket.Put(ctx, "closed/test.txt", nil)
			pod := newPod(ctx, env)

			By("allowing all of a bucket, and denying a part of it to all namespaces but one")
			role := cloud.NewRole(ctx, env, cloud.Join(cloud.Allow([]string{bucket.ARN() + "/*"}, "s3:*"),
				cloud.Deny([]string{bucket.ARN() + "/closed/*"}, "s3:*").When("StringNotEquals", "aws:PrincipalTag/kubernetes-namespace", pod.Namespace)))
			cloud.Associate(ctx, env, pod.Namespace, account, role)
			named := tenant{workload.NewSession(ctx, env, pod), pod}
			another, untagged := newTenant(ctx, env, role), newTenant(ctx, env, role, cloud.WithoutSessionTags())

			for _, one := range []tenant{named, another, untagged} {
				expectAllowed(ctx, env, one.Get(bucket, "open/test.txt"))
			}
			Expect(named.Get(bucket, "closed/test.txt")(ctx)).To(Succeed(), "the namespace that is named")
			Expect(another.Get(bucket, "closed/test.txt")(ctx)).To(BeRefusedWith("AccessDenied", 403), "another namespace")
			Expect(untagged.Get(bucket, "closed/test.txt")(ctx)).To(BeRefusedWith("AccessDenied", 403), "a session without tags")
		})

	It("may be limited to a network", Covers("ABAC-11"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			bucket.Put(ctx, "test.txt", nil)
			objects := []string{bucket.ARN() + "/*"}
			outside := func(via string) cloud.Document {
				// 192.0.2.0/24 is for documentation: no host has such an address.
				return cloud.Deny([]string{"*"}, "*").When("NotIpAddress", "aws:SourceIp", "192.0.2.0/24").When("Bool", "aws:ViaAWSService", via)
			}

			By("denying what a service makes on the session's behalf")
			free := newTenant(ctx, env, cloud.NewRole(ctx, env, cloud.Join(cloud.Allow(objects, "s3:GetObject"), outside("true"))))
			expectAllowed(ctx, env, free.Get(bucket, "test.txt"))

			By("denying what the session makes from outside of a network that nobody is in")
			kept := newTenant(ctx, env, cloud.NewRole(ctx, env, cloud.Join(cloud.Allow(objects, "s3:GetObject"), outside("false"))))
			Eventually(kept.Get(bucket, "test.txt")).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeRefusedWith("AccessDenied", 403))
		})
})
