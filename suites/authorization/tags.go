package authorization

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
)

var _ = Describe("The tags of a session", func() {
	It("are the six and no other", Covers("TAG-01"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)

			By("letting a role be assumed with the live value of each of the six, and with no seventh")
			trust := cloud.TrustPodIdentity().When("ForAllValues:StringEquals", "aws:TagKeys", cloud.SessionTags()...)
			for tag, value := range tagsOf(env, pod) {
				trust = trust.When("StringEquals", "aws:RequestTag/"+tag, value)
			}
			cloud.Associate(ctx, env, pod.Namespace, account, cloud.NewRoleTrusting(ctx, env, trust))

			Eventually(askForSession(env, pod)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())
		})

	It("stay with it when it assumes another role", Covers("TAG-02"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			first := cloud.NewRole(ctx, env)
			second := cloud.NewRoleTrusting(ctx, env, cloud.TrustSession(first), cloud.Allow(taggedResources(bucket), "s3:GetObject"))
			first.Put(ctx, env, cloud.Allow([]string{second.ARN}, "sts:AssumeRole", "sts:TagSession"))
			tenant := newTenant(ctx, env, first)
			for tag, value := range tenant.tags(env) {
				bucket.Put(ctx, tag+"/"+value, nil)
				bucket.Put(ctx, tag+"/not-"+value, nil)
			}

			By("assuming a second role, whose policy names the six tags, without passing any")
			hop := assume(ctx, env, tenant.Session, second, nil)

			for tag, value := range tenant.tags(env) {
				expectAllowed(ctx, env, hop.Get(bucket, tag+"/"+value), "principal tag %s=%s after the hop", tag, value)
				expectDenied(ctx, hop.Get(bucket, tag+"/not-"+value), "another value of %s after the hop", tag)
			}
		})

	It("win over tags of the role, whose other tags stay", Covers("TAG-03"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			role := cloud.NewRole(ctx, env, cloud.Allow([]string{
				bucket.ARN() + "/namespace/${aws:PrincipalTag/kubernetes-namespace}", bucket.ARN() + "/team/${aws:PrincipalTag/team}",
			}, "s3:GetObject"))

			By("tagging the role with a namespace that the pod is not in, and with a team")
			role.Tag(ctx, env, "kubernetes-namespace", "kube-system")
			role.Tag(ctx, env, "team", "blue")
			tenant := newTenant(ctx, env, role)
			for _, key := range []string{"namespace/" + tenant.Pod.Namespace, "namespace/kube-system", "team/blue"} {
				bucket.Put(ctx, key, nil)
			}

			expectAllowed(ctx, env, tenant.Get(bucket, "namespace/"+tenant.Pod.Namespace), "the session's own namespace")
			expectAllowed(ctx, env, tenant.Get(bucket, "team/blue"), "the role's other tag")
			expectDenied(ctx, tenant.Get(bucket, "namespace/kube-system"), "the namespace that the role is tagged with")
		})

	It("are left out where the association disables them", Covers("TAG-04"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			By("associating a role whose policy allows an object for each tag that the session lacks")
			tenant := newTenant(ctx, env, cloud.NewRole(ctx, env, cloud.OwnPrefix(bucket), cloud.Untagged(bucket)), cloud.WithoutSessionTags())
			own, nameless := env.ClusterName+"/"+tenant.Pod.Namespace+"/test.txt", "//test.txt"
			bucket.Put(ctx, own, nil)
			bucket.Put(ctx, nameless, nil)
			for _, tag := range cloud.SessionTags() {
				bucket.Put(ctx, cloud.UntaggedKey(tag), nil)
			}

			for _, tag := range cloud.SessionTags() {
				expectAllowed(ctx, env, tenant.Get(bucket, cloud.UntaggedKey(tag)), "what a session without the tag %s may read", tag)
			}
			expectDenied(ctx, tenant.Get(bucket, own), "what a policy on session tags allows")
			expectDenied(ctx, tenant.Get(bucket, nameless), "what it would allow if a tag that is not there were an empty one")
		})

	It("take space, which STS tells, and keep tags out that do not fit beside them", Covers("TAG-06"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			first := cloud.NewRole(ctx, env)
			second := cloud.NewRoleTrusting(ctx, env, cloud.TrustSession(first))
			first.Put(ctx, env, cloud.Allow([]string{second.ARN}, "sts:AssumeRole", "sts:TagSession"))
			tenant := newTenant(ctx, env, first)

			By("assuming a second role with one tag more")
			hop := assume(ctx, env, tenant.Session, second, map[string]string{"team": "blue"})
			env.T.Report("packed size of the six tags and one", hop.PackedSize)
			Expect(hop.PackedSize).To(And(BeNumerically(">", 0), BeNumerically("<=", 100)), "percent of the space")

			By("passing forty tags of 256 random characters")
			_, err := tenant.Assume(ctx, second, randomTags(40))
			Expect(err).To(BeRefusedWith("PackedPolicyTooLarge", http.StatusBadRequest))
		})
})

// assume assumes a role with a session that has the permission.
func assume(ctx context.Context, env *framework.Env, session *cloud.Session, role *cloud.Role, tags map[string]string) *cloud.Session {
	GinkgoHelper()
	var hop *cloud.Session
	Eventually(func(ctx context.Context) (err error) {
		hop, err = session.Assume(ctx, role, tags)
		return err
	}).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed())
	return hop
}

// randomTags are tags with the longest possible values, which cannot be compressed.
func randomTags(count int) map[string]string {
	tags := map[string]string{}
	for n := range count {
		value := ""
		for len(value) < 256 {
			value += rand.Text()
		}
		tags[fmt.Sprintf("random-%02d", n)] = value[:256]
	}
	return tags
}
