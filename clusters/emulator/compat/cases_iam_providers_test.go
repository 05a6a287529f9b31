package compat

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

const audience = "sts.amazonaws.com"

// issuer is a URL for this case only.
func (f *fixture) issuer() string { return "https://" + f.Name + ".example.com/id" }

// provider creates an OpenID Connect provider and returns its ARN.
func (f *fixture) provider() *string {
	f.t.Helper()
	return f.providerOf(f.issuer())
}

func (f *fixture) providerOf(issuer string) *string {
	f.t.Helper()
	out, err := f.Admin().IAM.CreateOpenIDConnectProvider(f.t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &issuer, ClientIDList: []string{audience}})
	f.must(err)
	return out.OpenIDConnectProviderArn
}

// noProvider is the ARN of a provider that does not exist.
func (f *fixture) noProvider() *string {
	return aws.String("arn:aws:iam::" + emulatortest.Account + ":oidc-provider/" + f.Name + ".example.com")
}

// numbered returns that many different texts that begin with prefix.
func numbered(prefix string, count int) []string {
	var list []string
	for n := range count {
		list = append(list, fmt.Sprintf("%s%d", prefix, n))
	}
	return list
}

func iamProviderCases() []testCase {
	print := strings.Repeat("0a", 20)
	create := func(change func(*fixture, *iam.CreateOpenIDConnectProviderInput)) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			input := &iam.CreateOpenIDConnectProviderInput{Url: aws.String(f.issuer()), ClientIDList: []string{audience}}
			change(f, input)
			return last(c.CreateOpenIDConnectProvider(ctx, input))
		}
	}
	at := func(url string) iamCall {
		return create(func(_ *fixture, in *iam.CreateOpenIDConnectProviderInput) { in.Url = &url })
	}
	get := func(arn func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn(f)}))
		}
	}
	remove := func(arn func(*fixture) *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn(f)}))
		}
	}
	add := func(arn func(*fixture) *string, id *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn(f), ClientID: id}))
		}
	}
	takeOut := func(arn func(*fixture) *string, id *string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn(f), ClientID: id}))
		}
	}
	prints := func(arn func(*fixture) *string, prints ...string) iamCall {
		return func(ctx context.Context, f *fixture, c *iam.Client) error {
			return last(c.UpdateOpenIDConnectProviderThumbprint(ctx, &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: arn(f), ThumbprintList: prints}))
		}
	}
	full := func(f *fixture) *string {
		f.must(create(func(_ *fixture, in *iam.CreateOpenIDConnectProviderInput) { in.ClientIDList = numbered("client-", 100) })(f.t.Context(), f, f.Admin().IAM))
		return aws.String("arn:aws:iam::" + emulatortest.Account + ":oidc-provider/" + strings.TrimPrefix(f.issuer(), "https://"))
	}
	name := (*fixture).provider
	return slices.Concat(
		permitted("CreateOpenIDConnectProvider", "a URL and a client ID", create(func(*fixture, *iam.CreateOpenIDConnectProviderInput) {})),
		accepts("CreateOpenIDConnectProvider", "client IDs, thumbprints and tags", create(func(_ *fixture, in *iam.CreateOpenIDConnectProviderInput) {
			in.ClientIDList, in.ThumbprintList, in.Tags = numbered("client-", 100), []string{print}, iamTags(2)
		})),
		refuses(409, "EntityAlreadyExists", "CreateOpenIDConnectProvider", "a provider that exists", create(func(f *fixture, _ *iam.CreateOpenIDConnectProviderInput) { f.provider() })),
		refuses(400, "ValidationError", "CreateOpenIDConnectProvider", "no URL", create(func(_ *fixture, in *iam.CreateOpenIDConnectProviderInput) { in.Url = nil })),
		refuses(400, "ValidationError", "CreateOpenIDConnectProvider", "a URL of http", at("http://id.example.com")),
		refuses(400, "ValidationError", "CreateOpenIDConnectProvider", "a URL without a host", at("https:///id")),
		refuses(400, "ValidationError", "CreateOpenIDConnectProvider", "a URL with a user", at("https://user@id.example.com")),
		refuses(400, "ValidationError", "CreateOpenIDConnectProvider", "a URL with a query", at("https://id.example.com/?a=b")),
		refuses(400, "ValidationError", "CreateOpenIDConnectProvider", "a URL of 256 characters", at("https://id.example.com/"+strings.Repeat("x", 233))),
		refuses(409, "LimitExceeded", "CreateOpenIDConnectProvider", "101 client IDs", create(func(_ *fixture, in *iam.CreateOpenIDConnectProviderInput) { in.ClientIDList = numbered("client-", 101) })),
		refuses(400, "ValidationError", "CreateOpenIDConnectProvider", "a thumbprint of 39 characters", create(func(_ *fixture, in *iam.CreateOpenIDConnectProviderInput) { in.ThumbprintList = []string{print[1:]} })),
		refuses(409, "LimitExceeded", "CreateOpenIDConnectProvider", "six thumbprints", create(func(_ *fixture, in *iam.CreateOpenIDConnectProviderInput) {
			in.ThumbprintList = numbered(print[1:], 6)
		})),

		permitted("GetOpenIDConnectProvider", "a provider", get(name)),
		missing("GetOpenIDConnectProvider", "a provider that does not exist", get((*fixture).noProvider)),
		refuses(400, "ValidationError", "GetOpenIDConnectProvider", "an ARN that is not one", get((*fixture).nothing)),
		permitted("DeleteOpenIDConnectProvider", "a provider", remove(name)),
		missing("DeleteOpenIDConnectProvider", "a provider that does not exist", remove((*fixture).noProvider)),
		permitted("ListOpenIDConnectProviders", "all", func(ctx context.Context, _ *fixture, c *iam.Client) error {
			return last(c.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}))
		}),
		permitted("AddClientIDToOpenIDConnectProvider", "another client ID", add(name, aws.String("another"))),
		accepts("AddClientIDToOpenIDConnectProvider", "a client ID that is there", add(name, aws.String(audience))),
		missing("AddClientIDToOpenIDConnectProvider", "a provider that does not exist", add((*fixture).noProvider, aws.String("another"))),
		refuses(400, "ValidationError", "AddClientIDToOpenIDConnectProvider", "no client ID", add(name, nil)),
		refuses(409, "LimitExceeded", "AddClientIDToOpenIDConnectProvider", "a 101st client ID", add(full, aws.String("another"))),
		permitted("RemoveClientIDFromOpenIDConnectProvider", "a client ID", takeOut(name, aws.String(audience))),
		accepts("RemoveClientIDFromOpenIDConnectProvider", "a client ID that is not there", takeOut(name, aws.String("another"))),
		missing("RemoveClientIDFromOpenIDConnectProvider", "a provider that does not exist", takeOut((*fixture).noProvider, aws.String(audience))),
		refuses(400, "ValidationError", "RemoveClientIDFromOpenIDConnectProvider", "no client ID", takeOut(name, nil)),
		permitted("UpdateOpenIDConnectProviderThumbprint", "a thumbprint", prints(name, print)),
		missing("UpdateOpenIDConnectProviderThumbprint", "a provider that does not exist", prints((*fixture).noProvider, print)),
		refuses(400, "ValidationError", "UpdateOpenIDConnectProviderThumbprint", "a thumbprint that is not hexadecimal", prints(name, strings.Repeat("x", 40))),
		refuses(409, "LimitExceeded", "UpdateOpenIDConnectProviderThumbprint", "six thumbprints", prints(name, numbered(print[1:], 6)...)),
	)
}
