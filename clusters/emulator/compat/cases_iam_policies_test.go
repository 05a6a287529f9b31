package compat

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const awsPolicy = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"

func iamPolicyCases() []testCase {
	create := func(change func(*fixture, *iam.CreatePolicyInput)) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			input := &iam.CreatePolicyInput{PolicyName: &f.Name, PolicyDocument: aws.String(allowAll)}
			change(f, input)
			return last(c.CreatePolicy(ctx, input))
		}
	}
	newVersion := func(versions int, document string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: f.policy(versions), PolicyDocument: &document, SetAsDefault: true}))
		}
	}
	return slices.Concat(
		permitted("CreatePolicy", "a name and a document", create(func(*fixture, *iam.CreatePolicyInput) {})),
		accepts("CreatePolicy", "path, description and tags", create(func(_ *fixture, in *iam.CreatePolicyInput) {
			in.Path, in.Description, in.Tags = aws.String("/team/"), aws.String("all"), iamTags(2)
		})),
		refuses(409, "EntityAlreadyExists", "CreatePolicy", "a policy that exists", create(func(f *fixture, _ *iam.CreatePolicyInput) { f.policy(1) })),
		refuses(400, "ValidationError", "CreatePolicy", "no name", create(func(_ *fixture, in *iam.CreatePolicyInput) { in.PolicyName = nil })),
		refuses(400, "MalformedPolicyDocument", "CreatePolicy", "a document that is not JSON", create(func(_ *fixture, in *iam.CreatePolicyInput) { in.PolicyDocument = aws.String(notJSON) })),
		refuses(400, "MalformedPolicyDocument", "CreatePolicy", "a statement without a resource", create(func(_ *fixture, in *iam.CreatePolicyInput) { in.PolicyDocument = aws.String(noResource) })),
		refuses(400, "MalformedPolicyDocument", "CreatePolicy", "a statement with a principal", create(func(_ *fixture, in *iam.CreatePolicyInput) { in.PolicyDocument = aws.String(trustPods) })),
		refuses(409, "LimitExceeded", "CreatePolicy", "a document over 6144 characters", create(func(_ *fixture, in *iam.CreatePolicyInput) { in.PolicyDocument = tooLong(6144) })),

		permitted("GetPolicy", "a policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: f.policy(1)}))
		}),
		accepts("GetPolicy", "a policy of AWS", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(awsPolicy)}))
		}),
		missing("GetPolicy", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(policyARN(f.Name))}))
		}),
		refuses(400, "ValidationError", "GetPolicy", "an ARN that is not one", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String("AmazonS3ReadOnlyAccess")}))
		}),
		permitted("DeletePolicy", "a policy with one version", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: f.policy(1)}))
		}),
		missing("DeletePolicy", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: aws.String(policyARN(f.Name))}))
		}),
		refuses(409, "DeleteConflict", "DeletePolicy", "a policy with two versions", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: f.policy(2)}))
		}),
		refuses(409, "DeleteConflict", "DeletePolicy", "an attached policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			policy := f.policy(1)
			f.must(last(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: f.role(), PolicyArn: policy})))
			return last(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: policy}))
		}),
		refuses(403, "AccessDenied", "DeletePolicy", "a policy of AWS", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: aws.String(awsPolicy)}))
		}),
		permitted("ListPolicies", "the scope Local", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}))
		}),
		refuses(400, "ValidationError", "ListPolicies", "a scope that does not exist", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: "Elsewhere"}))
		}),
		permitted("CreatePolicyVersion", "a second version, as default", newVersion(1, allowAll)),
		refuses(409, "LimitExceeded", "CreatePolicyVersion", "a sixth version", newVersion(5, allowAll)),
		refuses(400, "MalformedPolicyDocument", "CreatePolicyVersion", "a document without a statement", newVersion(1, noStatement)),
		missing("CreatePolicyVersion", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: aws.String(policyARN(f.Name)), PolicyDocument: aws.String(allowAll)}))
		}),
		permitted("GetPolicyVersion", "a version", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: f.policy(1), VersionId: aws.String("v1")}))
		}),
		missing("GetPolicyVersion", "a version that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: f.policy(1), VersionId: aws.String("v2")}))
		}),
		refuses(400, "ValidationError", "GetPolicyVersion", "a version ID that is not one", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: f.policy(1), VersionId: aws.String("1")}))
		}),
		permitted("DeletePolicyVersion", "a version that is not the default", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: f.policy(2), VersionId: aws.String("v2")}))
		}),
		refuses(409, "DeleteConflict", "DeletePolicyVersion", "the default version", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: f.policy(2), VersionId: aws.String("v1")}))
		}),
		missing("DeletePolicyVersion", "a version that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: f.policy(1), VersionId: aws.String("v9")}))
		}),
		permitted("ListPolicyVersions", "a policy", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: f.policy(1)}))
		}),
		missing("ListPolicyVersions", "a policy that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: aws.String(policyARN(f.Name))}))
		}),
		permitted("SetDefaultPolicyVersion", "a version", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: f.policy(2), VersionId: aws.String("v2")}))
		}),
		missing("SetDefaultPolicyVersion", "a version that does not exist", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: f.policy(1), VersionId: aws.String("v2")}))
		}),
	)
}
