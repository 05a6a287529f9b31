package associations

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
)

var _ = Describe("A role that is no good", func() {
	It("is refused when its trust policy does not name Pod Identity", Covers("ASC-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role := cloud.NewRoleTrusting(ctx, env, cloud.TrustService("ec2.amazonaws.com", "sts:AssumeRole", "sts:TagSession"))
			association := cloud.Associate(ctx, env, env.NewName(), account, cloud.NewRole(ctx, env)) // with a valid role it is created
			invalid := BeRefusedWith("InvalidParameterException", http.StatusBadRequest)

			Expect(creating(ctx, env, withRole(role))).To(invalid)

			By("updating an association")
			_, err := env.EKS.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{
				ClusterName: &env.ClusterName, AssociationId: &association.ID, RoleArn: &role.ARN,
			})
			Expect(err).To(invalid)
		})

	It("is refused when it is of another account", Covers("ASC-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			elsewhere := &cloud.Role{ARN: "arn:aws:iam::" + otherAccount(env) + ":role/reader"}
			if env.SecondAccount != nil {
				elsewhere = cloud.NewRoleElsewhere(ctx, env, cloud.TrustPodIdentity())
			}

			cloud.Associate(ctx, env, env.NewName(), account, cloud.NewRole(ctx, env)) // a role of the account is accepted
			Expect(creating(ctx, env, withRole(elsewhere))).To(Either(
				BeRefusedWith("InvalidParameterException", http.StatusBadRequest),
				BeRefusedWith("AccessDeniedException", http.StatusForbidden), // iam:PassRole does not reach over accounts
			))
		})

	It("is refused when the caller may not pass it", Covers("ASC-05"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role, other := cloud.NewRole(ctx, env), cloud.NewRole(ctx, env)
			caller := cloud.NewCaller(ctx, env,
				cloud.Allow([]string{"*"}, "eks:*", "iam:GetRole"), cloud.Allow([]string{other.ARN}, "iam:PassRole"))

			By("passing the role that the caller may pass")
			input := &eks.CreatePodIdentityAssociationInput{ClusterName: &env.ClusterName, Namespace: ptr(env.NewName()), ServiceAccount: ptr(account), RoleArn: &other.ARN}
			Eventually(func(ctx SpecContext) error {
				made, err := caller.EKS.CreatePodIdentityAssociation(ctx, input)
				if err == nil {
					cloud.RemoveAssociation(env, *made.Association.AssociationId)
				}
				return err
			}).WithContext(ctx).Within(env.Timeouts.PolicyVisible).Should(Succeed())

			By("passing another")
			input.ServiceAccount, input.RoleArn = ptr("other"), &role.ARN
			_, err := caller.EKS.CreatePodIdentityAssociation(ctx, input)
			Expect(err).To(BeRefusedWith("AccessDeniedException", http.StatusForbidden))
		})
})

func withRole(role *cloud.Role) func(*eks.CreatePodIdentityAssociationInput) {
	return func(in *eks.CreatePodIdentityAssociationInput) { in.RoleArn = &role.ARN }
}

// otherAccount is an account that is not the environment's.
func otherAccount(env *framework.Env) string {
	if env.AccountID == "111122223333" { // of AWS's own examples
		return "444455556666"
	}
	return "111122223333"
}

func ptr[T any](value T) *T { return &value }
