package compat

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// profile creates an instance profile and returns its name.
func (f *fixture) profile() *string {
	f.t.Helper()
	f.must(last(f.Admin().IAM.CreateInstanceProfile(f.t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: &f.Name, Tags: iamTags(1)})))
	return &f.Name
}

// filledProfile creates an instance profile with a role of the same name.
func (f *fixture) filledProfile() *string {
	f.t.Helper()
	f.must(last(f.Admin().IAM.AddRoleToInstanceProfile(f.t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: f.profile(), RoleName: f.role()})))
	return &f.Name
}

func iamProfileCases() []testCase {
	create := func(change func(*fixture, *iam.CreateInstanceProfileInput)) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			input := &iam.CreateInstanceProfileInput{InstanceProfileName: &f.Name}
			change(f, input)
			return last(c.CreateInstanceProfile(ctx, input))
		}
	}
	add := func(profile, role func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile(f), RoleName: role(f)}))
		}
	}
	get := func(profile func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: profile(f)}))
		}
	}
	remove := func(profile func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: profile(f)}))
		}
	}
	takeOut := func(profile func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile(f), RoleName: &f.Name}))
		}
	}
	return slices.Concat(
		permitted("CreateInstanceProfile", "a name", create(func(*fixture, *iam.CreateInstanceProfileInput) {})),
		accepts("CreateInstanceProfile", "a path and tags", create(func(_ *fixture, in *iam.CreateInstanceProfileInput) {
			in.Path, in.Tags = aws.String("/team/"), iamTags(2)
		})),
		refuses(409, "EntityAlreadyExists", "CreateInstanceProfile", "a profile that exists", create(func(f *fixture, _ *iam.CreateInstanceProfileInput) { f.profile() })),
		refuses(409, "EntityAlreadyExists", "CreateInstanceProfile", "a name that differs from another's by case", create(func(f *fixture, in *iam.CreateInstanceProfileInput) {
			f.profile()
			in.InstanceProfileName = aws.String(strings.ToUpper(f.Name))
		})),
		refuses(400, "ValidationError", "CreateInstanceProfile", "no name", create(func(_ *fixture, in *iam.CreateInstanceProfileInput) { in.InstanceProfileName = nil })),
		refuses(400, "ValidationError", "CreateInstanceProfile", "a name with a space", create(func(_ *fixture, in *iam.CreateInstanceProfileInput) { in.InstanceProfileName = aws.String("a b") })),
		refuses(400, "ValidationError", "CreateInstanceProfile", "a path without its slashes", create(func(_ *fixture, in *iam.CreateInstanceProfileInput) { in.Path = aws.String("team") })),
		refuses(409, "LimitExceeded", "CreateInstanceProfile", "51 tags", create(func(_ *fixture, in *iam.CreateInstanceProfileInput) { in.Tags = iamTags(51) })),

		permitted("GetInstanceProfile", "a profile", get((*fixture).profile)),
		accepts("GetInstanceProfile", "a profile with a role", get((*fixture).filledProfile)),
		missing("GetInstanceProfile", "a profile that does not exist", get((*fixture).nothing)),
		permitted("DeleteInstanceProfile", "an empty profile", remove((*fixture).profile)),
		missing("DeleteInstanceProfile", "a profile that does not exist", remove((*fixture).nothing)),
		refuses(409, "DeleteConflict", "DeleteInstanceProfile", "a profile with a role", remove((*fixture).filledProfile)),
		permitted("ListInstanceProfiles", "no filter", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{}))
		}),
		refuses(400, "ValidationError", "ListInstanceProfiles", "a path prefix without its slash", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{PathPrefix: aws.String("team")}))
		}),

		permitted("AddRoleToInstanceProfile", "a role into an empty profile", add((*fixture).profile, (*fixture).role)),
		refuses(409, "LimitExceeded", "AddRoleToInstanceProfile", "a second role", add((*fixture).filledProfile, (*fixture).nothing)),
		missing("AddRoleToInstanceProfile", "a role that does not exist", add((*fixture).profile, (*fixture).nothing)),
		missing("AddRoleToInstanceProfile", "a profile that does not exist", add((*fixture).nothing, (*fixture).role)),
		[]testCase{{"iam", "AddRoleToInstanceProfile", "a caller without iam:PassRole", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			caller := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:AddRoleToInstanceProfile","Resource":"*"}}`)
			return add((*fixture).profile, (*fixture).role)(ctx, f, caller.IAM)
		}}},
		permitted("RemoveRoleFromInstanceProfile", "the role of the profile", takeOut((*fixture).filledProfile)),
		missing("RemoveRoleFromInstanceProfile", "a role that is not in the profile", takeOut((*fixture).profile)),
		missing("RemoveRoleFromInstanceProfile", "a profile that does not exist", takeOut((*fixture).nothing)),
		refuses(409, "DeleteConflict", "DeleteRole", "a role in an instance profile", func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: f.filledProfile()}))
		}),
	)
}

// nothing is a name that does not exist.
func (f *fixture) nothing() *string { return &f.Name }
