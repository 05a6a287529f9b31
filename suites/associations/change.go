package associations

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("A change of an association", func() {
	It("changes what is asked for and no more", Covers("ASC-06"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role, target := cloud.NewRole(ctx, env), cloud.NewRole(ctx, env)
			association := cloud.Associate(ctx, env, env.NewName(), account, cloud.NewRole(ctx, env))
			before := describe(ctx, env, association)

			By("changing the role")
			first := updateLater(ctx, env, association, before, func(in *eks.UpdatePodIdentityAssociationInput) { in.RoleArn = &role.ARN })
			Expect(first.RoleArn).To(HaveValue(Equal(role.ARN)))

			By("changing everything else")
			policy := cloud.Text(cloud.Allow([]string{"*"}, "s3:GetObject"))
			second := updateLater(ctx, env, association, first, func(in *eks.UpdatePodIdentityAssociationInput) {
				in.TargetRoleArn, in.DisableSessionTags, in.Policy = &target.ARN, aws.Bool(true), &policy
			})
			Expect(second.RoleArn).To(HaveValue(Equal(role.ARN)))
			Expect(second.TargetRoleArn).To(HaveValue(Equal(target.ARN)))
			Expect(second.DisableSessionTags).To(HaveValue(BeTrue()))
			Expect(second.Policy).To(HaveValue(MatchJSON(policy)))

			By("comparing with what it was")
			Expect(second.AssociationId).To(Equal(before.AssociationId))
			Expect(second.AssociationArn).To(Equal(before.AssociationArn))
			Expect(second.Namespace).To(Equal(before.Namespace))
			Expect(second.ServiceAccount).To(Equal(before.ServiceAccount))
			Expect(second.CreatedAt).To(Equal(before.CreatedAt))
			Expect(second.Tags).To(Equal(env.Tags()))
		})

	It("is refused when it changes nothing", Covers("ASC-06"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := cloud.Associate(ctx, env, env.NewName(), account, cloud.NewRole(ctx, env))

			Expect(send(ctx, env, http.MethodPost, "/"+association.ID, "{}").Status).To(Equal(http.StatusBadRequest))
			Expect(send(ctx, env, http.MethodPost, "/"+association.ID, `{"disableSessionTags": true}`)).To(haveAssociation, "with a change")
		})

	It("takes effect on new sessions within bounded time, and not on existing ones", Covers("ASC-09"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			token := string(workload.NewToken(ctx, env, workload.NewUnscheduledPod(ctx, env, namespace, account)))
			reader, writer := cloud.NewRole(ctx, env), cloud.NewRole(ctx, env)
			association := cloud.Associate(ctx, env, namespace, account, reader)
			first := cloud.AwaitSession(ctx, env, token)

			By("changing the role")
			changed := time.Now()
			update(ctx, env, association, func(in *eks.UpdatePodIdentityAssociationInput) { in.RoleArn = &writer.ARN })
			Eventually(sessionOf(env, token)).WithContext(ctx).Within(env.Timeouts.AssociationVisible).Should(beOf(writer))
			report(env, "a changed role counted after", changed)
			Expect(callerOf(ctx, first)).To(beOf(reader), "credentials that were issued before")

			By("deleting the association")
			deleted := time.Now()
			remove(ctx, env, association)
			Eventually(refusalOf(env, token)).WithContext(ctx).Within(env.Timeouts.AssociationVisible).
				Should(BeRefusedWith("ResourceNotFoundException", http.StatusNotFound))
			report(env, "a deletion counted after", deleted)
			Expect(callerOf(ctx, first)).To(beOf(reader), "credentials that were issued before")

			By("making it again")
			made := time.Now()
			cloud.Associate(ctx, env, namespace, account, reader)
			Eventually(sessionOf(env, token)).WithContext(ctx).Within(env.Timeouts.AssociationVisible).Should(beOf(reader))
			report(env, "a new association counted after", made)
		})
})

func report(env *framework.Env, what string, since time.Time) {
	env.T.Report(what, fmt.Sprint(time.Since(since).Round(time.Millisecond)))
}

// sessionOf requests a session from EKS Auth and returns its ARN.
func sessionOf(env *framework.Env, token string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		session, err := cloud.AssumeForPod(ctx, env, env.ClusterName, token)
		if err != nil {
			return "", err
		}
		return session.ARN, nil
	}
}

// refusalOf returns the error of sessionOf.
func refusalOf(env *framework.Env, token string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := sessionOf(env, token)(ctx)
		return err
	}
}

// callerOf returns the identity of a session, by STS.
func callerOf(ctx context.Context, session *cloud.Session) (string, error) {
	identity, err := session.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return aws.ToString(identity.Arn), nil
}

// beOf holds of the ARN of a session of the role.
func beOf(role *cloud.Role) OmegaMatcher {
	return MatchRegexp(`^arn:aws[a-z-]*:sts::[0-9]{12}:assumed-role/%s/`, role.Name)
}
