package associations

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gcustom"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
)

// send sends a request below the path of the cluster's associations: https://docs.aws.amazon.com/eks/latest/APIReference/.
func send(ctx context.Context, env *framework.Env, method, below, body string) cloud.Answer {
	env.T.Helper()
	return cloud.Send(ctx, env, cloud.Request{
		Service: "eks", Method: method, Path: "/clusters/" + env.ClusterName + "/pod-identity-associations" + below, Body: body,
	})
}

// haveAssociation holds of a cloud.Answer with status 200 and an association.
var haveAssociation = gcustom.MakeMatcher(func(answer cloud.Answer) (bool, error) {
	return answer.Status == http.StatusOK && answer.Members()["association.associationId"] == "string", nil
}).WithMessage("be an association with status 200")

// creating requests a changed association with a new service account, and returns EKS's error. If EKS accepts the request,
// the association is removed.
func creating(ctx context.Context, env *framework.Env, change func(*eks.CreatePodIdentityAssociationInput)) error {
	env.T.Helper()
	namespace, name := env.NewName(), account
	input := &eks.CreatePodIdentityAssociationInput{ClusterName: &env.ClusterName, Namespace: &namespace, ServiceAccount: &name}
	change(input)
	made, err := env.EKS.CreatePodIdentityAssociation(ctx, input)
	if err == nil {
		cloud.RemoveAssociation(env, aws.ToString(made.Association.AssociationId))
	}
	return err
}

// update changes an association after EKS sees the roles of the change, because a new role is refused for a moment.
func update(ctx context.Context, env *framework.Env, association *cloud.Association, change func(*eks.UpdatePodIdentityAssociationInput)) {
	GinkgoHelper()
	input := &eks.UpdatePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &association.ID}
	change(input)
	Eventually(func(ctx context.Context) error {
		_, err := env.EKS.UpdatePodIdentityAssociation(ctx, input)
		if _, notYet := errors.AsType[*ekstypes.InvalidParameterException](err); err != nil && !notYet {
			return StopTrying("the change is refused").Wrap(err)
		}
		return err
	}).WithContext(ctx).Within(env.Timeouts.RoleVisible).Should(Succeed())
}

// updateLater changes an association and returns it after it has a later time of change. Times are in milliseconds, within
// which a local emulator creates an association and changes it. The change is then requested again.
func updateLater(
	ctx context.Context, env *framework.Env, association *cloud.Association,
	before *ekstypes.PodIdentityAssociation, change func(*eks.UpdatePodIdentityAssociationInput),
) *ekstypes.PodIdentityAssociation {
	GinkgoHelper()
	var after *ekstypes.PodIdentityAssociation
	Eventually(func(ctx context.Context) *time.Time {
		update(ctx, env, association, change)
		after = describe(ctx, env, association)
		return after.ModifiedAt
	}).WithContext(ctx).Within(env.Timeouts.AssociationVisible).Should(HaveValue(BeTemporally(">", *before.ModifiedAt)))
	return after
}

func describe(ctx context.Context, env *framework.Env, association *cloud.Association) *ekstypes.PodIdentityAssociation {
	GinkgoHelper()
	out, err := env.EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &association.ID})
	Expect(err).NotTo(HaveOccurred())
	return out.Association
}

// remove deletes the association and returns its ID.
func remove(ctx context.Context, env *framework.Env, association *cloud.Association) string {
	GinkgoHelper()
	_, err := env.EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &association.ID})
	Expect(err).NotTo(HaveOccurred())
	return association.ID
}
