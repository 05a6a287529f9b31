package compat

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
)

// eksCases: https://docs.aws.amazon.com/eks/latest/APIReference/.
func eksCases() []testCase {
	return []testCase{
		{"eks", "ListClusters", "a caller who may", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListClusters(ctx, &eks.ListClustersInput{}))
		}},
		{"eks", "ListClusters", "a caller without the permission", refused(403, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().EKS.ListClusters(ctx, &eks.ListClustersInput{}))
		}},
		{"eks", "DescribeCluster", "a registered cluster", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(f.Cluster())}))
		}},
		{"eks", "DescribeCluster", "a cluster that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &f.Name}))
		}},
		{"eks", "CreatePodIdentityAssociation", "a role that trusts pods.eks.amazonaws.com", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
				ClusterName: aws.String(f.Cluster()), Namespace: aws.String("default"), ServiceAccount: aws.String("app"),
				RoleArn: aws.String(f.Role(f.Name, trustPods, "")),
			}))
		}},
		{"eks", "CreatePodIdentityAssociation", "a role that does not exist", refused(400, "InvalidParameterException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
				ClusterName: aws.String(f.Cluster()), Namespace: aws.String("default"), ServiceAccount: aws.String("app"),
				RoleArn: aws.String(roleARN(f.Name)),
			}))
		}},
		{"eks", "ListPodIdentityAssociations", "a registered cluster", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: aws.String(f.Cluster())}))
		}},
		{"eks", "ListPodIdentityAssociations", "a cluster that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: &f.Name}))
		}},
		{"eks", "DescribePodIdentityAssociation", "an association", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: &f.Name, AssociationId: f.association()}))
		}},
		{"eks", "DescribePodIdentityAssociation", "an association that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: aws.String(f.Cluster()), AssociationId: aws.String(noAssociation)}))
		}},
		{"eks", "UpdatePodIdentityAssociation", "session tags off", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{ClusterName: &f.Name, AssociationId: f.association(), DisableSessionTags: aws.Bool(true)}))
		}},
		{"eks", "UpdatePodIdentityAssociation", "an association that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{ClusterName: aws.String(f.Cluster()), AssociationId: aws.String(noAssociation), DisableSessionTags: aws.Bool(true)}))
		}},
		{"eks", "DeletePodIdentityAssociation", "an association", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &f.Name, AssociationId: f.association()}))
		}},
		{"eks", "DeletePodIdentityAssociation", "an association that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: aws.String(f.Cluster()), AssociationId: aws.String(noAssociation)}))
		}},
	}
}

// noAssociation has the form of an ID.
const noAssociation = "a-00000000000000000"

// association creates one in a new cluster, f.Name, and returns its ID.
func (f *fixture) association() *string {
	f.t.Helper()
	return aws.String(f.Associate(f.Cluster(), "app", f.Role(f.Name, trustPods, ""), nil))
}
