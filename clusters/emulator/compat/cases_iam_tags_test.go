package compat

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// taggable is a kind of resource with tags: how to create one, the name of one that does not exist, and its three
// operations.
type taggable struct {
	name       string
	make, none func(*fixture) *string
	tag        func(context.Context, *iam.Client, *string, []types.Tag) error
	untag      func(context.Context, *iam.Client, *string, []string) error
	list       func(context.Context, *iam.Client, *string, *int32) error
}

var taggables = []taggable{
	{
		"User", (*fixture).user, (*fixture).nothing,
		func(ctx context.Context, c *iam.Client, id *string, tags []types.Tag) error {
			return last(c.TagUser(ctx, &iam.TagUserInput{UserName: id, Tags: tags}))
		},
		func(ctx context.Context, c *iam.Client, id *string, keys []string) error {
			return last(c.UntagUser(ctx, &iam.UntagUserInput{UserName: id, TagKeys: keys}))
		},
		func(ctx context.Context, c *iam.Client, id *string, items *int32) error {
			return last(c.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: id, MaxItems: items}))
		},
	},
	{
		"Policy", func(f *fixture) *string { return f.policy(1) }, func(f *fixture) *string { return aws.String(policyARN(f.Name)) },
		func(ctx context.Context, c *iam.Client, id *string, tags []types.Tag) error {
			return last(c.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: id, Tags: tags}))
		},
		func(ctx context.Context, c *iam.Client, id *string, keys []string) error {
			return last(c.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: id, TagKeys: keys}))
		},
		func(ctx context.Context, c *iam.Client, id *string, items *int32) error {
			return last(c.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: id, MaxItems: items}))
		},
	},
	{
		"InstanceProfile", (*fixture).profile, (*fixture).nothing,
		func(ctx context.Context, c *iam.Client, id *string, tags []types.Tag) error {
			return last(c.TagInstanceProfile(ctx, &iam.TagInstanceProfileInput{InstanceProfileName: id, Tags: tags}))
		},
		func(ctx context.Context, c *iam.Client, id *string, keys []string) error {
			return last(c.UntagInstanceProfile(ctx, &iam.UntagInstanceProfileInput{InstanceProfileName: id, TagKeys: keys}))
		},
		func(ctx context.Context, c *iam.Client, id *string, items *int32) error {
			return last(c.ListInstanceProfileTags(ctx, &iam.ListInstanceProfileTagsInput{InstanceProfileName: id, MaxItems: items}))
		},
	},
	{
		"OpenIDConnectProvider", (*fixture).provider, (*fixture).noProvider,
		func(ctx context.Context, c *iam.Client, id *string, tags []types.Tag) error {
			return last(c.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: id, Tags: tags}))
		},
		func(ctx context.Context, c *iam.Client, id *string, keys []string) error {
			return last(c.UntagOpenIDConnectProvider(ctx, &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: id, TagKeys: keys}))
		},
		func(ctx context.Context, c *iam.Client, id *string, items *int32) error {
			return last(c.ListOpenIDConnectProviderTags(ctx, &iam.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: id, MaxItems: items}))
		},
	},
}

func iamTagCases() []testCase {
	var list []testCase
	for _, kind := range taggables {
		tag := func(id func(*fixture) *string, tags []types.Tag) iamCall {
			return func(ctx context.Context, f *fixture, c *iam.Client) error { return kind.tag(ctx, c, id(f), tags) }
		}
		untag := func(id func(*fixture) *string, keys ...string) iamCall {
			return func(ctx context.Context, f *fixture, c *iam.Client) error { return kind.untag(ctx, c, id(f), keys) }
		}
		tags := func(id func(*fixture) *string, items *int32) iamCall {
			return func(ctx context.Context, f *fixture, c *iam.Client) error { return kind.list(ctx, c, id(f), items) }
		}
		pair := func(key, value string) []types.Tag { return []types.Tag{{Key: &key, Value: &value}} }
		full := func(f *fixture) *string {
			id := kind.make(f)
			f.must(kind.tag(f.t.Context(), f.Admin().IAM, id, iamTags(50)))
			return id
		}
		names := []string{"Tag" + kind.name, "Untag" + kind.name, "List" + kind.name + "Tags"}
		list = slices.Concat(
			list,
			permitted(names[0], "a tag", tag(kind.make, iamTags(1))),
			accepts(names[0], "50 tags", tag(kind.make, iamTags(50))),
			missing(names[0], "a resource that does not exist", tag(kind.none, iamTags(1))),
			refuses(400, "InvalidInput", names[0], "no tags", tag(kind.make, nil)),
			refuses(400, "InvalidInput", names[0], "a key that begins with aws:", tag(kind.make, pair("aws:key", "value"))),
			refuses(400, "InvalidInput", names[0], "a key given twice, in another case", tag(kind.make, append(pair("key", "a"), pair("KEY", "b")...))),
			refuses(409, "LimitExceeded", names[0], "a 51st tag", tag(full, pair("one-more", "value"))),
			permitted(names[1], "a key", untag(kind.make, "key-0")),
			accepts(names[1], "a key that is not there", untag(kind.make, "no-such-key")),
			missing(names[1], "a resource that does not exist", untag(kind.none, "key-0")),
			refuses(400, "InvalidInput", names[1], "no keys", untag(kind.make)),
			permitted(names[2], "a resource", tags(kind.make, nil)),
			missing(names[2], "a resource that does not exist", tags(kind.none, nil)),
			refuses(400, "ValidationError", names[2], "a page of 1001", tags(kind.make, aws.Int32(1001))),
		)
	}
	return slices.Concat(
		list,
		refuses(403, "AccessDenied", "TagPolicy", "a policy of AWS", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: aws.String(awsPolicy), Tags: iamTags(1)}))
		}),
		refuses(403, "AccessDenied", "UntagPolicy", "a policy of AWS", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: aws.String(awsPolicy), TagKeys: []string{"key-0"}}))
		}),
	)
}
