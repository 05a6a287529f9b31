package compat

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func iamUserCases() []testCase {
	const name = "inline"
	put := func(document *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: f.user(), PolicyName: aws.String(name), PolicyDocument: document}))
		}
	}
	own := func(ctx context.Context, f *fixture) *string {
		f.must(put(aws.String(allowAll))(ctx, f, f.Admin().IAM))
		return &f.Name
	}
	key := func(ctx context.Context, f *fixture) *string {
		out, err := f.Admin().IAM.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: f.user()})
		f.must(err)
		return out.AccessKey.AccessKeyId
	}
	return slices.Concat(
		permitted("CreateUser", "a name", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.CreateUser(ctx, &iam.CreateUserInput{UserName: &f.Name}))
		}),
		refuses(409, "EntityAlreadyExists", "CreateUser", "a user that exists", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.CreateUser(ctx, &iam.CreateUserInput{UserName: f.user()}))
		}),
		refuses(400, "ValidationError", "CreateUser", "a name with a space", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("a b")}))
		}),
		permitted("GetUser", "a user", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetUser(ctx, &iam.GetUserInput{UserName: f.user()}))
		}),
		accepts("GetUser", "no name: the caller", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.GetUser(ctx, &iam.GetUserInput{}))
		}),
		missing("GetUser", "a user that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetUser(ctx, &iam.GetUserInput{UserName: &f.Name}))
		}),
		permitted("DeleteUser", "a user", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: f.user()}))
		}),
		missing("DeleteUser", "a user that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &f.Name}))
		}),
		refuses(409, "DeleteConflict", "DeleteUser", "a user with an access key", func(ctx context.Context, f *fixture, c *iam.Client) error {
			key(ctx, f)
			return last(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &f.Name}))
		}),
		refuses(409, "DeleteConflict", "DeleteUser", "a user with an inline policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: own(ctx, f)}))
		}),
		permitted("ListUsers", "no filter", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListUsers(ctx, &iam.ListUsersInput{}))
		}),
		refuses(400, "ValidationError", "ListUsers", "a path prefix without its slash", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListUsers(ctx, &iam.ListUsersInput{PathPrefix: aws.String("team")}))
		}),
		permitted("CreateAccessKey", "a user", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: f.user()}))
		}),
		missing("CreateAccessKey", "a user that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &f.Name}))
		}),
		refuses(409, "LimitExceeded", "CreateAccessKey", "a third key", func(ctx context.Context, f *fixture, c *iam.Client) error {
			key(ctx, f)
			f.must(last(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &f.Name})))
			return last(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &f.Name}))
		}),
		permitted("DeleteAccessKey", "a key of the user", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: key(ctx, f), UserName: &f.Name}))
		}),
		missing("DeleteAccessKey", "a key of another user", func(ctx context.Context, f *fixture, c *iam.Client) error {
			key(ctx, f)
			return last(c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: aws.String("AKIAEPINOSUCHKEY0000"), UserName: &f.Name}))
		}),
		permitted("ListAccessKeys", "a user", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: f.user()}))
		}),
		missing("ListAccessKeys", "a user that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &f.Name}))
		}),

		permitted("PutUserPolicy", "an identity policy", put(aws.String(allowAll))),
		refuses(400, "MalformedPolicyDocument", "PutUserPolicy", "a statement without a resource", put(aws.String(noResource))),
		refuses(409, "LimitExceeded", "PutUserPolicy", "a document over 2048 characters", put(tooLong(2048))),
		missing("PutUserPolicy", "a user that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &f.Name, PolicyName: aws.String(name), PolicyDocument: aws.String(allowAll)}))
		}),
		permitted("GetUserPolicy", "an inline policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: own(ctx, f), PolicyName: aws.String(name)}))
		}),
		missing("GetUserPolicy", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: f.user(), PolicyName: aws.String(name)}))
		}),
		permitted("DeleteUserPolicy", "an inline policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: own(ctx, f), PolicyName: aws.String(name)}))
		}),
		missing("DeleteUserPolicy", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: f.user(), PolicyName: aws.String(name)}))
		}),
		permitted("ListUserPolicies", "a user", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: own(ctx, f)}))
		}),
		missing("ListUserPolicies", "a user that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: &f.Name}))
		}),
		permitted("AttachUserPolicy", "a policy of AWS", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: f.user(), PolicyArn: aws.String(awsPolicy)}))
		}),
		missing("AttachUserPolicy", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: f.user(), PolicyArn: aws.String(policyARN(f.Name))}))
		}),
		permitted("DetachUserPolicy", "an attached policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			f.must(last(f.Admin().IAM.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: f.user(), PolicyArn: aws.String(awsPolicy)})))
			return last(c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: &f.Name, PolicyArn: aws.String(awsPolicy)}))
		}),
		missing("DetachUserPolicy", "a policy that is not attached", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: f.user(), PolicyArn: aws.String(awsPolicy)}))
		}),
		permitted("ListAttachedUserPolicies", "a user", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: f.user()}))
		}),
		missing("ListAttachedUserPolicies", "a user that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: &f.Name}))
		}),
	)
}
