package compat

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func iamTags(count int) []types.Tag {
	var tags []types.Tag
	for n := range count {
		tags = append(tags, types.Tag{Key: aws.String(fmt.Sprintf("key-%d", n)), Value: aws.String("value")})
	}
	return tags
}

func iamRoleCases() []testCase {
	create := func(change func(*fixture, *iam.CreateRoleInput)) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			input := &iam.CreateRoleInput{RoleName: &f.Name, AssumeRolePolicyDocument: aws.String(trustPods)}
			change(f, input)
			return last(c.CreateRole(ctx, input))
		}
	}
	trust := func(document string) iamCall {
		return create(func(_ *fixture, in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = &document })
	}
	return slices.Concat(
		permitted("CreateRole", "a name and a trust policy", create(func(*fixture, *iam.CreateRoleInput) {})),
		accepts("CreateRole", "path, description, tags, boundary and session duration", create(func(f *fixture, in *iam.CreateRoleInput) {
			in.Path, in.Description, in.Tags = aws.String("/team/blue/"), aws.String("reads"), iamTags(50)
			in.PermissionsBoundary, in.MaxSessionDuration = f.policy(1), aws.Int32(43200)
		})),
		accepts("CreateRole", "a trust policy that names a role of the account", create(func(f *fixture, in *iam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = aws.String(strings.ReplaceAll(trustPods, `{"Service":"pods.eks.amazonaws.com"}`, `{"AWS":"`+f.Role(f.Name+"-other", trustPods, "")+`"}`))
		})),
		refuses(400, "MalformedPolicyDocument", "CreateRole", "a trust policy that names a service that does not exist", create(func(_ *fixture, in *iam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = aws.String(strings.Replace(trustPods, "pods.eks", "pod.eks", 1))
		})),
		refuses(409, "EntityAlreadyExists", "CreateRole", "a role that exists", create(func(f *fixture, _ *iam.CreateRoleInput) { f.role() })),
		refuses(409, "EntityAlreadyExists", "CreateRole", "a role that exists, in capitals", create(func(f *fixture, in *iam.CreateRoleInput) {
			in.RoleName = aws.String(strings.ToUpper(*f.role()))
		})),
		refuses(400, "ValidationError", "CreateRole", "no name", create(func(_ *fixture, in *iam.CreateRoleInput) { in.RoleName = nil })),
		refuses(400, "ValidationError", "CreateRole", "a name with a slash", create(func(_ *fixture, in *iam.CreateRoleInput) { in.RoleName = aws.String("a/b") })),
		refuses(400, "ValidationError", "CreateRole", "a name of 65 characters", create(func(_ *fixture, in *iam.CreateRoleInput) { in.RoleName = aws.String(strings.Repeat("r", 65)) })),
		refuses(400, "ValidationError", "CreateRole", "a path without a slash at its end", create(func(_ *fixture, in *iam.CreateRoleInput) { in.Path = aws.String("/team") })),
		refuses(400, "ValidationError", "CreateRole", "a session duration of 59 minutes", create(func(_ *fixture, in *iam.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(3540) })),
		refuses(400, "ValidationError", "CreateRole", "a session duration over 12 hours", create(func(_ *fixture, in *iam.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(43201) })),
		refuses(400, "ValidationError", "CreateRole", "no trust policy", create(func(_ *fixture, in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = nil })),
		refuses(400, "MalformedPolicyDocument", "CreateRole", "a trust policy that is not JSON", trust(notJSON)),
		refuses(400, "MalformedPolicyDocument", "CreateRole", "a trust policy without a statement", trust(noStatement)),
		refuses(400, "MalformedPolicyDocument", "CreateRole", "a trust policy without a principal", trust(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}`)),
		refuses(400, "MalformedPolicyDocument", "CreateRole", "a trust policy with a resource", trust(strings.Replace(trustPods, `"Action"`, `"Resource":"*","Action"`, 1))),
		refuses(400, "MalformedPolicyDocument", "CreateRole", "a trust policy that names a role that does not exist", trust(strings.ReplaceAll(trustPods, `{"Service":"pods.eks.amazonaws.com"}`, `{"AWS":"`+roleARN("no-such-role")+`"}`))),
		refuses(409, "LimitExceeded", "CreateRole", "a trust policy over 2048 characters", trust(strings.ReplaceAll(trustPods, "pods.eks", strings.Repeat("x", 2048)))),
		refuses(409, "LimitExceeded", "CreateRole", "51 tags", create(func(_ *fixture, in *iam.CreateRoleInput) { in.Tags = iamTags(51) })),
		refuses(400, "InvalidInput", "CreateRole", "a tag key given twice", create(func(_ *fixture, in *iam.CreateRoleInput) { in.Tags = append(iamTags(1), iamTags(1)...) })),
		refuses(400, "InvalidInput", "CreateRole", "a tag key that begins with aws:", create(func(_ *fixture, in *iam.CreateRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("aws:key"), Value: aws.String("value")}}
		})),
		missing("CreateRole", "a boundary that does not exist", create(func(f *fixture, in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String(policyARN(f.Name)) })),

		permitted("GetRole", "a role", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetRole(ctx, &iam.GetRoleInput{RoleName: f.role()}))
		}),
		missing("GetRole", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetRole(ctx, &iam.GetRoleInput{RoleName: &f.Name}))
		}),
		permitted("DeleteRole", "a role", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: f.role()}))
		}),
		missing("DeleteRole", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &f.Name}))
		}),
		refuses(409, "DeleteConflict", "DeleteRole", "a role with an inline policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			f.Role(f.Name, trustPods, allowAll)
			return last(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &f.Name}))
		}),
		refuses(409, "DeleteConflict", "DeleteRole", "a role with an attached policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			f.must(last(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: f.role(), PolicyArn: f.policy(1)})))
			return last(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &f.Name}))
		}),
		permitted("ListRoles", "a path prefix", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: aws.String("/" + f.Name + "/")}))
		}),
		refuses(400, "ValidationError", "ListRoles", "a marker that no answer gave", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListRoles(ctx, &iam.ListRolesInput{Marker: aws.String("!")}))
		}),
		refuses(400, "ValidationError", "ListRoles", "a page of 1001 roles", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListRoles(ctx, &iam.ListRolesInput{MaxItems: aws.Int32(1001)}))
		}),
		permitted("UpdateAssumeRolePolicy", "another trust policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: f.role(), PolicyDocument: aws.String(trustAccount)}))
		}),
		missing("UpdateAssumeRolePolicy", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &f.Name, PolicyDocument: aws.String(trustAccount)}))
		}),
		refuses(400, "MalformedPolicyDocument", "UpdateAssumeRolePolicy", "an identity policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: f.role(), PolicyDocument: aws.String(allowAll)}))
		}),
		permitted("UpdateRole", "a description and a session duration", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: f.role(), Description: aws.String("other"), MaxSessionDuration: aws.Int32(7200)}))
		}),
		missing("UpdateRole", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &f.Name}))
		}),
		refuses(400, "ValidationError", "UpdateRole", "a session duration over 12 hours", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: f.role(), MaxSessionDuration: aws.Int32(43201)}))
		}),
		permitted("TagRole", "a tag", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.TagRole(ctx, &iam.TagRoleInput{RoleName: f.role(), Tags: iamTags(1)}))
		}),
		missing("TagRole", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.TagRole(ctx, &iam.TagRoleInput{RoleName: &f.Name, Tags: iamTags(1)}))
		}),
		refuses(409, "LimitExceeded", "TagRole", "51 tags", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.TagRole(ctx, &iam.TagRoleInput{RoleName: f.role(), Tags: iamTags(51)}))
		}),
		permitted("UntagRole", "a key that is there", func(ctx context.Context, f *fixture, c *iam.Client) error {
			f.must(last(f.Admin().IAM.TagRole(ctx, &iam.TagRoleInput{RoleName: f.role(), Tags: iamTags(1)})))
			return last(c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &f.Name, TagKeys: []string{"key-0"}}))
		}),
		missing("UntagRole", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &f.Name, TagKeys: []string{"key-0"}}))
		}),
		permitted("ListRoleTags", "a role", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: f.role()}))
		}),
		missing("ListRoleTags", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: &f.Name}))
		}),
		permitted("PutRolePermissionsBoundary", "a policy of the account", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: f.role(), PermissionsBoundary: f.policy(1)}))
		}),
		missing("PutRolePermissionsBoundary", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: f.role(), PermissionsBoundary: aws.String(policyARN(f.Name))}))
		}),
		permitted("DeleteRolePermissionsBoundary", "a role with a boundary", func(ctx context.Context, f *fixture, c *iam.Client) error {
			f.must(last(f.Admin().IAM.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: f.role(), PermissionsBoundary: f.policy(1)})))
			return last(c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &f.Name}))
		}),
		missing("DeleteRolePermissionsBoundary", "a role without a boundary", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: f.role()}))
		}),
		permitted("ListInstanceProfilesForRole", "a role", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: f.role()}))
		}),
		missing("ListInstanceProfilesForRole", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: &f.Name}))
		}),
	)
}

func iamRolePolicyCases() []testCase {
	const name = "inline"
	put := func(document *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: f.role(), PolicyName: aws.String(name), PolicyDocument: document}))
		}
	}
	own := func(ctx context.Context, f *fixture) *string {
		f.must(put(aws.String(allowAll))(ctx, f, f.Admin().IAM))
		return &f.Name
	}
	return slices.Concat(
		permitted("PutRolePolicy", "an identity policy", put(aws.String(allowAll))),
		missing("PutRolePolicy", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &f.Name, PolicyName: aws.String(name), PolicyDocument: aws.String(allowAll)}))
		}),
		refuses(400, "MalformedPolicyDocument", "PutRolePolicy", "a document that is not JSON", put(aws.String(notJSON))),
		refuses(400, "MalformedPolicyDocument", "PutRolePolicy", "a document without a statement", put(aws.String(noStatement))),
		refuses(400, "MalformedPolicyDocument", "PutRolePolicy", "a version that does not exist", put(aws.String(noSuchVersion))),
		refuses(400, "MalformedPolicyDocument", "PutRolePolicy", "a statement without a resource", put(aws.String(noResource))),
		refuses(400, "MalformedPolicyDocument", "PutRolePolicy", "a statement with a principal", put(aws.String(trustPods))),
		refuses(409, "LimitExceeded", "PutRolePolicy", "a document over 10240 characters", put(tooLong(10240))),
		permitted("GetRolePolicy", "an inline policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: own(ctx, f), PolicyName: aws.String(name)}))
		}),
		missing("GetRolePolicy", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: f.role(), PolicyName: aws.String(name)}))
		}),
		permitted("DeleteRolePolicy", "an inline policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: own(ctx, f), PolicyName: aws.String(name)}))
		}),
		missing("DeleteRolePolicy", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: f.role(), PolicyName: aws.String(name)}))
		}),
		permitted("ListRolePolicies", "a role", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: own(ctx, f)}))
		}),
		missing("ListRolePolicies", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &f.Name}))
		}),
		permitted("AttachRolePolicy", "a policy of the account", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: f.role(), PolicyArn: f.policy(1)}))
		}),
		accepts("AttachRolePolicy", "a policy of AWS", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: f.role(), PolicyArn: aws.String(awsPolicy)}))
		}),
		missing("AttachRolePolicy", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: f.role(), PolicyArn: aws.String(policyARN(f.Name))}))
		}),
		missing("AttachRolePolicy", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &f.Name, PolicyArn: aws.String(awsPolicy)}))
		}),
		refuses(409, "LimitExceeded", "AttachRolePolicy", "an eleventh policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			f.role()
			var err error
			for n := range 11 {
				f.must(err)
				policy, failed := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String(fmt.Sprintf("%s-%d", f.Name, n)), PolicyDocument: aws.String(allowAll)})
				f.must(failed)
				_, err = c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &f.Name, PolicyArn: policy.Policy.Arn})
			}
			return err
		}),
		permitted("DetachRolePolicy", "an attached policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			f.must(last(f.Admin().IAM.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: f.role(), PolicyArn: aws.String(awsPolicy)})))
			return last(c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &f.Name, PolicyArn: aws.String(awsPolicy)}))
		}),
		missing("DetachRolePolicy", "a policy that is not attached", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: f.role(), PolicyArn: aws.String(awsPolicy)}))
		}),
		permitted("ListAttachedRolePolicies", "a role", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: f.role()}))
		}),
		missing("ListAttachedRolePolicies", "a role that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &f.Name}))
		}),
	)
}
