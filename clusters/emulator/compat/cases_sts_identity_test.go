package compat

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// issuerHost is the issuer of all clusters, in the form of condition keys.
var issuerHost = strings.TrimPrefix(emulatortest.Issuer, "https://")

// trustWeb lets the service account "app" in namespace "default" of a cluster assume a role, as with IRSA.
var trustWeb = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + emulatortest.Account + `:oidc-provider/` + issuerHost + `"},
	"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + issuerHost + `:sub":"system:serviceaccount:default:app","` + issuerHost + `:aud":"` + audience + `"}}}}`

// federate registers a cluster and its issuer as a provider of the account.
func (f *fixture) federate() {
	f.t.Helper()
	f.Cluster()
	_, err := f.Admin().IAM.CreateOpenIDConnectProvider(f.t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: aws.String(emulatortest.Issuer), ClientIDList: []string{audience}})
	if _, exists := errors.AsType[*iamtypes.EntityAlreadyExistsException](err); !exists {
		f.must(err)
	}
}

// webToken returns a token for AssumeRoleWithWebIdentity, with changed claims.
func (f *fixture) webToken(serviceAccount string, changes map[string]any) *string {
	claims := map[string]any{"aud": []string{audience}}
	for name, value := range changes {
		claims[name] = value
	}
	return aws.String(f.Token("default", serviceAccount, claims))
}

// web asks for a session of a new role with a token of the service account "app".
func web(change func(*fixture, *sts.AssumeRoleWithWebIdentityInput)) func(context.Context, *fixture) error {
	return func(ctx context.Context, f *fixture) error {
		f.federate()
		input := &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String(f.Role(f.Name, trustWeb, "")), RoleSessionName: aws.String("session"), WebIdentityToken: f.webToken("app", nil),
		}
		change(f, input)
		return last(f.Anonymous().STS.AssumeRoleWithWebIdentity(ctx, input))
	}
}

func stsWebIdentityCases() []testCase {
	const name = "AssumeRoleWithWebIdentity"
	claims := func(changes map[string]any) func(*fixture, *sts.AssumeRoleWithWebIdentityInput) {
		return func(f *fixture, in *sts.AssumeRoleWithWebIdentityInput) {
			in.WebIdentityToken = f.webToken("app", changes)
		}
	}
	plain := func(change func(*sts.AssumeRoleWithWebIdentityInput)) func(context.Context, *fixture) error {
		return web(func(_ *fixture, in *sts.AssumeRoleWithWebIdentityInput) { change(in) })
	}
	return []testCase{
		{"sts", name, "the token of a service account that the role trusts", accepted, web(func(*fixture, *sts.AssumeRoleWithWebIdentityInput) {})},
		{"sts", name, "15 minutes, a session policy and a policy ARN", accepted, plain(func(in *sts.AssumeRoleWithWebIdentityInput) {
			in.DurationSeconds, in.Policy, in.PolicyArns = aws.Int32(900), aws.String(allowAll), []types.PolicyDescriptorType{{Arn: aws.String(awsPolicy)}}
		})},
		{"sts", name, "the token of another service account", refused(403, "AccessDenied"), web(func(f *fixture, in *sts.AssumeRoleWithWebIdentityInput) {
			in.WebIdentityToken = f.webToken("other", nil)
		})},
		{"sts", name, "a role that does not exist", refused(403, "AccessDenied"), plain(func(in *sts.AssumeRoleWithWebIdentityInput) { in.RoleArn = aws.String(roleARN("no-such-role")) })},
		{"sts", name, "a role that trusts pods.eks.amazonaws.com only", refused(403, "AccessDenied"), web(func(f *fixture, in *sts.AssumeRoleWithWebIdentityInput) {
			in.RoleArn = aws.String(f.Role(f.Name+"-pods", trustPods, ""))
		})},
		{"sts", name, "session tags of the token, which the role does not allow", refused(403, "AccessDenied"), web(claims(map[string]any{
			"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"team": []string{"red"}}},
		}))},
		{"sts", name, "an audience that is no client ID of the provider", refused(400, "InvalidIdentityToken"), web(claims(map[string]any{"aud": []string{"pods.eks.amazonaws.com"}}))},
		{"sts", name, "an issuer that is no provider of the account", refused(400, "InvalidIdentityToken"), web(claims(map[string]any{"iss": "https://no-provider.example.com"}))},
		{"sts", name, "a provider whose keys the emulator does not have", refused(400, "InvalidIdentityToken"), web(func(f *fixture, in *sts.AssumeRoleWithWebIdentityInput) {
			f.provider()
			in.WebIdentityToken = f.webToken("app", map[string]any{"iss": f.issuer()})
		})},
		{"sts", name, "a token whose signature was changed", refused(400, "InvalidIdentityToken"), web(func(f *fixture, in *sts.AssumeRoleWithWebIdentityInput) {
			other := strings.Split(*f.webToken("other", nil), ".")
			parts := strings.Split(*in.WebIdentityToken, ".")
			in.WebIdentityToken = aws.String(parts[0] + "." + parts[1] + "." + other[2])
		})},
		{"sts", name, "a token that is not one", refused(400, "InvalidIdentityToken"), plain(func(in *sts.AssumeRoleWithWebIdentityInput) { in.WebIdentityToken = aws.String("not.a.token") })},
		{"sts", name, "a ProviderId", refused(400, "InvalidIdentityToken"), plain(func(in *sts.AssumeRoleWithWebIdentityInput) { in.ProviderId = aws.String("www.example.com") })},
		{"sts", name, "a token that expired six minutes ago", refused(400, "ExpiredTokenException"), web(func(f *fixture, in *sts.AssumeRoleWithWebIdentityInput) {
			in.WebIdentityToken = f.webToken("app", map[string]any{"exp": f.Now().Add(-6 * time.Minute).Unix()})
		})},
		{"sts", name, "no token", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleWithWebIdentityInput) { in.WebIdentityToken = nil })},
		{"sts", name, "no session name", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleWithWebIdentityInput) { in.RoleSessionName = nil })},
		{"sts", name, "899 seconds", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(899) })},
		{"sts", name, "more than the role's maximum", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(3601) })},
		{"sts", name, "a session policy that is not JSON", refused(400, "MalformedPolicyDocument"), plain(func(in *sts.AssumeRoleWithWebIdentityInput) { in.Policy = aws.String(notJSON) })},
	}
}

func stsKeyInfoCases() []testCase {
	info := func(who func(*fixture) *emulatortest.Clients, id string) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			return last(who(f).STS.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &id}))
		}
	}
	admin := func(f *fixture) *emulatortest.Clients { return f.Admin() }
	unprivileged := func(f *fixture) *emulatortest.Clients { return f.Unprivileged() }
	const name = "GetAccessKeyInfo"
	return []testCase{
		{"sts", name, "a user's key, by a user without any permission", accepted, info(unprivileged, emulatortest.AccessKeyID)},
		{"sts", name, "a key that does not exist", refused(400, "ValidationError"), info(admin, "AKIAEPINOSUCHKEY0000")},
		{"sts", name, "an ID of 15 characters", refused(400, "ValidationError"), info(admin, "AKIAEPINOSUCHKE")},
		{"sts", name, "an ID with a dash", refused(400, "ValidationError"), info(admin, "AKIA-NO-SUCH-KEY-ID")},
		{"sts", name, "no signature", refused(403, "MissingAuthenticationToken"), info(func(f *fixture) *emulatortest.Clients { return f.Anonymous() }, emulatortest.AccessKeyID)},
	}
}

// stsIdentityCases are about source identities, policy ARNs and the packed size of AssumeRole.
func stsIdentityCases() []testCase {
	const name = "AssumeRole"
	named := strings.Replace(trustAccount, `"sts:TagSession"`, `"sts:TagSession","sts:SetSourceIdentity"`, 1)
	assume := func(trust string, change func(*sts.AssumeRoleInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			input := &sts.AssumeRoleInput{RoleArn: aws.String(f.Role(f.Name, trust, "")), RoleSessionName: aws.String("session")}
			change(input)
			return last(f.Admin().STS.AssumeRole(ctx, input))
		}
	}
	chained := func(second string) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			first := f.Session(f.Role(f.Name+"-first", named, allowAll), func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("anna") })
			return last(first.STS.AssumeRole(ctx, &sts.AssumeRoleInput{
				RoleArn: aws.String(f.Role(f.Name, named, "")), RoleSessionName: aws.String("session"), SourceIdentity: &second,
			}))
		}
	}
	arns := func(arn string, count int) []types.PolicyDescriptorType {
		return slices.Repeat([]types.PolicyDescriptorType{{Arn: &arn}}, count)
	}
	return []testCase{
		{"sts", name, "a source identity", accepted, assume(named, func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("anna") })},
		{"sts", name, "the source identity of the caller's session again", accepted, chained("anna")},
		{"sts", name, "another source identity than the caller's session has", refused(403, "AccessDenied"), chained("berta")},
		{"sts", name, "a source identity where sts:SetSourceIdentity is not allowed", refused(403, "AccessDenied"), assume(trustAccount, func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("anna") })},
		{"sts", name, "a source identity with a space", refused(400, "ValidationError"), assume(named, func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("an na") })},
		{"sts", name, "an MFA device", refused(403, "AccessDenied"), assume(trustAccount, func(in *sts.AssumeRoleInput) {
			in.SerialNumber, in.TokenCode = aws.String("arn:aws:iam::"+emulatortest.Account+":mfa/device"), aws.String("123456")
		})},
		{"sts", name, "ten policy ARNs", accepted, assume(trustAccount, func(in *sts.AssumeRoleInput) { in.PolicyArns = arns(awsPolicy, 10) })},
		{"sts", name, "eleven policy ARNs", refused(400, "ValidationError"), assume(trustAccount, func(in *sts.AssumeRoleInput) { in.PolicyArns = arns(awsPolicy, 11) })},
		{"sts", name, "a policy ARN that does not exist", refused(400, "ValidationError"), assume(trustAccount, func(in *sts.AssumeRoleInput) { in.PolicyArns = arns(policyARN("no-such-policy"), 1) })},
		{"sts", name, "a policy ARN that is not one", refused(400, "ValidationError"), assume(trustAccount, func(in *sts.AssumeRoleInput) { in.PolicyArns = arns("AmazonS3ReadOnlyAccess", 1) })},
		{"sts", name, "tags over the packed size", refused(400, "PackedPolicyTooLarge"), assume(trustAccount, func(in *sts.AssumeRoleInput) {
			in.Tags = stsTags(50)
			for n := range in.Tags {
				in.Tags[n].Value = aws.String(strings.Repeat("v", 256))
			}
		})},
		{"sts", name, "51 tags", refused(400, "InvalidParameterValue"), assume(trustAccount, func(in *sts.AssumeRoleInput) { in.Tags = stsTags(51) })},
	}
}
