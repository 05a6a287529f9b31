package cloud

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/framework"
)

// Association is a Pod Identity association.
type Association struct {
	ID, ARN                   string
	Namespace, ServiceAccount string
	Role                      *Role
	// Created is the time of EKS's answer. Delays are measured from it.
	Created time.Time
}

// AssociationOption changes an association before it is requested.
type AssociationOption func(*eks.CreatePodIdentityAssociationInput)

// WithoutSessionTags leaves the session tags out.
func WithoutSessionTags() AssociationOption {
	return func(in *eks.CreatePodIdentityAssociationInput) { in.DisableSessionTags = aws.Bool(true) }
}

// WithTarget sets a target role, which the associated role assumes.
func WithTarget(role *Role) AssociationOption {
	return func(in *eks.CreatePodIdentityAssociationInput) { in.TargetRoleArn = &role.ARN }
}

// WithSessionPolicy limits the permissions of sessions. It requires WithoutSessionTags.
func WithSessionPolicy(policy Document) AssociationOption {
	return func(in *eks.CreatePodIdentityAssociationInput) { in.Policy = encode(policy) }
}

// Associate associates a service account, which need not exist, with a role.
func Associate(ctx context.Context, env *framework.Env, namespace, serviceAccount string, role *Role, options ...AssociationOption) *Association {
	env.T.Helper()
	created, err := createAssociation(ctx, env, namespace, serviceAccount, role, options...)
	if err != nil {
		env.T.Fatalf("create association of %s/%s with role %s: %v", namespace, serviceAccount, role.Name, err)
	}
	association := &Association{
		ID: aws.ToString(created.AssociationId), ARN: aws.ToString(created.AssociationArn),
		Namespace: namespace, ServiceAccount: serviceAccount, Role: role, Created: time.Now(),
	}
	removeAssociation(env, aws.ToString(created.ClusterName), association.ID)
	return association
}

// Dissociate deletes an association before the end of the spec.
func Dissociate(ctx context.Context, env *framework.Env, association *Association) {
	env.T.Helper()
	_, err := env.EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &association.ID})
	if err != nil {
		env.T.Fatalf("delete association %s: %v", association.ID, err)
	}
}

// RemoveAssociation removes an association at the end, unless it is gone by then.
func RemoveAssociation(env *framework.Env, id string) {
	removeAssociation(env, env.ClusterName, id)
}

func removeAssociation(env *framework.Env, cluster, id string) {
	env.T.Cleanup("association "+id, func(ctx context.Context) error {
		_, err := env.EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &cluster, AssociationId: &id})
		if _, gone := errors.AsType[*ekstypes.ResourceNotFoundException](err); gone {
			return nil
		}
		return err
	})
}

// createAssociation requests an association until EKS sees its role. For a moment EKS refuses a new role with
// InvalidParameterException
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency).
func createAssociation(ctx context.Context, env *framework.Env, namespace, serviceAccount string, role *Role, options ...AssociationOption) (*ekstypes.PodIdentityAssociation, error) {
	input := &eks.CreatePodIdentityAssociationInput{
		ClusterName: &env.ClusterName, Namespace: &namespace, ServiceAccount: &serviceAccount, RoleArn: &role.ARN,
	}
	for _, option := range options {
		option(input)
	}
	var created *ekstypes.PodIdentityAssociation
	var last error
	// The caller's context is used, and not the wait's: the wait bounds the repeats, and not an answer.
	err := wait.For(func(context.Context) (bool, error) {
		var answer *eks.CreatePodIdentityAssociationOutput
		answer, last = env.EKS.CreatePodIdentityAssociation(ctx, input)
		if _, notYet := errors.AsType[*ekstypes.InvalidParameterException](last); notYet {
			return false, nil
		}
		if last == nil {
			created = answer.Association
		}
		return true, nil
	}, wait.WithContext(ctx), wait.WithTimeout(env.Timeouts.RoleVisible), wait.WithInterval(500*time.Millisecond), wait.WithImmediate())
	if last != nil {
		return nil, last
	}
	return created, err
}

// ExternalID is the external ID with which EKS assumes the target role of a service account's association:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
func ExternalID(env *framework.Env, namespace, serviceAccount string) string {
	return strings.Join([]string{env.Region, env.AccountID, env.ClusterName, namespace, serviceAccount}, "/")
}

// errAgreed says that EKS accepted a request that it should have refused.
var errAgreed = errors.New("EKS made a second association")

// AssociateAgain requests a second association of the same service account and returns EKS's error, which is never nil. If
// EKS accepts the request, the association is removed.
func AssociateAgain(ctx context.Context, env *framework.Env, first *Association) error {
	env.T.Helper()
	created, err := createAssociation(ctx, env, first.Namespace, first.ServiceAccount, first.Role)
	if err != nil {
		return err
	}
	if id := aws.ToString(created.AssociationId); id != first.ID {
		RemoveAssociation(env, id)
	}
	return errAgreed
}
