package emulator

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	awseksauth "github.com/aws/aws-sdk-go-v2/service/eksauth"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// TestAddonsAssociation: an add-on's association gives credentials as long as the add-on exists.
func TestAddonsAssociation(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	role := w.role(t, "cni", seedTrust, "")
	in := &awseks.CreateAddonInput{
		ClusterName: aws.String(clusterName), AddonName: aws.String("vpc-cni"), NamespaceConfig: &types.AddonNamespaceConfigRequest{Namespace: aws.String("default")},
		PodIdentityAssociations: []types.AddonPodIdentityAssociations{{ServiceAccount: aws.String("aws-node"), RoleArn: &role}},
	}
	fault, err := w.control.AddFault(ctx, control.Fault{Service: "eks", Operation: "CreateAddon", Count: 1, Error: &control.Refusal{Kind: control.Throttling}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.admin().eks.CreateAddon(ctx, in); statusOf(err) != 429 {
		t.Errorf("fault %s: %v", fault.ID, err)
	}
	made, err := w.admin().eks.CreateAddon(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if _, out := w.pod(t, "aws-node", "aws-node-1"); *out.PodIdentityAssociation.AssociationArn != made.Addon.PodIdentityAssociations[0] {
		t.Errorf("association %s, add-on %+v", *out.PodIdentityAssociation.AssociationArn, made.Addon)
	}
	if _, err := w.admin().eks.DeleteAddon(ctx, &awseks.DeleteAddonInput{ClusterName: aws.String(clusterName), AddonName: aws.String("vpc-cni")}); err != nil {
		t.Fatal(err)
	}
	_, err = w.node(t).eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token("aws-node", "aws-node-1", nil)),
	})
	if statusOf(err) != 404 {
		t.Errorf("after the add-on: %v", err)
	}
}
