package authorization

import (
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
)

var _ = Describe("A policy on session tags", func() {
	It("compares them with the tags of an object", Covers("ABAC-05"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			role := cloud.NewRole(ctx, env, cloud.Allow([]string{bucket.ARN() + "/*"}, "s3:GetObject").
				When("StringEquals", "s3:ExistingObjectTag/eks-cluster-name", "${aws:PrincipalTag/eks-cluster-name}").
				When("StringEquals", "s3:ExistingObjectTag/kubernetes-namespace", "${aws:PrincipalTag/kubernetes-namespace}"))
			tenant := newTenant(ctx, env, role)

			By("putting objects with the tags of the session, with others, and without")
			tags := func(cluster, namespace string) map[string]string {
				return map[string]string{"eks-cluster-name": cluster, "kubernetes-namespace": namespace}
			}
			bucket.PutTagged(ctx, "own", nil, tags(env.ClusterName, tenant.Pod.Namespace))
			bucket.PutTagged(ctx, "cluster", nil, tags(env.ClusterName+"-other", tenant.Pod.Namespace))
			bucket.PutTagged(ctx, "namespace", nil, tags(env.ClusterName, "other"))
			bucket.PutTagged(ctx, "case", nil, tags(strings.ToUpper(env.ClusterName), tenant.Pod.Namespace))
			bucket.PutTagged(ctx, "half", nil, map[string]string{"eks-cluster-name": env.ClusterName})
			bucket.Put(ctx, "untagged", nil)

			expectAllowed(ctx, env, tenant.Get(bucket, "own"))
			for _, key := range []string{"cluster", "namespace", "case", "half", "untagged"} {
				expectDenied(ctx, tenant.Get(bucket, key), "object %s", key)
			}
		})

	It("lists the session's own prefix and nothing else", Covers("ABAC-06"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			role := cloud.NewRole(ctx, env, cloud.Allow([]string{bucket.ARN()}, "s3:ListBucket").
				When("StringLike", "s3:prefix", "${aws:PrincipalTag/kubernetes-namespace}/*"))
			tenant := newTenant(ctx, env, role)
			own := tenant.Pod.Namespace + "/"
			for _, key := range []string{own + "a.txt", own + "b.txt", "other/c.txt"} {
				bucket.Put(ctx, key, nil)
			}
			list := func(prefix *string) func(SpecContext) ([]string, error) {
				return func(ctx SpecContext) ([]string, error) { return tenant.List(ctx, bucket, prefix) }
			}

			By("listing with the prefix, with another and with none")
			Eventually(list(&own)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(ConsistOf(own+"a.txt", own+"b.txt"))

			for name, prefix := range map[string]*string{"another prefix": aws.String("other/"), "an empty prefix": aws.String(""), "no prefix": nil} {
				_, err := tenant.List(ctx, bucket, prefix)
				Expect(err).To(BeRefusedWith("AccessDenied", http.StatusForbidden), name)
			}
		})

	It("reveals a missing object only to a session that may list the bucket", Covers("ABAC-07"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			own := bucket.ARN() + "/${aws:PrincipalTag/kubernetes-namespace}/*"
			blind := newTenant(ctx, env, cloud.NewRole(ctx, env, cloud.Allow([]string{own}, "s3:GetObject")))
			seeing := newTenant(ctx, env, cloud.NewRole(ctx, env, cloud.Allow([]string{own}, "s3:GetObject"), cloud.Allow([]string{bucket.ARN()}, "s3:ListBucket")))

			By("reading an object that is there, so that the policies are known to work")
			for _, one := range []tenant{blind, seeing} {
				bucket.Put(ctx, one.Pod.Namespace+"/there", nil)
				expectAllowed(ctx, env, one.Get(bucket, one.Pod.Namespace+"/there"))
			}

			By("reading one that is not")
			missing := func(t tenant) string { return t.Pod.Namespace + "/missing" }
			Expect(blind.Head(bucket, missing(blind))(ctx)).To(BeRefusedWith("Forbidden", http.StatusForbidden))
			Expect(blind.Get(bucket, missing(blind))(ctx)).To(BeRefusedWith("AccessDenied", http.StatusForbidden))
			Eventually(seeing.Head(bucket, missing(seeing))).WithContext(ctx).Within(env.Timeouts.CredentialsWork).
				Should(BeRefusedWith("NotFound", http.StatusNotFound))
			Expect(seeing.Get(bucket, missing(seeing))(ctx)).To(BeRefusedWith("NoSuchKey", http.StatusNotFound))
		})
})
