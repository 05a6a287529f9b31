package sweep

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/podidentity/epi/clusters/journal"
)

// resourceNotFound is EKS's code for something that does not exist.
const resourceNotFound = "ResourceNotFoundException"

func (s *Sweeper) clusterNames(ctx context.Context) ([]string, error) {
	var names []string
	pages := eks.NewListClustersPaginator(s.eks, &eks.ListClustersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		names = append(names, page.Clusters...)
	}
	return names, nil
}

// associations are those in all clusters. Their IDs here are CLUSTER/ID.
func (s *Sweeper) associations() kind {
	return kind{
		name: journal.Association,
		list: s.listAssociations,
		look: func(ctx context.Context, id string) (*Found, map[string]string, error) {
			cluster, association, _ := strings.Cut(id, "/")
			out, err := s.eks.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: &cluster, AssociationId: &association})
			if err != nil {
				return nil, nil, ignore(err, resourceNotFound)
			}
			return &Found{Created: aws.ToTime(out.Association.CreatedAt)}, out.Association.Tags, nil
		},
		remove: func(ctx context.Context, found Found, _ func(string)) error {
			cluster, association, _ := strings.Cut(found.ID, "/")
			_, err := s.eks.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &cluster, AssociationId: &association})
			return ignore(err, resourceNotFound)
		},
	}
}

func (s *Sweeper) listAssociations(ctx context.Context, scope Scope) ([]string, error) {
	names := scope.Clusters
	if names == nil {
		var err error
		if names, err = s.clusterNames(ctx); err != nil {
			return nil, err
		}
	}
	var ids []string
	for _, cluster := range names {
		pages := eks.NewListPodIdentityAssociationsPaginator(s.eks, &eks.ListPodIdentityAssociationsInput{ClusterName: &cluster})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if refusedAs(err, resourceNotFound) {
				break // the cluster and its associations were deleted meanwhile
			}
			if err != nil {
				return nil, err
			}
			for _, association := range page.Associations {
				ids = append(ids, cluster+"/"+aws.ToString(association.AssociationId))
			}
		}
	}
	return ids, nil
}

// clusters are those without a stack: one that CloudFormation lost, or that was created without CloudFormation.
func (s *Sweeper) clusters() kind {
	return kind{
		name: journal.Cluster,
		list: func(ctx context.Context, _ Scope) ([]string, error) { return s.clusterNames(ctx) },
		look: func(ctx context.Context, name string) (*Found, map[string]string, error) {
			out, err := s.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
			if err != nil {
				return nil, nil, ignore(err, resourceNotFound)
			}
			return &Found{Created: aws.ToTime(out.Cluster.CreatedAt), State: string(out.Cluster.Status)}, out.Cluster.Tags, nil
		},
		remove: func(ctx context.Context, found Found, progress func(string)) error {
			return s.removeCluster(ctx, found.ID, progress)
		},
		named: func(entry journal.Entry) string { return entry.Name },
	}
}

// addons are those that epi installed in clusters. Their IDs here are CLUSTER/NAME.
func (s *Sweeper) addons() kind {
	return kind{
		name: journal.Addon,
		list: func(ctx context.Context, scope Scope) ([]string, error) {
			names := scope.Clusters
			if names == nil {
				var err error
				if names, err = s.clusterNames(ctx); err != nil {
					return nil, err
				}
			}
			var ids []string
			for _, cluster := range names {
				out, err := s.eks.ListAddons(ctx, &eks.ListAddonsInput{ClusterName: &cluster})
				if ignore(err, resourceNotFound) != nil {
					return nil, err
				}
				if err != nil {
					continue
				}
				for _, name := range out.Addons { // EKS has about twenty
					ids = append(ids, cluster+"/"+name)
				}
			}
			return ids, nil
		},
		look: func(ctx context.Context, id string) (*Found, map[string]string, error) {
			cluster, name, _ := strings.Cut(id, "/")
			out, err := s.eks.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: &cluster, AddonName: &name})
			if err != nil {
				return nil, nil, ignore(err, resourceNotFound)
			}
			return &Found{Created: aws.ToTime(out.Addon.CreatedAt), State: string(out.Addon.Status)}, out.Addon.Tags, nil
		},
		remove: func(ctx context.Context, found Found, progress func(string)) error {
			cluster, name, _ := strings.Cut(found.ID, "/")
			if _, err := s.eks.DeleteAddon(ctx, &eks.DeleteAddonInput{ClusterName: &cluster, AddonName: &name}); err != nil {
				return ignore(err, resourceNotFound)
			}
			return s.wait(ctx, func(ctx context.Context) (bool, error) {
				out, err := s.eks.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: &cluster, AddonName: &name})
				if err != nil {
					return refusedAs(err, resourceNotFound), ignore(err, resourceNotFound)
				}
				progress("it is " + string(out.Addon.Status))
				return false, nil
			})
		},
	}
}

func (s *Sweeper) removeCluster(ctx context.Context, name string, progress func(string)) error {
	return s.wait(ctx, func(ctx context.Context) (bool, error) {
		groups, err := s.eks.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: &name})
		if err != nil {
			return refusedAs(err, resourceNotFound), ignore(err, resourceNotFound)
		}
		profiles, err := s.eks.ListFargateProfiles(ctx, &eks.ListFargateProfilesInput{ClusterName: &name})
		if err != nil {
			return refusedAs(err, resourceNotFound), ignore(err, resourceNotFound)
		}
		for _, group := range groups.Nodegroups {
			progress("deleting node group " + group)
			if _, err := s.eks.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: &name, NodegroupName: &group}); ignore(err, resourceNotFound, "ResourceInUseException") != nil {
				return false, err
			}
		}
		for _, profile := range profiles.FargateProfileNames {
			progress("deleting Fargate profile " + profile)
			if _, err := s.eks.DeleteFargateProfile(ctx, &eks.DeleteFargateProfileInput{ClusterName: &name, FargateProfileName: &profile}); ignore(err, resourceNotFound, "ResourceInUseException") != nil {
				return false, err
			}
		}
		if len(groups.Nodegroups) > 0 || len(profiles.FargateProfileNames) > 0 {
			return false, nil
		}
		out, err := s.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			return refusedAs(err, resourceNotFound), ignore(err, resourceNotFound)
		}
		progress(fmt.Sprintf("the cluster is %s", out.Cluster.Status))
		if out.Cluster.Status == ekstypes.ClusterStatusDeleting {
			return false, nil
		}
		_, err = s.eks.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: &name})
		return refusedAs(err, resourceNotFound), ignore(err, resourceNotFound, "ResourceInUseException")
	})
}
