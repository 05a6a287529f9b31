package compat

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

const (
	podIdentityAgent = "eks-pod-identity-agent"
	// addonIsThere is longer than the creation of an add-on takes.
	addonIsThere = time.Second
)

// eksAddonCases: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAddon.html and the pages of the other
// operations.
func eksAddonCases() []testCase {
	create := func(ctx context.Context, f *fixture, change func(*eks.CreateAddonInput)) error {
		in := &eks.CreateAddonInput{ClusterName: aws.String(f.Cluster()), AddonName: aws.String(podIdentityAgent)}
		change(in)
		return last(f.Admin().EKS.CreateAddon(ctx, in))
	}
	return []testCase{
		{"eks", "CreateAddon", "the Pod Identity agent", accepted, func(ctx context.Context, f *fixture) error {
			return create(ctx, f, func(*eks.CreateAddonInput) {})
		}},
		{"eks", "CreateAddon", "a pod identity association", accepted, func(ctx context.Context, f *fixture) error {
			role := f.Role(f.Name, trustPods, "")
			return create(ctx, f, func(in *eks.CreateAddonInput) {
				in.AddonName = aws.String("vpc-cni")
				in.PodIdentityAssociations = []types.AddonPodIdentityAssociations{{ServiceAccount: aws.String("aws-node"), RoleArn: &role}}
			})
		}},
		{"eks", "CreateAddon", "an association of an add-on without Pod Identity", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			role := f.Role(f.Name, trustPods, "")
			return create(ctx, f, func(in *eks.CreateAddonInput) {
				in.PodIdentityAssociations = []types.AddonPodIdentityAssociations{{ServiceAccount: aws.String("eks-pod-identity-agent"), RoleArn: &role}}
			})
		}},
		{"eks", "CreateAddon", "an association of a service account that the add-on does not have", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			role := f.Role(f.Name, trustPods, "")
			return create(ctx, f, func(in *eks.CreateAddonInput) {
				in.AddonName = aws.String("vpc-cni")
				in.PodIdentityAssociations = []types.AddonPodIdentityAssociations{{ServiceAccount: aws.String("app"), RoleArn: &role}}
			})
		}},
		{"eks", "CreateAddon", "the same request token again", accepted, func(ctx context.Context, f *fixture) error {
			once := func(in *eks.CreateAddonInput) { in.ClientRequestToken = aws.String("once") }
			f.must(create(ctx, f, once))
			return create(ctx, f, once)
		}},
		{"eks", "CreateAddon", "the same request token with other input", refused(400, "InvalidRequestException"), func(ctx context.Context, f *fixture) error {
			f.must(create(ctx, f, func(in *eks.CreateAddonInput) { in.ClientRequestToken = aws.String("once") }))
			return create(ctx, f, func(in *eks.CreateAddonInput) {
				in.ClientRequestToken, in.Tags = aws.String("once"), map[string]string{"a": "b"}
			})
		}},
		{"eks", "CreateAddon", "an add-on that is there", refused(409, "ResourceInUseException"), func(ctx context.Context, f *fixture) error {
			f.addon(ctx)
			return create(ctx, f, func(*eks.CreateAddonInput) {})
		}},
		{"eks", "CreateAddon", "an add-on that is not offered", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return create(ctx, f, func(in *eks.CreateAddonInput) { in.AddonName = aws.String("nginx") })
		}},
		{"eks", "CreateAddon", "a version that is not offered", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return create(ctx, f, func(in *eks.CreateAddonInput) { in.AddonVersion = aws.String("v0.0.1") })
		}},
		{"eks", "CreateAddon", "configuration that the schema does not know", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return create(ctx, f, func(in *eks.CreateAddonInput) { in.ConfigurationValues = aws.String(`{"replicas":2}`) })
		}},
		{"eks", "CreateAddon", "a cluster that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.CreateAddon(ctx, &eks.CreateAddonInput{ClusterName: &f.Name, AddonName: aws.String(podIdentityAgent)}))
		}},
		{"eks", "CreateAddon", "a caller without the permission", refused(403, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EKS.CreateAddon(ctx, &eks.CreateAddonInput{ClusterName: aws.String(f.Cluster()), AddonName: aws.String(podIdentityAgent)}))
		}},
		{"eks", "CreateAddon", "tags, by a caller who may not set them", refused(403, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			who := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:CreateAddon","Resource":"*"}}`)
			return last(who.EKS.CreateAddon(ctx, &eks.CreateAddonInput{
				ClusterName: aws.String(f.Cluster()), AddonName: aws.String(podIdentityAgent), Tags: map[string]string{"team": "a"},
			}))
		}},
		{"eks", "DescribeAddon", "an add-on", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: &f.Name, AddonName: f.addon(ctx)}))
		}},
		{"eks", "DescribeAddon", "an add-on that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: aws.String(f.Cluster()), AddonName: aws.String(podIdentityAgent)}))
		}},
		{"eks", "ListAddons", "a registered cluster", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListAddons(ctx, &eks.ListAddonsInput{ClusterName: aws.String(f.Cluster())}))
		}},
		{"eks", "ListAddons", "a page of no size", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListAddons(ctx, &eks.ListAddonsInput{ClusterName: aws.String(f.Cluster()), MaxResults: aws.Int32(0)}))
		}},
		{"eks", "ListAddons", "a cluster that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListAddons(ctx, &eks.ListAddonsInput{ClusterName: &f.Name}))
		}},
		{"eks", "UpdateAddon", "another version", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.updateAddon(ctx))
		}},
		{"eks", "UpdateAddon", "an add-on that is being created", refused(409, "ResourceInUseException"), func(ctx context.Context, f *fixture) error {
			name := f.addon(ctx)
			f.SetClock(-addonIsThere) // for any speed of this test
			return last(f.Admin().EKS.UpdateAddon(ctx, &eks.UpdateAddonInput{ClusterName: &f.Name, AddonName: name}))
		}},
		{"eks", "UpdateAddon", "an unknown way to resolve conflicts", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.UpdateAddon(ctx, &eks.UpdateAddonInput{ClusterName: &f.Name, AddonName: f.addon(ctx), ResolveConflicts: "MERGE"}))
		}},
		{"eks", "UpdateAddon", "an add-on that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.UpdateAddon(ctx, &eks.UpdateAddonInput{ClusterName: aws.String(f.Cluster()), AddonName: aws.String(podIdentityAgent)}))
		}},
		{"eks", "DeleteAddon", "an add-on", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeleteAddon(ctx, &eks.DeleteAddonInput{ClusterName: &f.Name, AddonName: f.addon(ctx)}))
		}},
		{"eks", "DeleteAddon", "an add-on, preserved on the cluster", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeleteAddon(ctx, &eks.DeleteAddonInput{ClusterName: &f.Name, AddonName: f.addon(ctx), Preserve: true}))
		}},
		{"eks", "DeleteAddon", "an add-on that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeleteAddon(ctx, &eks.DeleteAddonInput{ClusterName: aws.String(f.Cluster()), AddonName: aws.String(podIdentityAgent)}))
		}},
		{"eks", "DescribeAddonVersions", "an add-on and a Kubernetes version", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeAddonVersions(ctx, &eks.DescribeAddonVersionsInput{AddonName: aws.String(podIdentityAgent), KubernetesVersion: aws.String("1.36")}))
		}},
		{"eks", "DescribeAddonVersions", "a page of more than 100", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeAddonVersions(ctx, &eks.DescribeAddonVersionsInput{MaxResults: aws.Int32(101)}))
		}},
		{"eks", "DescribeAddonConfiguration", "a version of the Pod Identity agent", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeAddonConfiguration(ctx, &eks.DescribeAddonConfigurationInput{AddonName: aws.String(podIdentityAgent), AddonVersion: aws.String("v1.3.8-eksbuild.2")}))
		}},
		{"eks", "DescribeAddonConfiguration", "a version that is not offered", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeAddonConfiguration(ctx, &eks.DescribeAddonConfigurationInput{AddonName: aws.String(podIdentityAgent), AddonVersion: aws.String("v0.0.1")}))
		}},
		{"eks", "DescribeUpdate", "an update of an add-on", accepted, func(ctx context.Context, f *fixture) error {
			made, err := f.updateAddon(ctx)
			f.must(err)
			return last(f.Admin().EKS.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: &f.Name, AddonName: aws.String(podIdentityAgent), UpdateId: made.Update.Id}))
		}},
		{"eks", "DescribeUpdate", "an update that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: &f.Name, AddonName: f.addon(ctx), UpdateId: aws.String("none")}))
		}},
		{"eks", "ListUpdates", "an add-on", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListUpdates(ctx, &eks.ListUpdatesInput{Name: &f.Name, AddonName: f.addon(ctx)}))
		}},
		{"eks", "ListUpdates", "an add-on that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListUpdates(ctx, &eks.ListUpdatesInput{Name: aws.String(f.Cluster()), AddonName: aws.String(podIdentityAgent)}))
		}},
		{"eks", "UpdatePodIdentityAssociation", "an association that an add-on owns", refused(400, "InvalidRequestException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{
				ClusterName: &f.Name, AssociationId: f.ownedAssociation(ctx), DisableSessionTags: aws.Bool(true),
			}))
		}},
		{"eks", "DeletePodIdentityAssociation", "an association that an add-on owns", refused(400, "InvalidRequestException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &f.Name, AssociationId: f.ownedAssociation(ctx)}))
		}},
	}
}

// addon creates the Pod Identity agent in a new cluster, f.Name, and returns the add-on's name.
func (f *fixture) addon(ctx context.Context) *string {
	f.t.Helper()
	out, err := f.Admin().EKS.CreateAddon(ctx, &eks.CreateAddonInput{ClusterName: aws.String(f.Cluster()), AddonName: aws.String(podIdentityAgent)})
	f.must(err)
	return out.Addon.AddonName
}

// updateAddon creates the add-on and updates it when it is active: one second later by the emulator's clock.
func (f *fixture) updateAddon(ctx context.Context) (*eks.UpdateAddonOutput, error) {
	f.t.Helper()
	name := f.addon(ctx)
	f.SetClock(addonIsThere)
	return f.Admin().EKS.UpdateAddon(ctx, &eks.UpdateAddonInput{ClusterName: &f.Name, AddonName: name, AddonVersion: aws.String("v1.3.8-eksbuild.2")})
}

// ownedAssociation creates an add-on with an association in a new cluster, f.Name, and returns the association's ID.
func (f *fixture) ownedAssociation(ctx context.Context) *string {
	f.t.Helper()
	role := f.Role(f.Name, trustPods, "")
	_, err := f.Admin().EKS.CreateAddon(ctx, &eks.CreateAddonInput{
		ClusterName: aws.String(f.Cluster()), AddonName: aws.String("vpc-cni"),
		PodIdentityAssociations: []types.AddonPodIdentityAssociations{{ServiceAccount: aws.String("aws-node"), RoleArn: &role}},
	})
	f.must(err)
	list, err := f.Admin().EKS.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: &f.Name})
	f.must(err)
	return list.Associations[0].AssociationId
}
