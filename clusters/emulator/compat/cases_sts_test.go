package compat

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

func stsTags(count int) []types.Tag {
	var tags []types.Tag
	for n := range count {
		tags = append(tags, types.Tag{Key: aws.String(fmt.Sprintf("key-%d", n)), Value: aws.String("value")})
	}
	return tags
}

// stsCases: https://docs.aws.amazon.com/STS/latest/APIReference/.
func stsCases() []testCase {
	send := func(request emulatortest.Request) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error { return f.Send(ctx, f.Admin(), request) }
	}
	// assume asks, as the administrator, for a session of a role with a trust policy.
	assume := func(trust string, change func(*fixture, *sts.AssumeRoleInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			input := &sts.AssumeRoleInput{RoleArn: aws.String(f.Role(f.Name, trust, "")), RoleSessionName: aws.String("session")}
			if change != nil {
				change(f, input)
			}
			return last(f.Admin().STS.AssumeRole(ctx, input))
		}
	}
	plain := func(change func(*sts.AssumeRoleInput)) func(context.Context, *fixture) error {
		return assume(trustAccount, func(_ *fixture, in *sts.AssumeRoleInput) { change(in) })
	}
	// chained asks with the session of another role, whose tag key-0 is transitive.
	chained := func(change func(*sts.AssumeRoleInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			first := f.Session(f.Role(f.Name+"-first", trustAccount, allowAll), func(in *sts.AssumeRoleInput) {
				in.Tags, in.TransitiveTagKeys = stsTags(1), []string{"key-0"}
			})
			input := &sts.AssumeRoleInput{RoleArn: aws.String(f.Role(f.Name, trustAccount, "")), RoleSessionName: aws.String("session")}
			change(input)
			return last(first.STS.AssumeRole(ctx, input))
		}
	}
	const noTags = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + emulatortest.Account + `"},"Action":"sts:AssumeRole"}}`
	external := strings.Replace(trustAccount, `"Action"`, `"Condition":{"StringEquals":{"sts:ExternalId":"shared"}},"Action"`, 1)
	return []testCase{
		{"sts", anyOperation, "an action that does not exist", refused(400, "InvalidAction"), send(emulatortest.Query("sts", "MakeCoffee", nil))},
		{"sts", anyOperation, "an API version that does not exist", refused(400, "InvalidAction"), send(emulatortest.Request{
			Service: "sts", Method: http.MethodPost, Path: "/", Body: "Action=GetCallerIdentity&Version=2011-06-16", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		})},

		{"sts", "GetCallerIdentity", "a user without any permission", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
		}},
		{"sts", "GetCallerIdentity", "a session of a role that is denied everything", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Session(f.Role(f.Name, trustAccount, emulatortest.DenyAll), nil).STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
		}},
		{"sts", "GetCallerIdentity", "a GET with the parameters in the query", accepted, send(emulatortest.Request{Service: "sts", Method: http.MethodGet, Path: "/?Action=GetCallerIdentity&Version=2011-06-15"})},
		{"sts", "GetCallerIdentity", "no signature", refused(403, "MissingAuthenticationToken"), func(ctx context.Context, f *fixture) error {
			return last(f.Anonymous().STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
		}},
		{"sts", "GetCallerIdentity", "a session of a role that was deleted", refused(403, "InvalidClientTokenId"), func(ctx context.Context, f *fixture) error {
			session := f.Session(f.Role(f.Name, trustAccount, ""), nil)
			f.must(last(f.Admin().IAM.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &f.Name})))
			return last(session.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
		}},

		{"sts", "AssumeRole", "a role that trusts the account", accepted, assume(trustAccount, nil)},
		{"sts", "AssumeRole", "15 minutes, tags, a session policy", accepted, plain(func(in *sts.AssumeRoleInput) {
			in.DurationSeconds, in.Tags, in.TransitiveTagKeys, in.Policy = aws.Int32(900), stsTags(3), []string{"key-1"}, aws.String(allowAll)
		})},
		{"sts", "AssumeRole", "the external ID of the trust policy", accepted, assume(external, func(_ *fixture, in *sts.AssumeRoleInput) { in.ExternalId = aws.String("shared") })},
		{"sts", "AssumeRole", "an hour, with the session of another role", accepted, chained(func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3600) })},
		{"sts", "AssumeRole", "another external ID", refused(403, "AccessDenied"), assume(external, func(_ *fixture, in *sts.AssumeRoleInput) { in.ExternalId = aws.String("other") })},
		{"sts", "AssumeRole", "no external ID where one is asked for", refused(403, "AccessDenied"), assume(external, nil)},
		{"sts", "AssumeRole", "a role that does not exist", refused(403, "AccessDenied"), assume(trustAccount, func(_ *fixture, in *sts.AssumeRoleInput) { in.RoleArn = aws.String(roleARN("no-such-role")) })},
		{"sts", "AssumeRole", "a role that trusts pods.eks.amazonaws.com only", refused(403, "AccessDenied"), assume(trustPods, nil)},
		{"sts", "AssumeRole", "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().STS.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(f.Role(f.Name, trustAccount, "")), RoleSessionName: aws.String("session")}))
		}},
		{"sts", "AssumeRole", "tags where the trust policy does not allow sts:TagSession", refused(403, "AccessDenied"), assume(noTags, func(_ *fixture, in *sts.AssumeRoleInput) { in.Tags = stsTags(1) })},
		{"sts", "AssumeRole", "no signature", refused(403, "MissingAuthenticationToken"), func(ctx context.Context, f *fixture) error {
			return last(f.Anonymous().STS.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(roleARN(f.Name)), RoleSessionName: aws.String("session")}))
		}},
		{"sts", "AssumeRole", "no session name", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleInput) { in.RoleSessionName = nil })},
		{"sts", "AssumeRole", "a session name with a slash", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a/b") })},
		{"sts", "AssumeRole", "an ARN that is not a role's", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(policyARN("some-policy")) })},
		{"sts", "AssumeRole", "899 seconds", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) })},
		{"sts", "AssumeRole", "more than the role's maximum", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) })},
		{"sts", "AssumeRole", "more than an hour, with the session of another role", refused(400, "ValidationError"), chained(func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) })},
		{"sts", "AssumeRole", "a transitive tag of the caller's session with another value", refused(400, "InvalidParameterValue"), chained(func(in *sts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("key-0"), Value: aws.String("other")}}
		})},
		{"sts", "AssumeRole", "a tag key given twice", refused(400, "InvalidParameterValue"), plain(func(in *sts.AssumeRoleInput) { in.Tags = append(stsTags(1), stsTags(1)...) })},
		{"sts", "AssumeRole", "a transitive tag key that is not among the tags", refused(400, "InvalidParameterValue"), plain(func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"key-0"} })},
		{"sts", "AssumeRole", "a session policy that is not JSON", refused(400, "MalformedPolicyDocument"), plain(func(in *sts.AssumeRoleInput) { in.Policy = aws.String(notJSON) })},
		{"sts", "AssumeRole", "a session policy with a principal", refused(400, "MalformedPolicyDocument"), plain(func(in *sts.AssumeRoleInput) { in.Policy = aws.String(trustPods) })},
		{"sts", "AssumeRole", "a session policy over 2048 characters", refused(400, "ValidationError"), plain(func(in *sts.AssumeRoleInput) { in.Policy = tooLong(2048) })},
	}
}
