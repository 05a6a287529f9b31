package sweep

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/ownership"
)

// noSuchEntity is IAM's code for something that does not exist.
const noSuchEntity = "NoSuchEntity"

// noName are IAM's codes for an invalid name, such as one in a damaged journal.
var noName = []string{noSuchEntity, "ValidationError", "InvalidInput"}

func tagsOf(tags []iamtypes.Tag) map[string]string {
	out := map[string]string{}
	for _, tag := range tags {
		out[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return out
}

// pathOf is the IAM path of a scope's roles and policies.
func pathOf(scope Scope) string {
	if scope.Environment == "" {
		return ownership.PathPrefix
	}
	return ownership.Owner{Environment: scope.Environment}.Path()
}

// roles are those that the suites create. Roles of a stack are removed with it.
func (s *Sweeper) roles() kind {
	return kind{
		name: journal.Role,
		list: func(ctx context.Context, scope Scope) ([]string, error) {
			var names []string
			pages := iam.NewListRolesPaginator(s.iam, &iam.ListRolesInput{PathPrefix: aws.String(pathOf(scope))})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, role := range page.Roles {
					names = append(names, aws.ToString(role.RoleName))
				}
			}
			return names, nil
		},
		look: func(ctx context.Context, name string) (*Found, map[string]string, error) {
			out, err := s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
			if err != nil {
				return nil, nil, ignore(err, noName...)
			}
			return &Found{Created: aws.ToTime(out.Role.CreateDate)}, tagsOf(out.Role.Tags), nil
		},
		remove: func(ctx context.Context, found Found, _ func(string)) error { return s.removeRole(ctx, found.ID) },
		named:  func(entry journal.Entry) string { return entry.Name },
	}
}

func (s *Sweeper) removeRole(ctx context.Context, name string) error {
	profiles, err := s.iam.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: &name})
	if err != nil {
		return ignore(err, noSuchEntity)
	}
	for _, profile := range profiles.InstanceProfiles {
		if _, err := s.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile.InstanceProfileName, RoleName: &name}); ignore(err, noSuchEntity) != nil {
			return err
		}
	}
	attached := iam.NewListAttachedRolePoliciesPaginator(s.iam, &iam.ListAttachedRolePoliciesInput{RoleName: &name})
	for attached.HasMorePages() {
		page, err := attached.NextPage(ctx)
		if err != nil {
			return ignore(err, noSuchEntity)
		}
		for _, policy := range page.AttachedPolicies {
			if _, err := s.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: policy.PolicyArn}); ignore(err, noSuchEntity) != nil {
				return err
			}
		}
	}
	inline := iam.NewListRolePoliciesPaginator(s.iam, &iam.ListRolePoliciesInput{RoleName: &name})
	for inline.HasMorePages() {
		page, err := inline.NextPage(ctx)
		if err != nil {
			return ignore(err, noSuchEntity)
		}
		for _, policy := range page.PolicyNames {
			if _, err := s.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policy}); ignore(err, noSuchEntity) != nil {
				return err
			}
		}
	}
	_, err = s.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
	return ignore(err, noSuchEntity)
}

func (s *Sweeper) policies() kind {
	return kind{
		name: journal.Policy,
		list: func(ctx context.Context, scope Scope) ([]string, error) {
			var arns []string
			pages := iam.NewListPoliciesPaginator(s.iam, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal, PathPrefix: aws.String(pathOf(scope))})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, policy := range page.Policies {
					arns = append(arns, aws.ToString(policy.Arn))
				}
			}
			return arns, nil
		},
		look: func(ctx context.Context, arn string) (*Found, map[string]string, error) {
			out, err := s.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
			if err != nil {
				return nil, nil, ignore(err, noName...)
			}
			return &Found{Created: aws.ToTime(out.Policy.CreateDate)}, tagsOf(out.Policy.Tags), nil
		},
		remove: func(ctx context.Context, found Found, _ func(string)) error { return s.removePolicy(ctx, found.ID) },
		named: func(entry journal.Entry) string {
			if !strings.HasPrefix(entry.Name, "/") {
				return ""
			}
			return s.iamARN("policy" + entry.Name)
		},
	}
}

// iamARN is the ARN of an IAM resource of the account, in the caller's partition.
func (s *Sweeper) iamARN(resource string) string {
	partition := "aws"
	if parts := strings.SplitN(s.caller, ":", 3); len(parts) == 3 {
		partition = parts[1]
	}
	return "arn:" + partition + ":iam::" + s.account + ":" + resource
}

func (s *Sweeper) removePolicy(ctx context.Context, arn string) error {
	entities := iam.NewListEntitiesForPolicyPaginator(s.iam, &iam.ListEntitiesForPolicyInput{PolicyArn: &arn})
	for entities.HasMorePages() {
		page, err := entities.NextPage(ctx)
		if err != nil {
			return ignore(err, noSuchEntity)
		}
		for _, role := range page.PolicyRoles {
			if _, err := s.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role.RoleName, PolicyArn: &arn}); ignore(err, noSuchEntity) != nil {
				return err
			}
		}
	}
	versions, err := s.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &arn})
	if err != nil {
		return ignore(err, noSuchEntity)
	}
	for _, version := range versions.Versions { // at most five
		if version.IsDefaultVersion {
			continue
		}
		if _, err := s.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: version.VersionId}); ignore(err, noSuchEntity) != nil {
			return err
		}
	}
	_, err = s.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
	return ignore(err, noSuchEntity)
}

func (s *Sweeper) providers() kind {
	return kind{
		name: journal.Provider,
		list: func(ctx context.Context, _ Scope) ([]string, error) {
			out, err := s.iam.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
			if err != nil {
				return nil, err
			}
			var arns []string
			for _, provider := range out.OpenIDConnectProviderList {
				arns = append(arns, aws.ToString(provider.Arn))
			}
			return arns, nil
		},
		look: func(ctx context.Context, arn string) (*Found, map[string]string, error) {
			out, err := s.iam.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
			if err != nil {
				return nil, nil, ignore(err, noName...)
			}
			return &Found{Created: aws.ToTime(out.CreateDate)}, tagsOf(out.Tags), nil
		},
		remove: func(ctx context.Context, found Found, _ func(string)) error {
			_, err := s.iam.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &found.ID})
			return ignore(err, noSuchEntity)
		},
		named: func(entry journal.Entry) string {
			return s.iamARN("oidc-provider/" + strings.TrimPrefix(entry.Name, "https://"))
		},
	}
}
