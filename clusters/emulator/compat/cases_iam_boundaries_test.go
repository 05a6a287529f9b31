package compat

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// iamBoundaryCases are about boundaries of users, states of access keys, and the entities that use a policy.
func iamBoundaryCases() []testCase {
	put := func(user func(*fixture) *string, arn func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: user(f), PermissionsBoundary: arn(f)}))
		}
	}
	of := func(arn string) func(*fixture) *string { return func(*fixture) *string { return &arn } }
	remove := func(user func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: user(f)}))
		}
	}
	bounded := func(f *fixture) *string {
		f.must(put((*fixture).user, of(awsPolicy))(f.t.Context(), f, f.Admin().IAM))
		return &f.Name
	}
	key := func(status types.StatusType, id func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &f.Name, AccessKeyId: id(f), Status: status}))
		}
	}
	newKey := func(f *fixture) *string {
		out, err := f.Admin().IAM.CreateAccessKey(f.t.Context(), &iam.CreateAccessKeyInput{UserName: f.user()})
		f.must(err)
		return out.AccessKey.AccessKeyId
	}
	groups := func(user func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: user(f)}))
		}
	}
	entities := func(arn func(*fixture) *string, filter types.EntityType) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: arn(f), EntityFilter: filter}))
		}
	}
	ownPolicy := func(f *fixture) *string { return f.policy(1) }
	noPolicy := func(f *fixture) *string { return aws.String(policyARN(f.Name)) }
	describe := func(role func(*fixture) *string, text string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: role(f), Description: &text}))
		}
	}
	return slices.Concat(
		permitted("PutUserPermissionsBoundary", "a policy of AWS", put((*fixture).user, of(awsPolicy))),
		missing("PutUserPermissionsBoundary", "a policy that does not exist", put((*fixture).user, noPolicy)),
		missing("PutUserPermissionsBoundary", "a user that does not exist", put((*fixture).nothing, of(awsPolicy))),
		refuses(400, "ValidationError", "PutUserPermissionsBoundary", "an ARN that is not one", put((*fixture).user, of("AmazonS3ReadOnlyAccess"))),
		permitted("DeleteUserPermissionsBoundary", "a user with a boundary", remove(bounded)),
		missing("DeleteUserPermissionsBoundary", "a user without a boundary", remove((*fixture).user)),
		missing("DeleteUserPermissionsBoundary", "a user that does not exist", remove((*fixture).nothing)),
		refuses(409, "DeleteConflict", "DeletePolicy", "a policy that is a boundary", func(ctx context.Context, f *fixture, c *iam.Client) error {
			arn := ownPolicy(f)
			f.must(put((*fixture).user, func(*fixture) *string { return arn })(ctx, f, c))
			return last(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn}))
		}),

		permitted("UpdateAccessKey", "Inactive", key(types.StatusTypeInactive, newKey)),
		accepts("UpdateAccessKey", "Active", key(types.StatusTypeActive, newKey)),
		refuses(400, "ValidationError", "UpdateAccessKey", "a status that does not exist", key("Paused", newKey)),
		refuses(400, "ValidationError", "UpdateAccessKey", "no access key ID", key(types.StatusTypeActive, func(*fixture) *string { return nil })),
		missing("UpdateAccessKey", "a key of another user", key(types.StatusTypeActive, func(f *fixture) *string {
			newKey(f)
			return aws.String("AKIAEPINOSUCHKEY0000")
		})),
		missing("UpdateAccessKey", "a user that does not exist", key(types.StatusTypeActive, func(*fixture) *string { return aws.String("AKIAEPINOSUCHKEY0000") })),
		permitted("ListGroupsForUser", "a user", groups((*fixture).user)),
		missing("ListGroupsForUser", "a user that does not exist", groups((*fixture).nothing)),

		permitted("ListEntitiesForPolicy", "a policy", entities(ownPolicy, "")),
		accepts("ListEntitiesForPolicy", "roles only", entities(of(awsPolicy), types.EntityTypeRole)),
		missing("ListEntitiesForPolicy", "a policy that does not exist", entities(noPolicy, "")),
		refuses(400, "ValidationError", "ListEntitiesForPolicy", "a filter that does not exist", entities(ownPolicy, "Robot")),
		permitted("UpdateRoleDescription", "a text", describe((*fixture).role, "text")),
		missing("UpdateRoleDescription", "a role that does not exist", describe((*fixture).nothing, "text")),
		refuses(400, "ValidationError", "UpdateRoleDescription", "1001 characters", describe((*fixture).role, strings.Repeat("x", 1001))),
	)
}
