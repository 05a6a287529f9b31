package eksauth

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
)

var _ = Describe("The answer of EKS Auth", func() {
	It("says whose token it was and which association led to the role", Covers("AUT-03"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, association := associated(ctx, env)

			out := answer(ctx, env, pod)

			Expect(out.Audience).To(HaveValue(Equal("pods.eks.amazonaws.com")))
			Expect(out.Subject.Namespace).To(HaveValue(Equal(pod.Namespace)))
			Expect(out.Subject.ServiceAccount).To(HaveValue(Equal(account)))

			By("describing the association")
			known, err := env.EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{
				ClusterName: &env.ClusterName, AssociationId: &association.ID,
			})
			Expect(err).NotTo(HaveOccurred())
			Expect(out.PodIdentityAssociation.AssociationId).To(Equal(known.Association.AssociationId))
			Expect(out.PodIdentityAssociation.AssociationArn).To(Equal(known.Association.AssociationArn))
		})

	It("names the session after cluster and pod, anew each time", Covers("AUT-04"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, association := associated(ctx, env, named("web"))

			first, second := answer(ctx, env, pod).AssumedRoleUser, answer(ctx, env, pod).AssumedRoleUser

			name := sessionName(aws.ToString(first.Arn))
			Expect(first.Arn).To(HaveValue(MatchRegexp(`^arn:aws[a-z-]*:sts::%s:assumed-role/%s/[^/]+$`, env.AccountID, association.Role.Name)))
			Expect(first.AssumeRoleId).To(HaveValue(Equal(association.Role.ID + ":" + name)))
			Expect(name).To(BeSessionName(env.ClusterName, "web"))
			Expect(sessionName(aws.ToString(second.Arn))).NotTo(Equal(name))
		})

	It("shortens the session's name to what STS takes", Covers("AUT-04"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			name := "web-" + strings.Repeat("0123456789", 24) + "-end" // of at most 253 characters
			pod, _ := associated(ctx, env, named(name))

			out := answer(ctx, env, pod)

			Expect(sessionName(aws.ToString(out.AssumedRoleUser.Arn))).To(BeSessionName(env.ClusterName, name))
		})

	It("gives credentials for six hours", Covers("AUT-11"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, _ := associated(ctx, env)

			before := time.Now()
			out := answer(ctx, env, pod)

			Expect(out.Credentials.Expiration).To(HaveValue(BeTemporally("~", before.Add(6*time.Hour), clockSkew)))
		})

	It("gives credentials of a target role for 59 minutes", Covers("AUT-11"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := newPod(ctx, env)
			source := cloud.NewRole(ctx, env)
			target := cloud.NewRoleTrusting(ctx, env, cloud.TrustRole(source, cloud.ExternalID(env, pod.Namespace, account)))
			source.Put(ctx, env, cloud.Allow([]string{target.ARN}, "sts:AssumeRole", "sts:TagSession"))
			cloud.Associate(ctx, env, pod.Namespace, account, source, cloud.WithTarget(target))
			cloud.AwaitSession(ctx, env, string(pod.token))

			before := time.Now()
			out := answer(ctx, env, pod)

			Expect(out.Credentials.Expiration).To(HaveValue(BeTemporally("~", before.Add(59*time.Minute), clockSkew)))
		})
})

// clockSkew is how far this machine's clock may be from AWS's: less than what reports lives apart.
const clockSkew = 30 * time.Second
