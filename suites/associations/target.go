package associations

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("An association with a target role", func() {
	It("makes pods sessions of the target role, by the association's external ID", Covers("ASC-10"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, token := newToken(ctx, env)
			id := cloud.ExternalID(env, namespace, account)
			source := cloud.NewRole(ctx, env)
			target := cloud.NewRoleTrusting(ctx, env, cloud.TrustRole(source, id))
			source.Put(ctx, env, mayAssume(target))
			association := cloud.Associate(ctx, env, namespace, account, source, cloud.WithTarget(target))

			Expect(describe(ctx, env, association).ExternalId).To(HaveValue(Equal(id)))
			Eventually(sessionOf(env, token)).WithContext(ctx).Within(env.Timeouts.RoleVisible).Should(beOf(target))

			By("letting the target role trust another external ID")
			target.SetTrust(ctx, env, cloud.TrustRole(source, cloud.ExternalID(env, namespace, "other")))
			Eventually(refusalOf(env, token)).WithContext(ctx).Within(env.Timeouts.PolicyVisible).
				Should(BeRefusedWith("AccessDeniedException", http.StatusBadRequest))
		})

	It("loses the target role, and its external ID, by an update with an empty one", Covers("ASC-13"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, token := newToken(ctx, env)
			source, target := cloud.NewRole(ctx, env), cloud.NewRole(ctx, env)
			association := cloud.Associate(ctx, env, namespace, account, source, cloud.WithTarget(target))

			update(ctx, env, association, func(in *eks.UpdatePodIdentityAssociationInput) { in.TargetRoleArn = ptr("") })

			known := describe(ctx, env, association)
			Expect(known.TargetRoleArn).To(BeNil())
			Expect(known.ExternalId).To(BeNil())
			Eventually(sessionOf(env, token)).WithContext(ctx).Within(env.Timeouts.AssociationVisible).Should(beOf(source))
		})

	It("reaches roles of another account", Covers("ASC-10"), Needs(clusters.SecondAccount),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, token := newToken(ctx, env)
			source := cloud.NewRole(ctx, env)
			target := cloud.NewRoleElsewhere(ctx, env, cloud.TrustRole(source, cloud.ExternalID(env, namespace, account)))
			source.Put(ctx, env, mayAssume(target))
			cloud.Associate(ctx, env, namespace, account, source, cloud.WithTarget(target))

			Eventually(sessionOf(env, token)).WithContext(ctx).Within(env.Timeouts.RoleVisible).Should(
				And(beOf(target), ContainSubstring(":"+env.SecondAccount.ID+":")))
		})
})

var _ = Describe("An association with a session policy", func() {
	It("is refused while session tags are on", Covers("ASC-11"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role := cloud.NewRole(ctx, env)
			association := cloud.Associate(ctx, env, env.NewName(), account, role)
			policy := cloud.Text(cloud.Allow([]string{"*"}, "s3:*"))
			refused := Or(
				BeRefusedWith("InvalidParameterException", http.StatusBadRequest),
				BeRefusedWith("InvalidRequestException", http.StatusBadRequest),
			)

			Expect(creating(ctx, env, func(in *eks.CreatePodIdentityAssociationInput) { in.RoleArn, in.Policy = &role.ARN, &policy })).To(refused)
			Expect(creating(ctx, env, func(in *eks.CreatePodIdentityAssociationInput) {
				in.RoleArn, in.Policy, in.DisableSessionTags = &role.ARN, &policy, ptr(true)
			})).To(Succeed(), "without session tags")

			By("updating an association that has session tags")
			_, err := env.EKS.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{
				ClusterName: &env.ClusterName, AssociationId: &association.ID, Policy: &policy,
			})
			Expect(err).To(refused)
		})

	It("allows what both the role and the policy allow", Covers("ASC-11"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, token := newToken(ctx, env)
			bucket := newBucket(ctx, env)
			role := cloud.NewRole(ctx, env, cloud.Allow([]string{bucket.ARN() + "/both", bucket.ARN() + "/role"}, "s3:GetObject"))
			policy := cloud.Allow([]string{bucket.ARN() + "/both", bucket.ARN() + "/policy"}, "s3:GetObject")
			cloud.Associate(ctx, env, namespace, account, role, cloud.WithoutSessionTags(), cloud.WithSessionPolicy(policy))

			expectBoth(ctx, env, bucket, token)
		})

	It("limits the target role alone", Covers("ASC-11"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, token := newToken(ctx, env)
			bucket := newBucket(ctx, env)
			source := cloud.NewRole(ctx, env)
			target := cloud.NewRoleTrusting(ctx, env, cloud.TrustRole(source, cloud.ExternalID(env, namespace, account)),
				cloud.Allow([]string{bucket.ARN() + "/both", bucket.ARN() + "/role"}, "s3:GetObject"))
			source.Put(ctx, env, mayAssume(target))
			policy := cloud.Allow([]string{bucket.ARN() + "/both", bucket.ARN() + "/policy"}, "s3:GetObject") // and no sts:AssumeRole
			cloud.Associate(ctx, env, namespace, account, source, cloud.WithTarget(target), cloud.WithoutSessionTags(), cloud.WithSessionPolicy(policy))

			Eventually(sessionOf(env, token)).WithContext(ctx).Within(env.Timeouts.RoleVisible).Should(beOf(target))
			expectBoth(ctx, env, bucket, token)
		})
})

// newToken makes a service account in a namespace of its own and a token of a pod of it.
func newToken(ctx context.Context, env *framework.Env) (namespace, token string) {
	env.T.Helper()
	namespace = workload.NewNamespace(ctx, env)
	workload.NewServiceAccount(ctx, env, namespace, account)
	return namespace, string(workload.NewToken(ctx, env, workload.NewUnscheduledPod(ctx, env, namespace, account)))
}

// mayAssume lets the associated role assume the target role.
func mayAssume(target *cloud.Role) cloud.Document {
	return cloud.Allow([]string{target.ARN}, "sts:AssumeRole", "sts:TagSession")
}

// newBucket has objects whose names say who may read them.
func newBucket(ctx context.Context, env *framework.Env) *cloud.Bucket {
	env.T.Helper()
	bucket := cloud.NewBucket(ctx, env)
	for _, key := range []string{"both", "role", "policy"} {
		bucket.Put(ctx, key, []byte(key))
	}
	return bucket
}

// expectBoth expects that the session for a token may read what both role and policy allow.
func expectBoth(ctx context.Context, env *framework.Env, bucket *cloud.Bucket, token string) {
	GinkgoHelper()
	session := cloud.AwaitSession(ctx, env, token)
	Eventually(session.Get(bucket, "both")).WithContext(ctx).Within(env.Timeouts.PolicyVisible).Should(Succeed())
	Expect(session.Get(bucket, "role")(ctx)).To(BeRefusedWith("AccessDenied", http.StatusForbidden), "what the role alone allows")
	Expect(session.Get(bucket, "policy")(ctx)).To(BeRefusedWith("AccessDenied", http.StatusForbidden), "what the policy alone allows")
}
